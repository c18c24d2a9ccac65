//! The options of our Kafka clients.

use crate::settings::KafkaSettings;
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

/// Bytes by which a dead letter may be larger than the message it holds: reason and origin.
pub const DEAD_LETTER_EXTRA_BYTES: u64 = 1024 * 1024;

/// Largest message that the producer takes. Whether a dead letter fits is for the broker to say: it counts compressed
/// bytes, the client uncompressed ones.
const PRODUCER_MESSAGE_BYTES_MAX: &str = "1000000000";

/// What every client has: addresses and the operator's options.
pub fn client(settings: &KafkaSettings) -> ClientConfig {
    let mut config = ClientConfig::new();
    for (name, value) in settings.properties() {
        config.set(name, value);
    }
    if !settings.sasl_password.expose().is_empty() {
        config.set("sasl.password", settings.sasl_password.expose());
    }
    config.set("bootstrap.servers", &settings.brokers);
    // librdkafka's own reports of a broker that is away repeat several times a second; health and the retry log say it.
    config.set("log.connection.close", "false").set_log_level(RDKafkaLogLevel::Warning);
    config
}

/// The consumer of the group.
pub fn group_consumer(settings: &KafkaSettings) -> ClientConfig {
    let mut config = client(settings);
    config
        .set("group.id", &settings.group_id)
        // The ledger knows where to start, Kafka does not.
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // An offset that the broker does not have is for a person to look at; any reset would lose or repeat messages.
        .set("auto.offset.reset", "error")
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("check.crcs", "true")
        // The queue is bounded in bytes; the bound in messages must not end it earlier.
        .set("queued.max.messages.kbytes", (settings.queue_bytes_max.get() / 1024).to_string())
        .set("queued.min.messages", "10000000")
        .set("fetch.queue.backoff.ms", "5")
        .set("fetch.wait.max.ms", "100")
        .set("fetch.message.max.bytes", "1048576")
        .set("fetch.max.bytes", "8388608");
    config
}

/// A client that asks about topics and offsets; it joins no group.
pub fn observer(settings: &KafkaSettings) -> ClientConfig {
    client(settings)
}

/// The producer of dead letters and rerouted messages.
pub fn producer(settings: &KafkaSettings) -> ClientConfig {
    let mut config = client(settings);
    config
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("linger.ms", "5")
        .set("compression.codec", "lz4")
        .set("message.max.bytes", PRODUCER_MESSAGE_BYTES_MAX)
        // Our own retry stands behind it, which tells the health report what it waits for.
        .set("message.timeout.ms", settings.timeout.get().as_millis().to_string());
    config
}
