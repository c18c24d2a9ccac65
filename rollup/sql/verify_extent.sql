-- Which organisations have anything anywhere, how many ledger rows and rows of quarter hours, and from when to when?
--
-- Reads two columns of `ai_calls`, `touches` and the rollups; an empty list of organisations means all.
SELECT
    org_id,
    sum(rows) AS ledger_rows,
    sum(quarters) AS quarter_rows,
    min(first_second) AS since,
    max(last_second) + 1 AS until
FROM
(
    SELECT
        toString(org_id) AS org_id, count() AS rows, 0 AS quarters,
        toInt64(toUnixTimestamp(min(occurred_at))) AS first_second, toInt64(toUnixTimestamp(max(occurred_at))) AS last_second
    FROM ai_calls
    WHERE empty({orgs:Array(String)}) OR org_id IN {orgs:Array(String)}
    GROUP BY org_id
    UNION ALL
    SELECT toString(org_id), 0, 0, toInt64(toUnixTimestamp(min(quarter))), toInt64(toUnixTimestamp(max(quarter)))
    FROM touches
    WHERE empty({orgs:Array(String)}) OR org_id IN {orgs:Array(String)}
    GROUP BY org_id
    UNION ALL
    SELECT toString(org_id), 0, count(), toInt64(toUnixTimestamp(min(starts_at))), toInt64(toUnixTimestamp(max(starts_at)))
    FROM usage_quarter_hourly
    WHERE empty({orgs:Array(String)}) OR org_id IN {orgs:Array(String)}
    GROUP BY org_id
    UNION ALL
    SELECT toString(org_id), 0, 0, toInt64(toUnixTimestamp(min(starts_at))), toInt64(toUnixTimestamp(max(starts_at)))
    FROM usage_daily
    WHERE empty({orgs:Array(String)}) OR org_id IN {orgs:Array(String)}
    GROUP BY org_id
    UNION ALL
    SELECT toString(org_id), 0, 0, toInt64(toUnixTimestamp(min(starts_at))), toInt64(toUnixTimestamp(max(starts_at)))
    FROM usage_monthly
    WHERE empty({orgs:Array(String)}) OR org_id IN {orgs:Array(String)}
    GROUP BY org_id
)
GROUP BY org_id
ORDER BY org_id
