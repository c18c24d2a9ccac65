-- How many calls do the stored rows of these quarter hours count?
--
-- Reads narrow columns of `usage_quarter_hourly` along the key, bounded by the buckets. The highest version holds.
SELECT toString(org_id) AS org_id, toUnixTimestamp(starts_at) AS quarter, argMax(calls, version) AS calls
FROM usage_quarter_hourly
WHERE (org_id, starts_at, ends_at) IN (
    SELECT {orgs:Array(String)}[bucket.1], toDateTime(bucket.2, 'UTC'), toDateTime(bucket.3, 'UTC')
    FROM (SELECT arrayJoin(arrayZip({bucket_orgs:Array(UInt64)}, {bucket_starts:Array(UInt32)}, {bucket_ends:Array(UInt32)})) AS bucket)
)
GROUP BY org_id, quarter
