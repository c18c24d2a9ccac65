-- 0001_ledger

-- The ledger and what tells how far it goes. Placeholders are explained in src/flavour.rs.

-- Which topic a source number stands for, with each partition's start and, once it is closed, its end.
CREATE TABLE IF NOT EXISTS sources 
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
ENGINE = AggregatingMergeTree
ORDER BY (source, partition)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- One row a message. The key holds the position, so only a re-delivery of the same message ever collapses:
-- repeats and conflicts stay as evidence. Readers cut at a position and take each identity's lowest one.
CREATE TABLE IF NOT EXISTS ai_calls 
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
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(occurred_at)
ORDER BY (org_id, occurred_at, event_id, position)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- The positions that changed an organisation's quarter hour: written after the ledger rows, before the batch row.
CREATE TABLE IF NOT EXISTS touches 
(
    org_id          LowCardinality(String),
    quarter         DateTime('UTC')                       COMMENT 'start of the quarter hour',
    first_position  SimpleAggregateFunction(min, UInt64)  COMMENT 'nothing is in it at a position before',
    last_position   SimpleAggregateFunction(max, UInt64)  COMMENT 'a rollup row cut before is stale',
    INDEX last_position last_position TYPE minmax GRANULARITY 1
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(quarter)
ORDER BY (org_id, quarter)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- What is in the ledger: each row says that all of (from, to] of a partition is, with how it ended.
-- from = to is an idle partition's sign of life.
CREATE TABLE IF NOT EXISTS batches 
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
ENGINE = ReplacingMergeTree(appended_at)
ORDER BY (partition, from_position, to_position)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- 0002_rollups

-- A cache of the ledger whose rows judge themselves: a row stands for exactly [starts_at, ends_at) of its
-- organisation, cut at `through`. Replaced whole: the highest generation wins, in it the highest `through`.
CREATE TABLE IF NOT EXISTS usage_quarter_hourly 
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
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(starts_at)
ORDER BY (org_id, starts_at, ends_at)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS usage_daily  AS usage_quarter_hourly
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(starts_at)
ORDER BY (org_id, starts_at, ends_at)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS usage_monthly  AS usage_quarter_hourly
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYear(starts_at)
ORDER BY (org_id, starts_at, ends_at)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Which generation holds, and why it was raised.
CREATE TABLE IF NOT EXISTS generations 
(
    generation      UInt32,
    reason          String,
    raised_at       DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY generation
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- The worker's bookmark: every bucket touched up to it was computed once it had passed. Where to start looking
-- after a restart, and nothing else: no answer depends on it.
CREATE TABLE IF NOT EXISTS rollup_progress 
(
    generation      UInt32,
    partition       UInt16,
    bookmark        UInt64
)
ENGINE = ReplacingMergeTree(bookmark)
ORDER BY (generation, partition)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- 0003_directory

-- Names and settings, as the directory topic last told them.
CREATE TABLE IF NOT EXISTS organisations 
(
    org_id          String,
    position        UInt64                                COMMENT 'in the directory topic; the highest wins',
    short_name      String                                COMMENT 'stands for the organisation in file names',
    display_name    String,
    time_zone       String                                COMMENT 'IANA; decides days and months'
)
ENGINE = ReplacingMergeTree(position)
ORDER BY org_id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS members 
(
    org_id          String,
    member_id       String,
    position        UInt64                                COMMENT 'in the directory topic; the highest wins',
    name            String,
    email           String,
    removed         Bool
)
ENGINE = ReplacingMergeTree(position)
ORDER BY (org_id, member_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- 0004_rollup_zones

-- The zone in which an organisation's days and months are computed. Where it differs from the directory's, the rollup
-- worker has yet to compute them for the new zone; no answer depends on it. No row means UTC.
CREATE TABLE IF NOT EXISTS rollup_zones 
(
    org_id          String,
    time_zone       String                                COMMENT 'IANA',
    position        UInt64                                COMMENT 'in the directory topic, of the change; the highest wins'
)
ENGINE = ReplacingMergeTree(position)
ORDER BY org_id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- 0005_positions

-- Who keeps an answer and comes back asks for what arrived since: those positions lie in few granules.
ALTER TABLE ai_calls  ADD INDEX IF NOT EXISTS position position TYPE minmax GRANULARITY 1;

