//! What can be set. `settings.toml` beside this crate is the reference: it names every key with meaning and bounds.

use serde::{Deserialize, Serialize};
use service::ops::OpsSettings;
use service::retry::Backoff;
use service::settings::{ByteSize, Check, DurationSetting, Secret, ServiceSettings, Settings};
use service::telemetry::TelemetrySettings;
use warehouse::WarehouseSettings;

/// All settings of `ingest`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IngestSettings {
    /// Brokers, topics, group.
    pub kafka: KafkaSettings,
    /// When a batch is written.
    pub batch: BatchSettings,
    /// Idle partitions.
    pub idle: IdleSettings,
    /// Folding of old batch rows.
    pub fold: FoldSettings,
    /// Delays between attempts.
    pub retry: RetrySettings,
    /// Where the ledger is.
    pub clickhouse: WarehouseSettings,
    /// Health and metrics.
    pub ops: OpsSettings,
    /// Logs.
    pub telemetry: TelemetrySettings,
}

/// The section `[kafka]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KafkaSettings {
    /// Addresses, as `host:port,host:port`.
    pub brokers: String,
    /// The consumer group.
    pub group_id: String,
    /// Name of this worker within the group, where it is the same after a restart; empty for none.
    pub group_instance_id: String,
    /// The topic of calls.
    pub calls_topic: String,
    /// The topic of organisations and members.
    pub directory_topic: String,
    /// The topic of what cannot be counted.
    pub dead_letter_topic: String,
    /// Whether missing topics and first sources are made at start.
    pub create_topics: bool,
    /// Partitions of a calls topic that is created.
    pub calls_partitions: u16,
    /// Replicas of topics that are created; -1 leaves it to the brokers.
    pub replication_factor: i32,
    /// Retention of a calls topic that is created.
    pub calls_retention: DurationSetting,
    /// Largest message of a calls topic that is created.
    pub message_bytes_max: ByteSize,
    /// Bound of the client's queue of fetched messages.
    pub queue_bytes_max: ByteSize,
    /// Longest wait for one answer of a broker.
    pub timeout: DurationSetting,
    /// How long a partition that was taken away is read on at most, where nobody begins.
    pub read_on_max: DurationSetting,
    /// More options of librdkafka, as `name=value`.
    pub properties: Vec<String>,
    /// Password for SASL; empty for none.
    pub sasl_password: Secret,
}

/// The section `[batch]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchSettings {
    /// Rows at which a batch is written.
    pub rows_max: u32,
    /// Bytes of dead letters and rerouted messages at which a batch is written.
    pub forward_bytes_max: ByteSize,
    /// Age of its first message at which a batch is written, when all that Kafka had was read.
    pub age_max: DurationSetting,
    /// The same while there is a backlog.
    pub age_max_behind: DurationSetting,
}

/// The section `[idle]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdleSettings {
    /// How often an idle partition gets a sign of life.
    pub interval: DurationSetting,
    /// How much this machine's clock may be ahead of the brokers'.
    pub clock_tolerance: DurationSetting,
}

/// The section `[fold]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FoldSettings {
    /// How often to look.
    pub interval: DurationSetting,
    /// Rows of a partition above which it is folded.
    pub rows_max: u32,
    /// Newest rows that are left alone.
    pub keep: u32,
}

/// The section `[retry]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetrySettings {
    /// First delay.
    pub initial: DurationSetting,
    /// Longest delay.
    pub max: DurationSetting,
}

impl RetrySettings {
    /// Delays as set.
    pub fn backoff(&self) -> Backoff {
        Backoff::new(self.initial.get(), self.max.get())
    }
}

/// Options that ingest must set itself: another value would lose or misplace messages.
const RESERVED: [&str; 12] = [
    "bootstrap.servers",
    "group.id",
    "group.instance.id",
    "isolation.level",
    "enable.idempotence",
    "message.max.bytes",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "auto.offset.reset",
    "partition.assignment.strategy",
    "acks",
    "sasl.password",
];

impl KafkaSettings {
    /// The extra options, split.
    pub fn properties(&self) -> impl Iterator<Item = (&str, &str)> {
        self.properties.iter().filter_map(|property| property.split_once('='))
    }

    fn validate(&self, check: &mut Check) {
        check.not_empty("kafka.brokers", &self.brokers, "the brokers as host:port,host:port");
        check.not_empty("kafka.group_id", &self.group_id, "the name of the consumer group");
        let topics = [
            ("kafka.calls_topic", &self.calls_topic),
            ("kafka.directory_topic", &self.directory_topic),
            ("kafka.dead_letter_topic", &self.dead_letter_topic),
        ];
        for (index, (key, topic)) in topics.iter().enumerate() {
            check.that(
                key,
                is_topic_name(topic),
                "must have 1 to 249 letters, digits, dots, underscores and hyphens",
            );
            let is_unique = topics[..index].iter().all(|(_, other)| other != topic);
            check.that(key, is_unique, "must differ from the other topics");
        }
        check.within("kafka.calls_partitions", self.calls_partitions, 1..=1024);
        let factor = self.replication_factor;
        check.that(
            "kafka.replication_factor",
            factor == -1 || (1..=15).contains(&factor),
            "must be -1, or between 1 and 15",
        );
        let retention = DurationSetting::from_secs(3600)..=DurationSetting::from_secs(100 * 365 * 86400);
        check.within("kafka.calls_retention", self.calls_retention, retention);
        check.within(
            "kafka.message_bytes_max",
            self.message_bytes_max.get(),
            ByteSize::kib(64).get()..=ByteSize::mib(64).get(),
        );
        check.within(
            "kafka.queue_bytes_max",
            self.queue_bytes_max.get(),
            ByteSize::mib(1).get()..=ByteSize::mib(1024).get(),
        );
        let timeout = DurationSetting::from_secs(1)..=DurationSetting::from_secs(300);
        check.within("kafka.timeout", self.timeout, timeout);
        let read_on = DurationSetting::from_secs(0)..=DurationSetting::from_secs(60);
        check.within("kafka.read_on_max", self.read_on_max, read_on);
        let are_pairs = self.properties.iter().all(|property| property.contains('='));
        check.that("kafka.properties", are_pairs, "must be a list of name=value");
        let reserved = self.properties().map(|(name, _)| name).find(|name| RESERVED.contains(name));
        check.that(
            "kafka.properties",
            reserved.is_none(),
            format_args!("must not set {}: ingest sets it itself", reserved.unwrap_or_default()),
        );
    }
}

/// Kafka's own rule.
fn is_topic_name(name: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=249).contains(&name.len()) && name.bytes().all(is_legal) && name != "." && name != ".."
}

impl Settings for IngestSettings {
    const DEFAULTS: &'static str = include_str!("../settings.toml");

    fn validate(&self, check: &mut Check) {
        let millis = DurationSetting::from_millis;
        let secs = DurationSetting::from_secs;
        self.kafka.validate(check);
        check.within("batch.rows_max", self.batch.rows_max, 1..=500_000);
        check.within(
            "batch.forward_bytes_max",
            self.batch.forward_bytes_max.get(),
            ByteSize::mib(1).get()..=ByteSize::mib(1024).get(),
        );
        check.within("batch.age_max", self.batch.age_max, millis(1)..=secs(60));
        check.within("batch.age_max_behind", self.batch.age_max_behind, millis(1)..=secs(60));
        check.within("idle.interval", self.idle.interval, millis(50)..=secs(60));
        check.within("idle.clock_tolerance", self.idle.clock_tolerance, millis(0)..=secs(60));
        check.within("fold.interval", self.fold.interval, secs(1)..=secs(86400));
        check.within("fold.rows_max", self.fold.rows_max, 100..=1_000_000);
        check.within("fold.keep", self.fold.keep, 10..=100_000);
        check.within("retry.initial", self.retry.initial, millis(1)..=secs(60));
        check.within("retry.max", self.retry.max, millis(1)..=secs(600));
        check.that(
            "kafka.read_on_max",
            self.kafka.read_on_max < self.ops.shutdown_budget,
            "must be shorter than ops.shutdown_budget: a worker that is told to end reads on so long, and then writes",
        );
        check.http_url("clickhouse.url", &self.clickhouse.url);
        check.within("clickhouse.timeout", self.clickhouse.timeout, secs(1)..=secs(600));
        self.ops.validate(check);
    }
}

impl ServiceSettings for IngestSettings {
    fn telemetry(&self) -> &TelemetrySettings {
        &self.telemetry
    }

    fn ops(&self) -> &OpsSettings {
        &self.ops
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use service::settings::load;

    fn with(extra: &[(&str, &str)]) -> Result<IngestSettings, String> {
        let required = [("KAFKA_BROKERS", "127.0.0.1:9092"), ("CLICKHOUSE_URL", "http://127.0.0.1:8123")];
        let environment = required.iter().chain(extra).map(|(name, value)| ((*name).into(), (*value).into()));
        load(None, environment).map_err(|mistakes| mistakes.to_string())
    }

    #[test]
    fn the_default_file_is_the_reference() {
        service::settings::check_defaults::<IngestSettings>().unwrap();
    }

    #[test]
    fn addresses_are_required() {
        let mistakes = load::<IngestSettings>(None, []).unwrap_err().to_string();
        assert!(mistakes.contains("kafka.brokers") && mistakes.contains("clickhouse.url"), "{mistakes}");
    }

    #[test]
    fn options_that_would_lose_messages_are_refused_by_name() {
        let mistakes = with(&[("KAFKA_PROPERTIES", "auto.offset.reset=latest")]).unwrap_err();
        assert!(mistakes.contains("must not set auto.offset.reset"), "{mistakes}");
        let mistakes = with(&[("KAFKA_PROPERTIES", "debug")]).unwrap_err();
        assert!(mistakes.contains("name=value"), "{mistakes}");
        let settings = with(&[("KAFKA_PROPERTIES", "debug=cgrp,client.id=a")]).unwrap();
        assert_eq!(settings.kafka.properties().collect::<Vec<_>>(), [("debug", "cgrp"), ("client.id", "a")]);
    }

    #[test]
    fn a_worker_may_not_read_on_longer_than_its_end_may_take() {
        let mistakes = with(&[("KAFKA_READ_ON_MAX", "25s")]).unwrap_err();
        assert!(
            mistakes.contains("kafka.read_on_max") && mistakes.contains("ops.shutdown_budget"),
            "{mistakes}"
        );
        with(&[("KAFKA_READ_ON_MAX", "25s"), ("OPS_SHUTDOWN_BUDGET", "26s")]).unwrap();
    }

    #[test]
    fn topics_must_differ_and_have_legal_names() {
        let mistakes = with(&[("KAFKA_DIRECTORY_TOPIC", "ai-usage.calls.v1")]).unwrap_err();
        assert!(mistakes.contains("differ"), "{mistakes}");
        assert!(with(&[("KAFKA_CALLS_TOPIC", "a b")]).is_err());
    }
}
