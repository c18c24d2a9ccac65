-- Computes quarter hours: what does each of these quarter hours of these organisations hold at its organisation's
-- position?
--
-- Reads `ai_calls` along its key (org_id, occurred_at, event_id, position); the rows read are bounded by the buckets
-- asked for, to the granule.
INSERT INTO usage_quarter_hourly ({{columns}})
WITH
    {{targets}},
    bucket_keys AS ledger_keys,
    bucket_numbers AS ledger_buckets,
    {{ledger}},
    names AS (SELECT * FROM names_of_ledger),
    cells AS (SELECT * FROM cells_of_ledger),
    {{fold}}
