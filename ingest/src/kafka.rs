//! The options of our Kafka clients.

use crate::settings::KafkaSettings;
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use std::time::Duration;

/// Bytes by which a dead letter may be larger than the message it holds: reason and origin.
pub const DEAD_LETTER_EXTRA_BYTES: u64 = 1024 * 1024;

/// Largest message that the producer takes. Whether a dead letter fits is for the broker to say: it counts compressed
/// bytes, the client uncompressed ones.
const PRODUCER_MESSAGE_BYTES_MAX: &str = "1000000000";

/// How long a worker waits for the answer when it joins its group, which is how long it may go without polling: an answer
/// that went into a half-open connection never comes. The loop polls every few milliseconds; one that does not for so
/// long is frozen, and comes back by itself. The library does not take less than the session.
const JOIN_MAX_MS: u64 = 30_000;

/// How often the client of the group tells where it is with its group.
pub const STATE_EVERY: Duration = Duration::from_secs(5);

/// What every client has: addresses, defaults of ours, the operator's options, and last what must not be changed.
fn config(settings: &KafkaSettings, defaults: &[(&str, String)], fixed: &[(&str, &str)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    // librdkafka's own reports of a broker that is away repeat several times a second; health and the retry log say it.
    config.set("log.connection.close", "false").set_log_level(RDKafkaLogLevel::Warning);
    // How long a connection stays in use on which no answer comes. A half-open one is noticed by nothing else.
    config.set("socket.timeout.ms", settings.timeout.get().as_millis().to_string());
    // A client keeps what it heard of the topics: also that a partition has no leader, as in the moment in which a
    // broker comes back that was away for longer than its session with the controller, or nothing, if that moment was
    // the one in which it wanted to join its group. By the library's own default it asks anew after five minutes.
    config.set("topic.metadata.refresh.interval.ms", "1000");
    // How soon it tries again to connect; the library's own default grows to ten seconds.
    config.set("reconnect.backoff.max.ms", "1000");
    for (name, value) in defaults {
        config.set(*name, value);
    }
    for (name, value) in settings.properties() {
        config.set(name, value);
    }
    for (name, value) in fixed {
        config.set(*name, *value);
    }
    if !settings.sasl_password.expose().is_empty() {
        config.set("sasl.password", settings.sasl_password.expose());
    }
    config.set("bootstrap.servers", &settings.brokers);
    config
}

/// How messages are fetched ahead. By the library's own defaults a queue of a hundred thousand messages is full, and a full
/// one is looked at again after a second: so a reader would wait most of the time.
fn fetching(settings: &KafkaSettings) -> [(&'static str, String); 6] {
    [
        // The queue is bounded in bytes; the bound in messages must not end it earlier.
        ("queued.max.messages.kbytes", (settings.queue_bytes_max.get() / 1024).to_string()),
        ("queued.min.messages", "10000000".to_owned()),
        ("fetch.queue.backoff.ms", "5".to_owned()),
        ("fetch.wait.max.ms", "100".to_owned()),
        ("fetch.message.max.bytes", "1048576".to_owned()),
        ("fetch.max.bytes", "8388608".to_owned()),
    ]
}

/// The consumer of the group.
pub fn group_consumer(settings: &KafkaSettings) -> ClientConfig {
    let defaults = [
        // How soon a worker hears that another came or left, so how long both read a partition that moves.
        ("heartbeat.interval.ms", "200".to_owned()),
        // How long partitions of a killed worker stand still. Short, because a worker that was given up too early and
        // goes on does no harm.
        ("session.timeout.ms", "10000".to_owned()),
        ("check.crcs", "true".to_owned()),
        ("statistics.interval.ms", STATE_EVERY.as_millis().to_string()),
    ];
    let defaults = [fetching(settings).as_slice(), &defaults].concat();
    let fixed = [
        ("group.id", settings.group_id.as_str()),
        // The ledger knows where to start, Kafka does not.
        ("enable.auto.commit", "false"),
        ("enable.auto.offset.store", "false"),
        // An offset that the broker does not have is for a person to look at; any reset would lose or repeat messages.
        ("auto.offset.reset", "error"),
        ("partition.assignment.strategy", "cooperative-sticky"),
        // What was not committed is no message.
        ("isolation.level", "read_committed"),
    ];
    let mut config = config(settings, &defaults, &fixed);
    if config.get("max.poll.interval.ms").is_none() {
        let session = config.get("session.timeout.ms").and_then(|text| text.parse().ok()).unwrap_or(0);
        config.set("max.poll.interval.ms", JOIN_MAX_MS.max(session).to_string());
    }
    if !settings.group_instance_id.is_empty() {
        config.set("group.instance.id", &settings.group_instance_id);
    }
    config
}

/// A client that asks about topics and offsets; it joins no group.
pub fn observer(settings: &KafkaSettings) -> ClientConfig {
    config(settings, &[], &[("isolation.level", "read_committed")])
}

/// A client that reads one topic from its start to its end, without a group.
pub fn reader(settings: &KafkaSettings) -> ClientConfig {
    let fixed = [
        // Required by the library; nothing joins it and nothing is committed.
        ("group.id", "ai-usage.reader"),
        ("enable.auto.commit", "false"),
        ("enable.partition.eof", "true"),
        ("auto.offset.reset", "error"),
        ("isolation.level", "read_committed"),
    ];
    config(settings, &fetching(settings), &fixed)
}

/// A client that makes and describes topics.
pub fn admin(settings: &KafkaSettings) -> ClientConfig {
    config(settings, &[], &[])
}

/// The producer of dead letters and rerouted messages.
pub fn producer(settings: &KafkaSettings) -> ClientConfig {
    let defaults = [
        ("linger.ms", "5".to_owned()),
        ("compression.codec", "lz4".to_owned()),
        // A batch's forwards are in memory already; the queue need not hold all of their copies at once.
        ("queue.buffering.max.messages", "10000".to_owned()),
        // Our own retry stands behind it, which tells the health report what it waits for.
        ("message.timeout.ms", settings.timeout.get().as_millis().to_string()),
    ];
    let fixed =
        [("acks", "all"), ("enable.idempotence", "true"), ("message.max.bytes", PRODUCER_MESSAGE_BYTES_MAX)];
    config(settings, &defaults, &fixed)
}
