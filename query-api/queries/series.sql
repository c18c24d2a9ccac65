-- Calls, tokens, credits and provider cost of each sum, by currency ('' holds the credits).
-- Bounded by the number of cells: a row a bucket, as many cells as it has combinations.
SELECT
    toUInt8(if(grouping(start) = 0, 1, 2)) AS kind,
    start,
    max(used) AS is_used,
    slot,
    toString(currency) AS currency_code,
    sumIf(calls, {{filter}}) AS sum_calls,
    sumIf(input_tokens, {{filter}}) AS sum_input_tokens,
    sumIf(output_tokens, {{filter}}) AS sum_output_tokens,
    sumIf(credits, {{filter}}) AS sum_credits,
    sumIf(provider_cost, {{filter}}) AS sum_cost
FROM {{cells}}
WHERE nth <= 1 OR ({{filter}})
GROUP BY GROUPING SETS ((start), (slot, currency))
HAVING kind = 1 OR sum_calls > 0
