-- How many quarter hours did each of these organisations touch? An empty list means all.
--
-- Reads the key of `touches`; those not merged yet count more than once.
SELECT toString(org_id) AS org_id, count() AS quarters
FROM touches
WHERE empty({orgs:Array(String)}) OR org_id IN {orgs:Array(String)}
GROUP BY org_id
ORDER BY org_id
