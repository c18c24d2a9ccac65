-- Through which position do the stored rows of these buckets go? <table> is one of the three levels.
--
-- Reads four narrow columns along the key, bounded by the buckets. The highest version holds.
SELECT
    toString(org_id) AS org_id,
    toUnixTimestamp(starts_at) AS starts_at,
    toUnixTimestamp(ends_at) AS ends_at,
    toUInt32(bitShiftRight(max(version) AS holds, 64)) AS generation,
    toUInt64(bitAnd(holds, 18446744073709551615)) AS through
FROM <table>
WHERE (org_id, starts_at, ends_at) IN (
    SELECT {orgs:Array(String)}[bucket.1], toDateTime(bucket.2, 'UTC'), toDateTime(bucket.3, 'UTC')
    FROM (SELECT arrayJoin(arrayZip({bucket_orgs:Array(UInt64)}, {bucket_starts:Array(UInt32)}, {bucket_ends:Array(UInt32)})) AS bucket)
)
GROUP BY org_id, starts_at, ends_at
