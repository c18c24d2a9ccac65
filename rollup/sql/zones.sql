-- In which zone does each organisation count its days? Those without one are left out: UTC.
--
-- Reads three columns of all of `organisations`.
SELECT org_id, argMax(organisations.time_zone, organisations.position) AS time_zone
FROM organisations
GROUP BY org_id
HAVING time_zone NOT IN ('', 'UTC')
