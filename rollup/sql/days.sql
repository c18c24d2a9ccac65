-- Computes days: what does each of these days of these organisations hold at its organisation's position?
--
-- Takes what it can from `usage_quarter_hourly`, by the rule: a row that knows every touch of its quarter hour and
-- nothing after the position. Touched quarter hours without such a row come from `ai_calls`. All of it is one
-- statement, so that what is chosen and what is summed are one snapshot of each table. Reads all tables along their
-- keys, bounded by the buckets asked for to the granule; of `touches` all between the first and the last bucket.
INSERT INTO usage_daily ({{columns}})
WITH
    {{targets}},
    {{touched}},
    (SELECT groupArray((key, last_touch, bucket)) FROM touched) AS quarters,
    {{quarter_slots}},
    {{rows_of_quarters}},
    {{ledger_slots}},
    {{ledger}},
    names AS
    (
        SELECT * FROM names_of_quarters
        UNION ALL
        SELECT * FROM names_of_ledger
    ),
    cells AS
    (
        SELECT * FROM cells_of_quarters
        UNION ALL
        SELECT * FROM cells_of_ledger
    ),
    {{fold}}
