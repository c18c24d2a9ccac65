//! One life of Kafka's client: from its creation to the first failure, after which a new one takes over.

use super::batch_limit::Batch;
use crate::settings::EmitterSettings;
use crate::trouble::TroubleCell;
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, ProducerContext};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Most reports (each about many messages) that are taken before the queue is looked at again.
const REPORTS_AT_ONCE: usize = 64;

/// What became of a message.
#[derive(Debug)]
pub(super) enum Outcome {
    /// All in-sync replicas have it.
    Acknowledged,
    /// This message, or the batch it was in, will never be taken as it is.
    Refused(RDKafkaErrorCode),
    /// It did not come through; another try may.
    Failed(KafkaError),
}

/// A client and the outcomes it has reported.
pub(super) struct Producer {
    client: BaseProducer<Reports>,
    outcomes: Arc<Mutex<Vec<(u64, Outcome)>>>,
    topic: String,
}

/// Why a message was not taken by the client.
#[derive(Debug)]
pub(super) enum SendError {
    /// The client holds as much as it may: later.
    Busy,
    /// The message is larger than the client may send (`message.max.bytes`).
    TooLarge(RDKafkaErrorCode),
    /// Anything else.
    Failed(KafkaError),
}

impl Producer {
    /// Creates a client. It connects by itself, later.
    pub fn create(
        settings: &EmitterSettings,
        batch: Option<Batch>,
        trouble: Arc<TroubleCell>,
    ) -> KafkaResult<Self> {
        let outcomes = Arc::default();
        let reports = Reports { outcomes: Arc::clone(&outcomes), trouble };
        let client = client_config(settings, batch).create_with_context(reports)?;
        Ok(Self { client, outcomes, topic: settings.topic.clone() })
    }

    /// Gives a message to the client, which copies it.
    pub fn send(&self, id: u64, key: &[u8], value: &[u8]) -> Result<(), SendError> {
        let record = BaseRecord::with_opaque_to(&self.topic, id as usize).key(key).payload(value);
        self.client.send(record).map_err(|(error, _)| match error {
            KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) => SendError::Busy,
            KafkaError::MessageProduction(code) if is_refusal(code) => SendError::TooLarge(code),
            error => SendError::Failed(error),
        })
    }

    /// Takes what the client has to report, without waiting: its own way of waiting spins through the last millisecond.
    pub fn reports(&self) -> Vec<(u64, Outcome)> {
        let mut reported = 0;
        for _ in 0..REPORTS_AT_ONCE {
            self.client.poll(Duration::ZERO);
            let outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).len();
            if outcomes == reported {
                break;
            }
            reported = outcomes;
        }
        take(&self.outcomes)
    }

    /// Gives up everything under way; returns what was reported before.
    pub fn close(self) -> Vec<(u64, Outcome)> {
        let Self { client, outcomes, .. } = self;
        drop(client);
        take(&outcomes)
    }
}

fn take(outcomes: &Mutex<Vec<(u64, Outcome)>>) -> Vec<(u64, Outcome)> {
    std::mem::take(&mut *outcomes.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Receives what the client reports while it is polled.
struct Reports {
    outcomes: Arc<Mutex<Vec<(u64, Outcome)>>>,
    trouble: Arc<TroubleCell>,
}

impl ClientContext for Reports {
    fn error(&self, error: KafkaError, reason: &str) {
        // That all brokers are down follows from an error that came before and said why.
        let follows = error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown);
        if follows && self.trouble.get().is_some() {
            return;
        }
        let reason = if reason.is_empty() { error.to_string() } else { reason.to_owned() };
        self.trouble.begin(reason);
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, id: usize) {
        let outcome = match result {
            Ok(_) => Outcome::Acknowledged,
            Err((error, _)) => match error.rdkafka_error_code() {
                Some(code) if is_refusal(code) => Outcome::Refused(code),
                _ => Outcome::Failed(error.clone()),
            },
        };
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).push((id as u64, outcome));
    }
}

/// Errors that say something about the message itself. All others are about Kafka or the way there, where waiting
/// helps, be it for an operator.
fn is_refusal(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::MessageSizeTooLarge
            | RDKafkaErrorCode::MessageBatchTooLarge
            | RDKafkaErrorCode::InvalidRecord
            | RDKafkaErrorCode::InvalidTimestamp
    )
}

fn client_config(settings: &EmitterSettings, batch: Option<Batch>) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("client.id", "ai-usage-emitter")
        .set("compression.codec", "lz4")
        // A topic that does not exist is told soon: the emitter waits for it by itself.
        .set("topic.metadata.propagation.max.ms", "5000")
        .set("reconnect.backoff.max.ms", "2000");
    for (option, value) in &settings.kafka_options {
        config.set(option, value);
    }
    config
        .set("bootstrap.servers", &settings.brokers)
        .set("enable.idempotence", "true")
        .set("acks", "all")
        // Java's default: librdkafka's own would put an organisation into another partition than other clients do.
        .set("partitioner", "murmur2_random")
        .set("linger.ms", settings.linger.as_millis().to_string())
        .set("message.timeout.ms", settings.delivery_timeout.as_millis().to_string());
    if let Some(batch) = batch {
        config
            .set("batch.size", batch.bytes.to_string())
            .set("batch.num.messages", batch.messages.to_string());
    }
    config
}
