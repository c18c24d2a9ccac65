-- Calls of each member, reason, model and kind of payment, each with all filters but its own.
-- Bounded by the number of cells: a row a bucket, as many cells as it has combinations. A model's key is one text, its
-- parts separated by a zero byte, which no part can hold.
SELECT
    toUInt8(multiIf(
        grouping(start) = 0, 1, grouping(reason) = 0, 2, grouping(model_key) = 0, 3, grouping(member_id) = 0, 4, 5))
        AS kind,
    start,
    concat(reason, model_key, member_id) AS key,
    byok_call,
    multiIf(
        kind = 2, sumIf(calls, of_members AND of_models AND of_byok),
        kind = 3, sumIf(calls, of_members AND of_reasons AND of_byok),
        kind = 4, sumIf(calls, of_reasons AND of_models AND of_byok),
        sumIf(calls, of_members AND of_reasons AND of_models)) AS sum_calls
FROM
(
    SELECT
        start, reason, member_id, calls,
        concat(provider, '\0', model) AS model_key,
        toUInt8(currency != '') AS byok_call,
        empty({members:Array(String)}) OR member_id IN {members:Array(String)} AS of_members,
        empty({reasons:Array(String)}) OR reason IN {reasons:Array(String)} AS of_reasons,
        empty({models:Array(Tuple(String, String))})
            OR (provider, model) IN {models:Array(Tuple(String, String))} AS of_models,
        {byok:String} = 'any' OR ({byok:String} = 'only') = (currency != '') AS of_byok
    FROM {{cells}}
)
GROUP BY GROUPING SETS ((start), (reason), (model_key), (member_id), (byok_call))
HAVING kind = 1 OR sum_calls > 0
