-- How many passed, touched buckets have no row that knows all of their touches. Reads all touches and the keys of all
-- rollup rows; organisations are in UTC.
WITH
    level AS
    (
        SELECT 'quarter' AS name, org_id, quarter AS starts_at, quarter + INTERVAL 15 MINUTE AS ends_at, last_position FROM touches
        UNION ALL
        SELECT 'day', org_id, toStartOfDay(quarter), toStartOfDay(quarter) + INTERVAL 1 DAY, last_position FROM touches
        UNION ALL
        SELECT 'month', org_id, toDateTime(toStartOfMonth(quarter), 'UTC'), toDateTime(toStartOfMonth(quarter), 'UTC') + INTERVAL 1 MONTH, last_position
        FROM touches
    ),
    computed AS
    (
        SELECT 'quarter' AS name, org_id, starts_at, ends_at, version, through FROM usage_quarter_hourly
        UNION ALL
        SELECT 'day', org_id, starts_at, ends_at, version, through FROM usage_daily
        UNION ALL
        SELECT 'month', org_id, starts_at, ends_at, version, through FROM usage_monthly
    )
SELECT count()
FROM
(
    SELECT name, org_id, starts_at, ends_at, max(last_position) AS last_touch
    FROM level
    WHERE ends_at <= now()
    GROUP BY name, org_id, starts_at, ends_at
) AS touched
LEFT JOIN
(
    SELECT name, org_id, starts_at, ends_at, argMax(through, version) AS known
    FROM computed
    GROUP BY name, org_id, starts_at, ends_at
) AS rows USING (name, org_id, starts_at, ends_at)
WHERE known < last_touch
