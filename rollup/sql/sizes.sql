-- How many ledger rows do these quarter hours have? An estimate for cutting work: repeats count, and later rows.
--
-- Reads two columns of `ai_calls` along its key, about 0.02 µs a row.
SELECT
    toString(org_id) AS org_id,
    toUnixTimestamp(toStartOfFifteenMinutes(occurred_at)) AS quarter,
    count() AS ledger_rows
FROM ai_calls
WHERE (org_id, toStartOfFifteenMinutes(occurred_at)) IN (
    SELECT {orgs:Array(String)}[bucket.1], toDateTime(bucket.2, 'UTC')
    FROM (SELECT arrayJoin(arrayZip({bucket_orgs:Array(UInt64)}, {bucket_starts:Array(UInt32)})) AS bucket)
)
GROUP BY org_id, quarter
