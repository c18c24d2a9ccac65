-- Calls, tokens, credits and provider cost of each sum, by currency ('' holds the credits).
-- Bounded by the number of cells: a row a bucket, as many cells as it has combinations.
SELECT
    toUInt8(if(grouping(start) = 0, 1, 2)) AS kind,
    start,
    slot,
    toString(currency) AS currency_code,
    sumIf(calls, kept) AS sum_calls,
    sumIf(input_tokens, kept) AS sum_input_tokens,
    sumIf(output_tokens, kept) AS sum_output_tokens,
    sumIf(credits, kept) AS sum_credits,
    sumIf(provider_cost, kept) AS sum_cost
FROM
(
    SELECT start, slot, currency, calls, input_tokens, output_tokens, credits, provider_cost, {{filter}} AS kept
    FROM {{cells}}
    WHERE nth = 1 OR kept
)
GROUP BY GROUPING SETS ((start), (slot, currency))
HAVING kind = 1 OR sum_calls > 0
