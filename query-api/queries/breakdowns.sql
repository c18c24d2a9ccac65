-- Credits, calls and provider cost by reason, by model and by member, each by currency ('' holds the credits).
-- Bounded by the number of cells: a row a bucket, as many cells as it has combinations. A key is one text, its parts
-- separated by a zero byte, which no part can hold: grouping by one text is twice as fast as by two or three.
SELECT
    toUInt8(multiIf(
        grouping(start) = 0, 1, grouping(reason_key) = 0, 2, grouping(model_key) = 0, 3, 4)) AS kind,
    start,
    concat(reason_key, model_key, member_key) AS key,
    sumIf(calls, kept) AS sum_calls,
    sumIf(credits, kept) AS sum_credits,
    sumIf(provider_cost, kept) AS sum_cost
FROM
(
    SELECT
        start,
        concat(reason, '\0', currency) AS reason_key,
        concat(provider, '\0', model, '\0', currency) AS model_key,
        concat(member_id, '\0', currency) AS member_key,
        calls, credits, provider_cost,
        {{filter}} AS kept
    FROM {{cells}}
    WHERE nth = 1 OR kept
)
GROUP BY GROUPING SETS ((start), (reason_key), (model_key), (member_key))
HAVING kind = 1 OR sum_calls > 0
