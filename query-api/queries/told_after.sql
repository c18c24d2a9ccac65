-- Not a statement: the condition `{{told_after}}` of of_ledger.sql, where only calls are asked for whose first write came after a
-- position. Only calls that a later message tells of: found by the index of `position`, and their other rows by the key.
AND (occurred_at, event_id) IN
(
    SELECT occurred_at, event_id
    FROM ai_calls
    WHERE org_id = {org_id:String}
      AND occurred_at >= fromUnixTimestamp64Milli({from_ms:Array(Int64)}[1], 'UTC')
      AND occurred_at < fromUnixTimestamp64Milli({to_ms:Array(Int64)}[-1], 'UTC')
      AND toStartOfFifteenMinutes(occurred_at) IN {quarters:Array(DateTime('UTC'))}
      AND position > {after:UInt64}
      AND position <= {at:UInt64}
)
