-- Which quarter hours of these organisations were ever touched?
--
-- Reads `touches` along its key, bounded by the organisations.
SELECT
    toString(org_id) AS org_id,
    toUnixTimestamp(quarter) AS quarter,
    max(touches.last_position) AS last_position
FROM touches
WHERE org_id IN {orgs:Array(String)}
GROUP BY org_id, quarter
