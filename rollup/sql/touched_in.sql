-- When were the quarter hours of these buckets touched last? Those never touched hold nothing and are left out.
--
-- Reads `touches` along its key, bounded by the buckets.
SELECT
    toString(org_id) AS org_id,
    toUnixTimestamp(quarter) AS quarter,
    max(touches.last_position) AS last_position
FROM touches
WHERE (org_id, quarter) IN (
    SELECT {orgs:Array(String)}[bucket.1], toDateTime(arrayJoin(range(bucket.2, bucket.3, 900)), 'UTC')
    FROM (SELECT arrayJoin(arrayZip({bucket_orgs:Array(UInt64)}, {bucket_starts:Array(UInt32)}, {bucket_ends:Array(UInt32)})) AS bucket)
)
GROUP BY org_id, quarter
