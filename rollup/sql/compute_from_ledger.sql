    -- The ledger's rows of the planned quarter hours, each with its bucket.
    {ledger_keys:Array(UInt64)} AS ledger_keys,
    {ledger_buckets:Array(UInt64)} AS ledger_buckets,
    ledger AS
    (
        SELECT
            transform(
                transform(org_id, orgs, org_numbers, 0) * 4294967296 + toUnixTimestamp(toStartOfFifteenMinutes(occurred_at)),
                ledger_keys, ledger_buckets, 0
            ) AS bucket,
            *
        FROM ai_calls
        WHERE bucket != 0
            AND position <= transform(org_id, orgs, throughs, 0)
            -- Said once more in a form that the primary key and the partitions understand; not evaluated row by row.
            AND indexHint((org_id, toStartOfFifteenMinutes(occurred_at)) IN (
                SELECT orgs[intDiv(key, 4294967296)], toDateTime(key % 4294967296, 'UTC') FROM (SELECT arrayJoin(ledger_keys) AS key)
            ))
    ),
    -- Of each identity the lowest position counts, whatever the others hold.
    cells_of_ledger AS
    (
        SELECT
            bucket, member_id, reason, provider, model, currency,
            toUInt64(0) AS rows, toUInt64(1) AS calls, input_tokens, output_tokens, credits, provider_cost
        FROM ledger
        ORDER BY org_id, occurred_at, event_id, position
        LIMIT 1 BY org_id, occurred_at, event_id
    ),
    names_of_ledger AS (SELECT member_id, reason, provider, model, currency FROM ledger),
