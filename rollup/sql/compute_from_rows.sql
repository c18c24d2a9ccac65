    -- The planned rows of `<table>`, each with its bucket: the very version that was judged, and one of its copies.
    {<below>_keys:Array(UInt64)} AS <below>_keys,
    {<below>_ends:Array(UInt32)} AS <below>_ends,
    {<below>_generations:Array(UInt32)} AS <below>_generations,
    {<below>_throughs:Array(UInt64)} AS <below>_throughs,
    {<below>_buckets:Array(UInt64)} AS <below>_buckets,
    rows_of_<below> AS
    (
        SELECT
            transform(org_id, orgs, org_numbers, 0) * 4294967296 + toUnixTimestamp(starts_at) AS key,
            transform(key, <below>_keys, <below>_buckets, 0) AS bucket,
            cells.member_id AS member_ids, cells.reason AS reasons, cells.provider AS providers, cells.model AS models,
            cells.currency AS currencies, cells.calls AS cell_calls, cells.input_tokens AS cell_input_tokens,
            cells.output_tokens AS cell_output_tokens, cells.credits AS cell_credits, cells.provider_cost AS cell_provider_cost
        FROM <table>
        WHERE bucket != 0
            AND through = transform(key, <below>_keys, <below>_throughs, 0)
            AND generation = transform(key, <below>_keys, <below>_generations, 0)
            AND toUnixTimestamp(ends_at) = transform(key, <below>_keys, <below>_ends, 0)
            AND indexHint((org_id, starts_at) IN (
                SELECT orgs[intDiv(key, 4294967296)], toDateTime(key % 4294967296, 'UTC') FROM (SELECT arrayJoin(<below>_keys) AS key)
            ))
        LIMIT 1 BY key
    ),
    cells_of_<below> AS
    (
        SELECT
            bucket, member_id, reason, provider, model, currency,
            toUInt64(number = 1) AS rows, calls, input_tokens, output_tokens, credits, provider_cost
        FROM rows_of_<below>
        ARRAY JOIN
            member_ids AS member_id, reasons AS reason, providers AS provider, models AS model, currencies AS currency,
            arrayEnumerate(member_ids) AS number, cell_calls AS calls, cell_input_tokens AS input_tokens,
            cell_output_tokens AS output_tokens, cell_credits AS credits, cell_provider_cost AS provider_cost
    ),
    names_of_<below> AS
    (
        SELECT member_id, reason, provider, model, currency
        FROM rows_of_<below>
        ARRAY JOIN member_ids AS member_id, reasons AS reason, providers AS provider, models AS model, currencies AS currency
    ),
