-- A cache of the ledger whose rows judge themselves: a row stands for exactly [starts_at, ends_at) of its
-- organisation, cut at `through`. Replaced whole: the highest generation wins, in it the highest `through`.
CREATE TABLE IF NOT EXISTS {{table usage_quarter_hourly}} {{on_cluster}}
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
ENGINE = {{engine ReplacingMergeTree(version) usage_quarter_hourly}}
PARTITION BY toYYYYMM(starts_at)
ORDER BY (org_id, starts_at, ends_at)
{{settings}};

{{distributed usage_quarter_hourly cityHash64(org_id)}};

CREATE TABLE IF NOT EXISTS {{table usage_daily}} {{on_cluster}} AS {{table usage_quarter_hourly}}
ENGINE = {{engine ReplacingMergeTree(version) usage_daily}}
PARTITION BY toYYYYMM(starts_at)
ORDER BY (org_id, starts_at, ends_at)
{{settings}};

{{distributed usage_daily cityHash64(org_id)}};

CREATE TABLE IF NOT EXISTS {{table usage_monthly}} {{on_cluster}} AS {{table usage_quarter_hourly}}
ENGINE = {{engine ReplacingMergeTree(version) usage_monthly}}
PARTITION BY toYear(starts_at)
ORDER BY (org_id, starts_at, ends_at)
{{settings}};

{{distributed usage_monthly cityHash64(org_id)}};

-- Which generation holds, and why it was raised.
CREATE TABLE IF NOT EXISTS {{table generations}} {{on_cluster}}
(
    generation      UInt32,
    reason          String,
    raised_at       DateTime64(3, 'UTC')
)
ENGINE = {{engine ReplacingMergeTree generations}}
ORDER BY generation
{{settings}};

{{distributed generations rand()}};

-- The worker's bookmark: every bucket touched up to it was computed once it had passed. Where to start looking
-- after a restart, and nothing else: no answer depends on it.
CREATE TABLE IF NOT EXISTS {{table rollup_progress}} {{on_cluster}}
(
    generation      UInt32,
    partition       UInt16,
    bookmark        UInt64
)
ENGINE = {{engine ReplacingMergeTree(bookmark) rollup_progress}}
ORDER BY (generation, partition)
{{settings}};

{{distributed rollup_progress rand()}};
