-- Names and settings, as the directory topic last told them.
CREATE TABLE IF NOT EXISTS {{table organisations}} {{on_cluster}}
(
    org_id          String,
    position        UInt64                                COMMENT 'in the directory topic; the highest wins',
    short_name      String                                COMMENT 'stands for the organisation in file names',
    display_name    String,
    time_zone       String                                COMMENT 'IANA; decides days and months'
)
ENGINE = {{engine ReplacingMergeTree(position) organisations}}
ORDER BY org_id
{{settings}};

{{distributed organisations cityHash64(org_id)}};

CREATE TABLE IF NOT EXISTS {{table members}} {{on_cluster}}
(
    org_id          String,
    member_id       String,
    position        UInt64                                COMMENT 'in the directory topic; the highest wins',
    name            String,
    email           String,
    removed         Bool
)
ENGINE = {{engine ReplacingMergeTree(position) members}}
ORDER BY (org_id, member_id)
{{settings}};

{{distributed members cityHash64(org_id)}};
