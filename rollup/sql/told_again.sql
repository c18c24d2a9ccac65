-- How many messages of these quarter hours told again of a call that was there, and how many of them otherwise than its
-- first one? Of messages behind `sinces` only, one position a bucket: the others were counted when the bucket was last
-- computed.
--
-- Reads the key's columns of `ai_calls` along the key, bounded by the buckets, then all columns of the identities with
-- several messages. A re-delivery has the same position: it is the same message.
WITH
    {orgs:Array(String)} AS orgs,
    {throughs:Array(UInt64)} AS throughs,
    {bucket_orgs:Array(UInt64)} AS bucket_orgs,
    {bucket_starts:Array(UInt32)} AS bucket_starts,
    {sinces:Array(UInt64)} AS sinces,
    arrayEnumerate(orgs) AS org_numbers,
    arrayMap((org, start) -> org * 4294967296 + start, bucket_orgs, bucket_starts) AS keys
SELECT
    sum(arrayCount(message -> message.2 = messages[1].2, again)) AS repeats,
    toUInt64(sum(length(again)) - repeats) AS conflicts
FROM
(
    SELECT
        any(transform(
            transform(org_id, orgs, org_numbers, 0) * 4294967296 + toUnixTimestamp(toStartOfFifteenMinutes(occurred_at)),
            keys, sinces, 0
        )) AS since,
        arraySort(groupUniqArray((
            position,
            sipHash128(member_id, reason, provider, model, input_tokens, output_tokens, credits, provider_cost, currency)
        ))) AS messages,
        arrayFilter(message -> message.1 > since, arrayPopFront(messages)) AS again
    FROM ai_calls
    WHERE position <= transform(org_id, orgs, throughs, 0)
        AND (org_id, toStartOfFifteenMinutes(occurred_at)) IN (
            SELECT orgs[bucket.1], toDateTime(bucket.2, 'UTC')
            FROM (SELECT arrayJoin(arrayZip(bucket_orgs, bucket_starts)) AS bucket)
        )
        AND (org_id, occurred_at, event_id) IN
        (
            SELECT org_id, occurred_at, event_id
            FROM ai_calls
            WHERE position <= transform(org_id, orgs, throughs, 0)
                AND (org_id, toStartOfFifteenMinutes(occurred_at)) IN (
                    SELECT orgs[bucket.1], toDateTime(bucket.2, 'UTC')
                    FROM (SELECT arrayJoin(arrayZip(bucket_orgs, bucket_starts)) AS bucket)
                )
            GROUP BY org_id, occurred_at, event_id
            HAVING min(position) != max(position)
            SETTINGS optimize_aggregation_in_order = 1
        )
    GROUP BY org_id, occurred_at, event_id
)
