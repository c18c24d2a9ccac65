//! Asking Kafka whether it is there, before anything is published.

use super::arguments::Connection;
use anyhow::{Context, bail};
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;
use rdkafka::producer::{BaseProducer, DeliveryResult, Producer, ProducerContext};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// One question to a broker; a broker that is not there says so sooner.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a topic may be missing: a broker learns of one a moment after its creation was confirmed.
const TOPIC_GRACE: Duration = Duration::from_secs(2);

/// Makes sure that a topic exists and can be reached.
///
/// # Errors
/// No broker answers within the timeout, or the topic does not exist: with what to do.
pub fn check_topic(connection: &Connection, topic: &str) -> anyhow::Result<()> {
    let client: BaseProducer<LastError> = client_config(connection)
        .create_with_context(LastError::default())
        .context("Kafka's client refuses its options")?;
    let began = Instant::now();
    let deadline = began + connection.timeout.magnitude();
    loop {
        let patience = QUESTION_TIMEOUT.min(deadline.saturating_duration_since(Instant::now()));
        // All topics are asked for, as asking for one by name may create it.
        let answer = client.client().fetch_metadata(None, patience);
        let holds = |metadata: &Metadata| {
            let mut topics = metadata.topics().iter();
            topics.any(|found| found.name() == topic && !found.partitions().is_empty())
        };
        if answer.as_ref().is_ok_and(holds) {
            return Ok(());
        }
        // Errors that explain a failure arrive while the client is polled.
        client.poll(Duration::from_millis(100));
        let late = Instant::now() >= deadline;
        match answer {
            Ok(_) if late || began.elapsed() >= TOPIC_GRACE => bail!(
                "topic `{topic}` does not exist at {}: start ingest, which creates it, or create it with Kafka's own \
                 tool (kafka-topics --create), or name another one with --topic",
                connection.brokers
            ),
            Err(error) if late => {
                let trouble = client.context().take();
                if let Some((RDKafkaErrorCode::Authentication, reason)) = &trouble {
                    bail!(
                        "Kafka at {} refuses who asks ({reason}): set KAFKA_SASL_PASSWORD, and by -X the sasl options, to \
                         those of a known user; nothing was published",
                        connection.brokers
                    );
                }
                let reason = trouble.map_or_else(|| error.to_string(), |(_, reason)| reason);
                bail!(
                    "no Kafka broker answered at {} within {} ({reason}): start Kafka, or name it with --brokers or \
                     KAFKA_BROKERS; nothing was published",
                    connection.brokers,
                    connection.timeout
                );
            }
            Ok(_) | Err(_) => {}
        }
    }
}

/// Settings of all clients of this command.
pub fn client_config(connection: &Connection) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("client.id", "emit");
    for (key, value) in connection.client_options() {
        config.set(key, value);
    }
    config.set("bootstrap.servers", &connection.brokers);
    config
}

/// Keeps the last thing the client complained about: it says more than "timed out".
#[derive(Default)]
struct LastError(Mutex<Option<(RDKafkaErrorCode, String)>>);

impl LastError {
    fn take(&self) -> Option<(RDKafkaErrorCode, String)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl ClientContext for LastError {
    fn error(&self, error: KafkaError, reason: &str) {
        // That all brokers are down follows from the error that came before.
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
        if code != RDKafkaErrorCode::AllBrokersDown {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((code, reason.to_owned()));
        }
    }
}

impl ProducerContext for LastError {
    type DeliveryOpaque = ();

    fn delivery(&self, _result: &DeliveryResult<'_>, (): ()) {}
}
