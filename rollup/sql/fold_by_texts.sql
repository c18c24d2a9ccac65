    -- As `fold_by_numbers.sql`, for buckets whose texts have more combinations than an integer has values. Same rows.
    texts AS
    (
        SELECT
            bucket, toString(member_id) AS member, toString(reason) AS reason, toString(provider) AS provider,
            toString(model) AS model, toString(currency) AS currency,
            sum(rows) AS rows,
            sum(calls) AS calls,
            sum(input_tokens) AS input_tokens,
            sum(output_tokens) AS output_tokens,
            sum(credits) AS credits,
            sum(provider_cost) AS provider_cost
        FROM cells
        GROUP BY bucket, member, reason, provider, model, currency
    ),
    folded AS
    (
        SELECT
            bucket,
            sum(rows) AS used_rows,
            sum(calls) AS total_calls,
            sum(input_tokens) AS total_input_tokens,
            sum(output_tokens) AS total_output_tokens,
            sum(credits) AS total_credits,
            arraySort(groupArray((member, reason, provider, model, currency, calls, input_tokens, output_tokens, credits, provider_cost))) AS sorted
        FROM texts
        GROUP BY bucket
    )
SELECT
    orgs[bucket_orgs[bucket]],
    toDateTime(bucket_starts[bucket], 'UTC'),
    toDateTime(bucket_ends[bucket], 'UTC'),
    {generation:UInt32},
    throughs[bucket_orgs[bucket]],
    total_calls, total_input_tokens, total_output_tokens, total_credits,
    sorted.1, sorted.2, sorted.3, sorted.4, sorted.5, sorted.6, sorted.7, sorted.8, sorted.9, sorted.10
FROM folded
WHERE throwIf(used_rows != bucket_rows[bucket], 'a planned row has been replaced') = 0
