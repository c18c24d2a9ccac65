-- Computes months: what does each of these months of these organisations hold at its organisation's position?
--
-- Takes what it can from `usage_daily`, by the rule: a row of a day of the month, in the zone asked for, that knows
-- every touch of its day and nothing after the position. What no such day covers comes from `usage_quarter_hourly`
-- by the same rule, and the rest from `ai_calls`. All of it is one statement, so that what is chosen and what is
-- summed are one snapshot of each table. Reads all tables along their keys, bounded by the buckets asked for to the
-- granule; of `touches` all between the first and the last bucket.
INSERT INTO usage_monthly ({{columns}})
WITH
    {{targets}},
    {{touched}},
    -- The days of the months, in the zone that the months were asked for.
    {day_buckets:Array(UInt64)} AS day_buckets,
    {day_starts:Array(UInt32)} AS day_starts,
    {day_ends:Array(UInt32)} AS day_ends,
    touched_with_day AS
    (
        SELECT touched.key AS key, touched.last_touch AS last_touch, touched.bucket AS bucket, day.key AS day_key, day.ends_at AS day_ends_at
        FROM touched
        ASOF INNER JOIN
        (
            SELECT bucket_orgs[day.1] AS org, org * 4294967296 + day.2 AS key, day.3 AS ends_at
            FROM (SELECT arrayJoin(arrayZip(day_buckets, day_starts, day_ends)) AS day)
        ) AS day
        ON touched.org = day.org AND touched.key >= day.key
    ),
    (
        SELECT groupArray((day_key, last_touch, bucket, day_ends_at))
        FROM (SELECT day_key, max(last_touch) AS last_touch, any(bucket) AS bucket, any(day_ends_at) AS day_ends_at FROM touched_with_day GROUP BY day_key)
    ) AS days,
    days.1 AS days_keys,
    days.2 AS days_touches,
    days.3 AS days_buckets,
    days.4 AS days_ends,
    {{rows_of_days}},
    (
        SELECT groupArray((key, last_touch, bucket))
        FROM touched_with_day
        WHERE transform(day_key, usable_days_keys, usable_days_keys, 0) = 0
    ) AS quarters,
    {{quarter_slots}},
    {{rows_of_quarters}},
    {{ledger_slots}},
    {{ledger}},
    names AS
    (
        SELECT * FROM names_of_days
        UNION ALL
        SELECT * FROM names_of_quarters
        UNION ALL
        SELECT * FROM names_of_ledger
    ),
    cells AS
    (
        SELECT * FROM cells_of_days
        UNION ALL
        SELECT * FROM cells_of_quarters
        UNION ALL
        SELECT * FROM cells_of_ledger
    ),
    {{fold}}
