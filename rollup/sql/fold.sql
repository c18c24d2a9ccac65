    (
        SELECT (
            arraySort(groupUniqArray(member_id)), arraySort(groupUniqArray(reason)), arraySort(groupUniqArray(provider)),
            arraySort(groupUniqArray(model)), arraySort(groupUniqArray(currency))
        )
        FROM names
    ) AS texts,
    texts.1 AS members, texts.2 AS reasons, texts.3 AS providers, texts.4 AS models, texts.5 AS currencies,
    -- A cell's number is written with one digit a text, each digit in its own base; a stride is a digit's worth.
    toUInt64(length(currencies)) AS model_stride,
    model_stride * length(models) AS provider_stride,
    provider_stride * length(providers) AS reason_stride,
    reason_stride * length(reasons) AS member_stride,
    member_stride * length(members) AS bucket_stride,
    bucket_stride * (length(bucket_orgs) + 1) AS none,
    numbered AS
    (
        SELECT
            bucket * bucket_stride
                + transform(member_id, members, arrayMap(n -> n * member_stride, range(length(members))), none)
                + transform(reason, reasons, arrayMap(n -> n * reason_stride, range(length(reasons))), none)
                + transform(provider, providers, arrayMap(n -> n * provider_stride, range(length(providers))), none)
                + transform(model, models, arrayMap(n -> n * model_stride, range(length(models))), none)
                + transform(currency, currencies, arrayMap(n -> toUInt64(n), range(length(currencies))), none) AS cell,
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
            intDiv(cell, bucket_stride) AS bucket,
            groupArray(cell) AS cell_numbers,
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
    arraySum(cell_calls),
    arraySum(cell_input_tokens),
    arraySum(cell_output_tokens),
    arraySum(cell_credits),
    arrayMap(cell -> members[intDiv(cell, member_stride) % length(members) + 1], cell_numbers),
    arrayMap(cell -> reasons[intDiv(cell, reason_stride) % length(reasons) + 1], cell_numbers),
    arrayMap(cell -> providers[intDiv(cell, provider_stride) % length(providers) + 1], cell_numbers),
    arrayMap(cell -> models[intDiv(cell, model_stride) % length(models) + 1], cell_numbers),
    arrayMap(cell -> currencies[cell % length(currencies) + 1], cell_numbers),
    cell_calls, cell_input_tokens, cell_output_tokens, cell_credits, cell_provider_cost
FROM folded
