-- Not a statement: what `{{cells}}` stands for in a question to a rollup level. The first cell of each row has nth = 1:
-- it stays, whatever the filter keeps, so that the row is seen to be used.
usable
ARRAY JOIN
    arrayEnumerate(calls_of_cells) AS nth,
    member_ids AS member_id,
    reasons_of_cells AS reason,
    providers AS provider,
    models_of_cells AS model,
    currencies AS currency,
    calls_of_cells AS calls,
    input_tokens_of_cells AS input_tokens,
    output_tokens_of_cells AS output_tokens,
    credits_of_cells AS credits,
    provider_costs AS provider_cost
