    -- Which of the slots in `{{below}}_keys` have a row that may be used: it stands for the same interval, knows its last
    -- touch, and nothing after the position. FINAL leaves of each interval the row that holds.
    (
        SELECT groupArray((key, bucket))
        FROM
        (
            SELECT
                transform(org_id, orgs, org_numbers, 0) * 4294967296 + toUnixTimestamp(starts_at) AS key,
                transform(key, {{below}}_keys, {{below}}_buckets, 0) AS bucket
            FROM {{table}} FINAL
            WHERE bucket != 0
                AND toUnixTimestamp(ends_at) = transform(key, {{below}}_keys, {{below}}_ends, 0)
                AND through >= transform(key, {{below}}_keys, {{below}}_touches, 0)
                AND through <= transform(org_id, orgs, throughs, 0)
                AND indexHint((org_id, starts_at) IN (
                    SELECT orgs[intDiv(key, 4294967296)], toDateTime(key % 4294967296, 'UTC') FROM (SELECT arrayJoin({{below}}_keys) AS key)
                ))
        )
    ) AS usable_{{below}},
    usable_{{below}}.1 AS usable_{{below}}_keys,
    usable_{{below}}.2 AS usable_{{below}}_buckets,
    rows_of_{{below}} AS
    (
        SELECT
            transform(org_id, orgs, org_numbers, 0) * 4294967296 + toUnixTimestamp(starts_at) AS key,
            transform(key, usable_{{below}}_keys, usable_{{below}}_buckets, 0) AS bucket,
            cells.member_id AS member_ids, cells.reason AS reasons, cells.provider AS providers, cells.model AS models,
            cells.currency AS currencies, cells.calls AS call_counts, cells.input_tokens AS input_token_counts,
            cells.output_tokens AS output_token_counts, cells.credits AS credit_sums, cells.provider_cost AS cost_sums
        FROM {{table}} FINAL
        WHERE bucket != 0
            AND toUnixTimestamp(ends_at) = transform(key, {{below}}_keys, {{below}}_ends, 0)
            AND indexHint((org_id, starts_at) IN (
                SELECT orgs[intDiv(key, 4294967296)], toDateTime(key % 4294967296, 'UTC') FROM (SELECT arrayJoin(usable_{{below}}_keys) AS key)
            ))
    ),
    names_of_{{below}} AS
    (
        SELECT member_id, reason, provider, model, currency
        FROM rows_of_{{below}}
        ARRAY JOIN member_ids AS member_id, reasons AS reason, providers AS provider, models AS model, currencies AS currency
    ),
    cells_of_{{below}} AS
    (
        SELECT
            bucket, member_id, reason, provider, model, currency,
            calls, input_tokens, output_tokens, credits, provider_cost
        FROM rows_of_{{below}}
        ARRAY JOIN
            member_ids AS member_id, reasons AS reason, providers AS provider, models AS model, currencies AS currency,
            call_counts AS calls, input_token_counts AS input_tokens, output_token_counts AS output_tokens,
            credit_sums AS credits, cost_sums AS provider_cost
    )
