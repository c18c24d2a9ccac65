-- The zone in which an organisation's days and months are computed. Where it differs from the directory's, the rollup
-- worker has yet to compute them for the new zone; no answer depends on it. No row means UTC.
CREATE TABLE IF NOT EXISTS {{table rollup_zones}} {{on_cluster}}
(
    org_id          String,
    time_zone       String                                COMMENT 'IANA',
    position        UInt64                                COMMENT 'in the directory topic, of the change; the highest wins'
)
ENGINE = {{engine ReplacingMergeTree(position) rollup_zones}}
ORDER BY org_id
{{settings}};

{{distributed rollup_zones cityHash64(org_id)}};
