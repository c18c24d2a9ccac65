-- The models of an organisation in the order in which they first appeared, to the day in this month, to the month
-- before. It decides colours and no number, so rows are taken as they are.
-- Tables `usage_monthly` and `usage_daily`, key (org_id, starts_at, ends_at): a row a month, and a row a day since `days`.
SELECT tupleElement(pair, 1) AS provider, tupleElement(pair, 2) AS model
FROM
(
    SELECT starts_at, arrayJoin(arrayDistinct(arrayZip(cells.provider, cells.model))) AS pair
    FROM usage_monthly
    WHERE org_id = {org_id:String}
    UNION ALL
    SELECT starts_at, arrayJoin(arrayDistinct(arrayZip(cells.provider, cells.model))) AS pair
    FROM usage_daily
    WHERE org_id = {org_id:String} AND starts_at >= toDateTime({days:UInt32}, 'UTC')
)
GROUP BY pair
ORDER BY min(starts_at), pair
LIMIT 64
