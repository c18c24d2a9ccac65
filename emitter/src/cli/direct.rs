//! Publishing messages one by one and waiting for each to be acknowledged: for the directory and for what Kafka had
//! refused. There are few of them, and nobody's work waits for it, so they need no queue.

use super::arguments::Connection;
use super::kafka::{check_topic, client_config};
use super::progress::Progress;
use anyhow::{Context, bail};
use rdkafka::client::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub key: Vec<u8>,
    pub value: Vec<u8>,
}

/// Publishes all messages and waits until every one is acknowledged; returns how many there were.
///
/// # Errors
/// Kafka does not answer, the topic is missing, or some message is not acknowledged: with how many are.
pub fn publish(connection: &Connection, topic: &str, messages: &[Message]) -> anyhow::Result<u64> {
    check_topic(connection, topic)?;
    let timeout = connection.timeout.magnitude();
    let producer: BaseProducer<Deliveries> = client_config(connection)
        .set("enable.idempotence", "true")
        .set("acks", "all")
        // Java's default, so that every client puts a key into the same partition.
        .set("partitioner", "murmur2_random")
        .set("message.timeout.ms", timeout.as_millis().max(1).to_string())
        .create_with_context(Deliveries::default())
        .context("Kafka's client refuses its options")?;
    let mut progress = Progress::begin("published", Some(messages.len() as u64));
    for message in messages {
        send(&producer, topic, message)?;
        progress.step();
    }
    // Every message has an outcome within its own timeout; the second is for the last of them to be reported.
    let flushed = producer.flush(timeout + Duration::from_secs(1));
    drop(progress);
    let (acknowledged, error) = producer.context().take();
    let error = error.or(flushed.err());
    if acknowledged == messages.len() as u64 {
        return Ok(acknowledged);
    }
    let reason = error.map_or_else(|| "it gives no reason".to_owned(), |error| error.to_string());
    bail!(
        "{acknowledged} of {} messages are acknowledged ({reason}); publish the same input again: it changes nothing \
         that has arrived",
        messages.len()
    )
}

fn send(producer: &BaseProducer<Deliveries>, topic: &str, message: &Message) -> anyhow::Result<()> {
    loop {
        let record = BaseRecord::to(topic).key(&message.key).payload(&message.value);
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                producer.poll(Duration::from_millis(20));
            }
            Err((error, _)) => return Err(error).context("Kafka's client does not take a message"),
        }
    }
}

/// Counts acknowledgements and keeps the first error.
#[derive(Default)]
struct Deliveries(Mutex<(u64, Option<KafkaError>)>);

impl Deliveries {
    fn take(&self) -> (u64, Option<KafkaError>) {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(_) => counted.0 += 1,
            Err((error, _)) => {
                counted.1.get_or_insert_with(|| error.clone());
            }
        }
    }
}
