-- How many rows of the ledger some quarter hours hold, by the marks of its index; nothing is read.
EXPLAIN ESTIMATE
SELECT count()
FROM ai_calls
WHERE org_id = {org_id:String}
  AND occurred_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
  AND occurred_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
  AND toStartOfFifteenMinutes(occurred_at) IN {quarters:Array(DateTime('UTC'))}
