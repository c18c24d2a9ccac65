    -- The quarter hours that hold anything, each with its bucket; buckets of one organisation never overlap.
    touched AS
    (
        SELECT touches.org AS org, touches.key AS key, touches.last_touch AS last_touch, asked.number AS bucket
        FROM
        (
            SELECT
                transform(org_id, orgs, org_numbers, 0) AS org,
                org * 4294967296 + toUnixTimestamp(quarter) AS key,
                max(last_position) AS last_touch
            FROM touches
            WHERE org_id IN orgs
                AND quarter >= toDateTime(arrayMin(bucket_starts), 'UTC') AND quarter < toDateTime(arrayMax(bucket_ends), 'UTC')
            GROUP BY org, key
        ) AS touches
        ASOF INNER JOIN
        (
            SELECT bucket.1 AS org, bucket.2 AS key, bucket.1 * 4294967296 + bucket.3 AS end_key, bucket.4 AS number
            FROM (SELECT arrayJoin(arrayZip(bucket_orgs, bucket_keys, bucket_ends, bucket_numbers)) AS bucket)
        ) AS asked
        ON touches.org = asked.org AND touches.key >= asked.key
        WHERE touches.key < asked.end_key
    )
