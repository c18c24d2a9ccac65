-- The peer: ClickHouse's own Kafka table engine, a materialized view into a ledger, and from there into an hourly and
-- a monthly summing table. Columns, codecs, partitions and the order of the ledger are those of our own table, as far as it has
-- them. `queue_to_ledger` stands last: consumption begins with it.
CREATE DATABASE {database} ENGINE = Atomic;

CREATE TABLE {database}.ai_calls
(
    org_id          LowCardinality(String),
    occurred_at     DateTime64(3, 'UTC')  CODEC(DoubleDelta, LZ4),
    event_id        FixedString(16),
    position        UInt64                CODEC(Delta, LZ4),
    partition       UInt16,
    appended_at     DateTime64(3, 'UTC')  CODEC(Delta, LZ4),
    member_id       LowCardinality(String),
    reason          LowCardinality(String),
    provider        LowCardinality(String),
    model           LowCardinality(String),
    input_tokens    UInt32,
    output_tokens   UInt32,
    credits         Decimal(38, 12),
    provider_cost   Decimal(38, 12),
    currency        LowCardinality(String)
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(occurred_at)
ORDER BY (org_id, occurred_at, event_id);

CREATE TABLE {database}.usage_hourly
(
    org_id          LowCardinality(String),
    hour            DateTime('UTC'),
    member_id       LowCardinality(String),
    reason          LowCardinality(String),
    provider        LowCardinality(String),
    model           LowCardinality(String),
    currency        LowCardinality(String),
    calls           UInt64,
    input_tokens    UInt64,
    output_tokens   UInt64,
    credits         Decimal(38, 12),
    provider_cost   Decimal(38, 12)
)
ENGINE = SummingMergeTree
PARTITION BY toYYYYMM(hour)
ORDER BY (org_id, hour, member_id, reason, provider, model, currency);

CREATE TABLE {database}.usage_monthly
(
    org_id          LowCardinality(String),
    month           Date,
    member_id       LowCardinality(String),
    reason          LowCardinality(String),
    provider        LowCardinality(String),
    model           LowCardinality(String),
    currency        LowCardinality(String),
    calls           UInt64,
    input_tokens    UInt64,
    output_tokens   UInt64,
    credits         Decimal(38, 12),
    provider_cost   Decimal(38, 12)
)
ENGINE = SummingMergeTree
PARTITION BY toYear(month)
ORDER BY (org_id, month, member_id, reason, provider, model, currency);

CREATE MATERIALIZED VIEW {database}.ledger_to_hourly TO {database}.usage_hourly AS
SELECT
    org_id, toStartOfHour(occurred_at) AS hour, member_id, reason, provider, model, currency,
    count() AS calls, sum(toUInt64(input_tokens)) AS input_tokens, sum(toUInt64(output_tokens)) AS output_tokens,
    sum(credits) AS credits, sum(provider_cost) AS provider_cost
FROM {database}.ai_calls
GROUP BY org_id, hour, member_id, reason, provider, model, currency;

CREATE MATERIALIZED VIEW {database}.ledger_to_monthly TO {database}.usage_monthly AS
SELECT
    org_id, toStartOfMonth(occurred_at) AS month, member_id, reason, provider, model, currency,
    count() AS calls, sum(toUInt64(input_tokens)) AS input_tokens, sum(toUInt64(output_tokens)) AS output_tokens,
    sum(credits) AS credits, sum(provider_cost) AS provider_cost
FROM {database}.ai_calls
GROUP BY org_id, month, member_id, reason, provider, model, currency;

-- Plain texts: the reader of the format fills dictionaries at twice the cost, and cannot read an absent decimal.
CREATE TABLE {database}.queue
(
    event_id                FixedString(16),
    occurred_at_ms          Int64,
    org_id                  String,
    member_id               String,
    reason                  String,
    provider                String,
    model                   String,
    input_tokens            UInt32,
    output_tokens           UInt32,
    credits                 String,
    provider_cost_amount    String,
    provider_cost_currency  String
)
ENGINE = Kafka
SETTINGS
    kafka_broker_list = '{brokers}',
    kafka_topic_list = '{topic}',
    kafka_group_name = '{database}',
    kafka_format = 'ProtobufSingle',
    kafka_schema = 'ai_call:AiCall',
    kafka_num_consumers = {consumers},
    kafka_max_block_size = {rows};

CREATE MATERIALIZED VIEW {database}.queue_to_ledger TO {database}.ai_calls AS
SELECT
    org_id,
    fromUnixTimestamp64Milli(occurred_at_ms, 'UTC') AS occurred_at,
    event_id,
    toUInt64(_offset + 1) AS position,
    toUInt16(_partition) AS partition,
    _timestamp_ms AS appended_at,
    member_id, reason, provider, model, input_tokens, output_tokens,
    toDecimal128OrZero(credits, 12) AS credits,
    toDecimal128OrZero(provider_cost_amount, 12) AS provider_cost,
    provider_cost_currency AS currency
FROM {database}.queue;
