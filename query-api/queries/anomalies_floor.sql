-- How far back a page of anomalies may look: the instant of the oldest of the newest `rows` ledger rows before a place,
-- and whether there were as many.
-- Table `ai_calls`, read backwards in the order of its key; it stops after `rows`, and reads two columns.
SELECT
    toInt64(min(toUnixTimestamp64Milli(occurred_at))) AS floor_ms,
    count() AS seen
FROM
(
    SELECT occurred_at
    FROM ai_calls
    WHERE org_id = {org_id:String}
      AND occurred_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
      AND occurred_at < fromUnixTimestamp64Milli({before_ms:Int64}, 'UTC')
    ORDER BY occurred_at DESC
    LIMIT {rows:UInt64}
)
