-- All touches of a run of organisations and a span of time, merged or not, in the order of the key.
--
-- Reads `touches` along its key, one month's parts at a time.
SELECT toLowCardinality(org_id) AS org_id, quarter, first_position AS first_position, last_position AS last_position
FROM touches
WHERE org_id >= {first_org:String} AND org_id <= {last_org:String}
    AND (empty({orgs:Array(String)}) OR org_id IN {orgs:Array(String)})
    AND quarter >= toDateTime({since:UInt32}, 'UTC') AND quarter < toDateTime({until:UInt32}, 'UTC')
ORDER BY org_id, quarter
