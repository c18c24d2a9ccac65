-- Credits, calls and provider cost by reason, by model and by member, each by currency ('' holds the credits).
-- Bounded by the number of cells: a row a bucket, as many cells as it has combinations.
SELECT
    toUInt8(multiIf(grouping(start) = 0, 1, grouping(reason) = 0, 2, grouping(model) = 0, 3, 4)) AS kind,
    start,
    max(used) AS is_used,
    toString(reason) AS reason_code,
    toString(provider) AS provider_name,
    toString(model) AS model_name,
    toString(member_id) AS member,
    toString(currency) AS currency_code,
    sumIf(calls, {{filter}}) AS sum_calls,
    sumIf(credits, {{filter}}) AS sum_credits,
    sumIf(provider_cost, {{filter}}) AS sum_cost
FROM {{cells}}
WHERE nth <= 1 OR ({{filter}})
GROUP BY GROUPING SETS ((start), (reason, currency), (provider, model, currency), (member_id, currency))
HAVING kind = 1 OR sum_calls > 0
