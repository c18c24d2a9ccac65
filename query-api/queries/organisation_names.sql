-- Names of the organisations of a token, for the switcher. By primary key, a row an organisation.
SELECT org_id, argMax(display_name, position) AS display_name
FROM organisations
WHERE org_id IN {org_ids:Array(String)}
GROUP BY org_id
