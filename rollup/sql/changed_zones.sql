-- Whose days and months are computed in another zone than the directory tells?
--
-- Reads `organisations` and `rollup_zones`, three columns each; answers with the few that changed.
SELECT
    directory.org_id AS org_id,
    directory.time_zone AS time_zone,
    directory.changed_at AS position
FROM
(
    SELECT
        org_id,
        argMax(if(organisations.time_zone = '', 'UTC', organisations.time_zone), organisations.position) AS time_zone,
        max(organisations.position) AS changed_at
    FROM organisations
    GROUP BY org_id
) AS directory
LEFT JOIN
(
    SELECT org_id, argMax(rollup_zones.time_zone, rollup_zones.position) AS time_zone
    FROM rollup_zones
    GROUP BY org_id
) AS computed
ON directory.org_id = computed.org_id
-- An organisation without a row is joined with an empty text.
WHERE directory.time_zone != if(computed.time_zone = '', 'UTC', computed.time_zone)
