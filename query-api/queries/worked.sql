-- The newest quarter hours of a period with their touches and, where the rollup worker was there, the position its row
-- was cut at (0 where it was not). Where to find a snapshot that is cheap to read, and nothing else.
-- Tables `touches` and `usage_quarter_hourly`, keys (org_id, quarter) and (org_id, starts_at): the organisation's rows of
-- that time, without their cells.
SELECT touched.start AS start, first_touch, last_touch, through
FROM
(
    SELECT toUInt32(quarter) AS start, min(first_position) AS first_touch, max(last_position) AS last_touch
    FROM touches
    WHERE org_id = {org_id:String}
      AND quarter >= toDateTime({from:UInt32}, 'UTC')
      AND quarter < toDateTime({to:UInt32}, 'UTC')
    GROUP BY start
    ORDER BY start DESC
    LIMIT {limit:UInt32}
) AS touched
LEFT JOIN
(
    SELECT toUInt32(starts_at) AS start, through
    FROM usage_quarter_hourly FINAL
    WHERE org_id = {org_id:String}
      AND starts_at >= toDateTime({from:UInt32}, 'UTC')
      AND starts_at < toDateTime({to:UInt32}, 'UTC')
) AS worked ON worked.start = touched.start
