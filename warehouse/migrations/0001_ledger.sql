-- The ledger and what tells how far it goes. Placeholders are explained in src/flavour.rs.

-- Which topic a source number stands for, with each partition's start and, once it is closed, its end.
CREATE TABLE IF NOT EXISTS {{table sources}} {{on_cluster}}
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
ENGINE = {{engine AggregatingMergeTree sources}}
ORDER BY (source, partition)
{{settings}};

{{distributed sources rand()}};

-- One row a message. The key holds the position, so only a re-delivery of the same message ever collapses:
-- repeats and conflicts stay as evidence. Readers cut at a position and take each identity's lowest one.
CREATE TABLE IF NOT EXISTS {{table ai_calls}} {{on_cluster}}
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
ENGINE = {{engine ReplacingMergeTree ai_calls}}
PARTITION BY toYYYYMM(occurred_at)
ORDER BY (org_id, occurred_at, event_id, position)
{{settings}};

{{distributed ai_calls cityHash64(org_id)}};

-- The positions that changed an organisation's quarter hour: written after the ledger rows, before the batch row.
CREATE TABLE IF NOT EXISTS {{table touches}} {{on_cluster}}
(
    org_id          LowCardinality(String),
    quarter         DateTime('UTC')                       COMMENT 'start of the quarter hour',
    first_position  SimpleAggregateFunction(min, UInt64)  COMMENT 'nothing is in it at a position before',
    last_position   SimpleAggregateFunction(max, UInt64)  COMMENT 'a rollup row cut before is stale',
    INDEX last_position last_position TYPE minmax GRANULARITY 1
)
ENGINE = {{engine AggregatingMergeTree touches}}
PARTITION BY toYYYYMM(quarter)
ORDER BY (org_id, quarter)
{{settings}};

{{distributed touches cityHash64(org_id)}};

-- What is in the ledger: each row says that all of (from, to] of a partition is, with how it ended.
-- from = to is an idle partition's sign of life.
CREATE TABLE IF NOT EXISTS {{table batches}} {{on_cluster}}
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
ENGINE = {{engine ReplacingMergeTree(appended_at) batches}}
ORDER BY (partition, from_position, to_position)
{{settings}};

{{distributed batches rand()}};
