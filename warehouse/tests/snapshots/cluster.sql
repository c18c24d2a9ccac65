-- 0001_ledger

-- The ledger and what tells how far it goes. Placeholders are explained in src/flavour.rs.

-- Which topic a source number stands for, with each partition's start and, once it is closed, its end.
CREATE TABLE IF NOT EXISTS sources_local ON CLUSTER 'audit'
(
    source          UInt16                                COMMENT 'small number; the upper 16 bits of every position',
    partition       UInt16,
    kind            SimpleAggregateFunction(anyLast, String)  COMMENT 'calls or directory',
    cluster_id      SimpleAggregateFunction(anyLast, String)  COMMENT 'of the Kafka cluster',
    topic           SimpleAggregateFunction(anyLast, String),
    topic_id        SimpleAggregateFunction(anyLast, String)  COMMENT 'a topic made anew under an old name has another id',
    partitions      SimpleAggregateFunction(anyLast, UInt16)  COMMENT 'number of partitions; fixed for a source',
    start_position  SimpleAggregateFunction(min, UInt64),
    end_position    SimpleAggregateFunction(max, UInt64)      COMMENT '0 while the source is open'
)
ENGINE = ReplicatedAggregatingMergeTree('/clickhouse/tables/{shard}/{database}/sources', '{replica}')
ORDER BY (source, partition);

CREATE TABLE IF NOT EXISTS sources ON CLUSTER 'audit' AS sources_local
ENGINE = Distributed('audit', currentDatabase(), sources_local, rand());

-- One row a message. The key holds the position, so only a re-delivery of the same message ever collapses:
-- repeats and conflicts stay as evidence. Readers cut at a position and take each identity's lowest one.
CREATE TABLE IF NOT EXISTS ai_calls_local ON CLUSTER 'audit'
(
    org_id          LowCardinality(String),
    occurred_at     DateTime64(3, 'UTC')  CODEC(DoubleDelta, LZ4),
    event_id        UUID                                  COMMENT 'UUIDv7 whose time is occurred_at',
    position        UInt64                                COMMENT 'source << 48 | offset + 1' CODEC(Delta, LZ4),
    partition       UInt16,
    appended_at     DateTime64(3, 'UTC')                  COMMENT 'by the broker; of the first message where it was rerouted' CODEC(Delta, LZ4),
    member_id       LowCardinality(String),
    reason          LowCardinality(String),
    provider        LowCardinality(String),
    model           LowCardinality(String),
    input_tokens    UInt32,
    output_tokens   UInt32,
    credits         Decimal(38, 12)                       COMMENT '0 for a BYOK call',
    provider_cost   Decimal(38, 12)                       COMMENT '0 for a call charged in credits',
    currency        LowCardinality(String)                COMMENT 'of provider_cost; empty for a call charged in credits, so BYOK is currency != empty'
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/ai_calls', '{replica}')
PARTITION BY toYYYYMM(occurred_at)
ORDER BY (org_id, occurred_at, event_id, position);

CREATE TABLE IF NOT EXISTS ai_calls ON CLUSTER 'audit' AS ai_calls_local
ENGINE = Distributed('audit', currentDatabase(), ai_calls_local, cityHash64(org_id));

-- The positions that changed an organisation's quarter hour: written after the ledger rows, before the batch row.
CREATE TABLE IF NOT EXISTS touches_local ON CLUSTER 'audit'
(
    org_id          LowCardinality(String),
    quarter         DateTime('UTC')                       COMMENT 'start of the quarter hour',
    first_position  SimpleAggregateFunction(min, UInt64)  COMMENT 'nothing is in it at a position before',
    last_position   SimpleAggregateFunction(max, UInt64)  COMMENT 'a rollup row cut before is stale',
    INDEX last_position last_position TYPE minmax GRANULARITY 1
)
ENGINE = ReplicatedAggregatingMergeTree('/clickhouse/tables/{shard}/{database}/touches', '{replica}')
PARTITION BY toYYYYMM(quarter)
ORDER BY (org_id, quarter);

CREATE TABLE IF NOT EXISTS touches ON CLUSTER 'audit' AS touches_local
ENGINE = Distributed('audit', currentDatabase(), touches_local, cityHash64(org_id));

-- What is in the ledger: each row says that all of (from, to] of a partition is, with how it ended.
-- from = to is an idle partition's sign of life.
CREATE TABLE IF NOT EXISTS batches_local ON CLUSTER 'audit'
(
    partition       UInt16,
    from_position   UInt64,
    to_position     UInt64,
    ledger_rows     UInt64                                COMMENT 'messages that became ledger rows',
    dead_letters    UInt64                                COMMENT 'messages that went to the dead-letter topic',
    rerouted        UInt64                                COMMENT 'messages sent on to their right partition',
    empty_offsets   UInt64                                COMMENT 'offsets without a message (transaction markers, compaction)',
    lost            UInt64                                COMMENT 'messages that an operator recorded as gone',
    appended_at     DateTime64(3, 'UTC')                  COMMENT 'highest append time; everything appended before is in the ledger'
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/batches', '{replica}', appended_at)
ORDER BY (partition, from_position, to_position);

CREATE TABLE IF NOT EXISTS batches ON CLUSTER 'audit' AS batches_local
ENGINE = Distributed('audit', currentDatabase(), batches_local, rand());

-- 0002_rollups

-- A cache of the ledger whose rows judge themselves: a row stands for exactly [starts_at, ends_at) of its
-- organisation, cut at `through`. Replaced whole: the highest generation wins, in it the highest `through`.
CREATE TABLE IF NOT EXISTS usage_quarter_hourly_local ON CLUSTER 'audit'
(
    org_id          LowCardinality(String),
    starts_at       DateTime('UTC'),
    ends_at         DateTime('UTC'),
    generation      UInt32                                COMMENT 'raised by rebuild, restore and retention',
    through         UInt64                                COMMENT 'the position the row was cut at',
    version         UInt128 MATERIALIZED bitOr(bitShiftLeft(toUInt128(generation), 64), toUInt128(through)),
    calls           UInt64                                COMMENT 'all calls, BYOK included',
    input_tokens    UInt64,
    output_tokens   UInt64,
    credits         Decimal(38, 12)                       COMMENT 'provider costs stand in the cells only, by currency',
    cells Nested
    (
        member_id     LowCardinality(String),
        reason        LowCardinality(String),
        provider      LowCardinality(String),
        model         LowCardinality(String),
        currency      LowCardinality(String),
        calls         UInt64,
        input_tokens  UInt64,
        output_tokens UInt64,
        credits       Decimal(38, 12),
        provider_cost Decimal(38, 12)
    )
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/usage_quarter_hourly', '{replica}', version)
PARTITION BY toYYYYMM(starts_at)
ORDER BY (org_id, starts_at, ends_at);

CREATE TABLE IF NOT EXISTS usage_quarter_hourly ON CLUSTER 'audit' AS usage_quarter_hourly_local
ENGINE = Distributed('audit', currentDatabase(), usage_quarter_hourly_local, cityHash64(org_id));

CREATE TABLE IF NOT EXISTS usage_daily_local ON CLUSTER 'audit' AS usage_quarter_hourly_local
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/usage_daily', '{replica}', version)
PARTITION BY toYYYYMM(starts_at)
ORDER BY (org_id, starts_at, ends_at);

CREATE TABLE IF NOT EXISTS usage_daily ON CLUSTER 'audit' AS usage_daily_local
ENGINE = Distributed('audit', currentDatabase(), usage_daily_local, cityHash64(org_id));

CREATE TABLE IF NOT EXISTS usage_monthly_local ON CLUSTER 'audit' AS usage_quarter_hourly_local
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/usage_monthly', '{replica}', version)
PARTITION BY toYear(starts_at)
ORDER BY (org_id, starts_at, ends_at);

CREATE TABLE IF NOT EXISTS usage_monthly ON CLUSTER 'audit' AS usage_monthly_local
ENGINE = Distributed('audit', currentDatabase(), usage_monthly_local, cityHash64(org_id));

-- Which generation holds, and why it was raised.
CREATE TABLE IF NOT EXISTS generations_local ON CLUSTER 'audit'
(
    generation      UInt32,
    reason          String,
    raised_at       DateTime64(3, 'UTC')
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/generations', '{replica}')
ORDER BY generation;

CREATE TABLE IF NOT EXISTS generations ON CLUSTER 'audit' AS generations_local
ENGINE = Distributed('audit', currentDatabase(), generations_local, rand());

-- The worker's bookmark: every bucket touched up to it was computed once it had passed. Where to start looking
-- after a restart, and nothing else: no answer depends on it.
CREATE TABLE IF NOT EXISTS rollup_progress_local ON CLUSTER 'audit'
(
    generation      UInt32,
    partition       UInt16,
    bookmark        UInt64
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/rollup_progress', '{replica}', bookmark)
ORDER BY (generation, partition);

CREATE TABLE IF NOT EXISTS rollup_progress ON CLUSTER 'audit' AS rollup_progress_local
ENGINE = Distributed('audit', currentDatabase(), rollup_progress_local, rand());

-- 0003_directory

-- Names and settings, as the directory topic last told them.
CREATE TABLE IF NOT EXISTS organisations_local ON CLUSTER 'audit'
(
    org_id          String,
    position        UInt64                                COMMENT 'in the directory topic; the highest wins',
    short_name      String                                COMMENT 'stands for the organisation in file names',
    display_name    String,
    time_zone       String                                COMMENT 'IANA; decides days and months'
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/organisations', '{replica}', position)
ORDER BY org_id;

CREATE TABLE IF NOT EXISTS organisations ON CLUSTER 'audit' AS organisations_local
ENGINE = Distributed('audit', currentDatabase(), organisations_local, cityHash64(org_id));

CREATE TABLE IF NOT EXISTS members_local ON CLUSTER 'audit'
(
    org_id          String,
    member_id       String,
    position        UInt64                                COMMENT 'in the directory topic; the highest wins',
    name            String,
    email           String,
    removed         Bool
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/members', '{replica}', position)
ORDER BY (org_id, member_id);

CREATE TABLE IF NOT EXISTS members ON CLUSTER 'audit' AS members_local
ENGINE = Distributed('audit', currentDatabase(), members_local, cityHash64(org_id));

-- 0004_rollup_zones

-- The zone in which an organisation's days and months are computed. Where it differs from the directory's, the rollup
-- worker has yet to compute them for the new zone; no answer depends on it. No row means UTC.
CREATE TABLE IF NOT EXISTS rollup_zones_local ON CLUSTER 'audit'
(
    org_id          String,
    time_zone       String                                COMMENT 'IANA',
    position        UInt64                                COMMENT 'in the directory topic, of the change; the highest wins'
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/rollup_zones', '{replica}', position)
ORDER BY org_id;

CREATE TABLE IF NOT EXISTS rollup_zones ON CLUSTER 'audit' AS rollup_zones_local
ENGINE = Distributed('audit', currentDatabase(), rollup_zones_local, cityHash64(org_id));

-- 0005_positions

-- Who keeps an answer and comes back asks for what arrived since: those positions lie in few granules.
ALTER TABLE ai_calls_local ON CLUSTER 'audit' ADD INDEX IF NOT EXISTS position position TYPE minmax GRANULARITY 1;

