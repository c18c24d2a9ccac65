    -- Grouping by six texts would hash and store all of them row by row. So each text becomes its number among the
    -- sorted texts that occur, and bucket and numbers together become the digits of one integer, each digit in a base
    -- of its own. Numbers are in the order of the texts: sorting the integers sorts the cells.
    (
        SELECT
        (
            members, arrayMap(n -> n * member_worth, range(length(members))),
            reasons, arrayMap(n -> n * reason_worth, range(length(reasons))),
            providers, arrayMap(n -> n * provider_worth, range(length(providers))),
            models, arrayMap(n -> n * model_worth, range(length(models))),
            currencies, arrayMap(n -> toUInt64(n), range(length(currencies))),
            member_worth, reason_worth, provider_worth, model_worth, bucket_worth,
            -- Behind every bucket's number: a text that is missing makes the sum fail instead of landing elsewhere.
            bucket_worth * (length(bucket_orgs) + 1)
        )
        FROM
        (
            SELECT
                arraySort(groupUniqArray(member_id)) AS members,
                arraySort(groupUniqArray(reason)) AS reasons,
                arraySort(groupUniqArray(provider)) AS providers,
                arraySort(groupUniqArray(model)) AS models,
                arraySort(groupUniqArray(currency)) AS currencies,
                toUInt64(length(currencies)) AS model_worth,
                model_worth * length(models) AS provider_worth,
                provider_worth * length(providers) AS reason_worth,
                reason_worth * length(reasons) AS member_worth,
                member_worth * length(members) AS bucket_worth
            FROM
            (
                <names>
            )
            -- The digits must leave room in 64 bits; six of them are added.
            HAVING throwIf(
                toFloat64(length(members)) * length(reasons) * length(providers) * length(models) * length(currencies)
                    * (length(bucket_orgs) + 1) > 1e18,
                'too many combinations of texts'
            ) = 0
        )
    ) AS digits,
    numbered AS
    (
        SELECT
            bucket * digits.15
                + transform(member_id, digits.1, digits.2, digits.16)
                + transform(reason, digits.3, digits.4, digits.16)
                + transform(provider, digits.5, digits.6, digits.16)
                + transform(model, digits.7, digits.8, digits.16)
                + transform(currency, digits.9, digits.10, digits.16) AS cell,
            sum(rows) AS rows,
            sum(calls) AS calls,
            sum(input_tokens) AS input_tokens,
            sum(output_tokens) AS output_tokens,
            sum(credits) AS credits,
            sum(provider_cost) AS provider_cost
        FROM cells
        GROUP BY cell
        ORDER BY cell
    ),
    folded AS
    (
        SELECT
            intDiv(cell, digits.15) AS bucket,
            sum(rows) AS used_rows,
            sum(calls) AS total_calls,
            sum(input_tokens) AS total_input_tokens,
            sum(output_tokens) AS total_output_tokens,
            sum(credits) AS total_credits,
            groupArray(cell) AS numbers,
            groupArray(calls) AS cell_calls,
            groupArray(input_tokens) AS cell_input_tokens,
            groupArray(output_tokens) AS cell_output_tokens,
            groupArray(credits) AS cell_credits,
            groupArray(provider_cost) AS cell_provider_cost
        FROM numbered
        GROUP BY bucket
    )
SELECT
    orgs[bucket_orgs[bucket]],
    toDateTime(bucket_starts[bucket], 'UTC'),
    toDateTime(bucket_ends[bucket], 'UTC'),
    {generation:UInt32},
    throughs[bucket_orgs[bucket]],
    total_calls, total_input_tokens, total_output_tokens, total_credits,
    arrayMap(cell -> digits.1[intDiv(cell, digits.11) % length(digits.1) + 1], numbers),
    arrayMap(cell -> digits.3[intDiv(cell, digits.12) % length(digits.3) + 1], numbers),
    arrayMap(cell -> digits.5[intDiv(cell, digits.13) % length(digits.5) + 1], numbers),
    arrayMap(cell -> digits.7[intDiv(cell, digits.14) % length(digits.7) + 1], numbers),
    arrayMap(cell -> digits.9[cell % length(digits.9) + 1], numbers),
    cell_calls, cell_input_tokens, cell_output_tokens, cell_credits, cell_provider_cost
FROM folded
WHERE throwIf(bucket > length(bucket_orgs), 'a text was missing in the first reading')
    + throwIf(used_rows != bucket_rows[bucket], 'a planned row has been replaced') = 0
