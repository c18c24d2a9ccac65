//! Generated messages on their way to Kafka.

use crate::generator::{Message, World};
use anyhow::{Context, Result, ensure};
use proto::partition_of;
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Publishes to one topic, each organisation to its partition.
pub struct Publisher<'w> {
    world: &'w World,
    producer: ThreadedProducer<Lost>,
    lost: Arc<AtomicU64>,
    topic: String,
    partitions: Vec<u32>,
}

/// Counts messages that the broker did not take.
struct Lost(Arc<AtomicU64>);

impl rdkafka::ClientContext for Lost {}

impl ProducerContext for Lost {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if result.is_err() {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl<'w> Publisher<'w> {
    /// Connects. `linger` is how long a message may wait for others.
    ///
    /// # Errors
    /// If the client cannot be made.
    pub fn new(
        world: &'w World,
        brokers: &str,
        topic: &str,
        partitions: u32,
        linger: Duration,
    ) -> Result<Self> {
        let lost = Arc::new(AtomicU64::new(0));
        let producer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("acks", "all")
            .set("enable.idempotence", "true")
            .set("compression.codec", "lz4")
            .set("linger.ms", linger.as_millis().to_string())
            .set("batch.num.messages", "50000")
            .set("queue.buffering.max.messages", "500000")
            .create_with_context(Lost(Arc::clone(&lost)))
            .context("making the Kafka producer")?;
        let partition_of = |org: &crate::generator::Organisation| partition_of(org.id.as_bytes(), partitions);
        let partitions = world.organisations.iter().map(partition_of).collect();
        Ok(Self { world, producer, lost, topic: topic.into(), partitions })
    }

    /// Hands one message over; waits while the client's queue is full.
    ///
    /// # Errors
    /// If the client refuses it for another reason.
    pub fn send(&self, message: &Message) -> Result<()> {
        let key = self.world.organisations[message.organisation].id.as_bytes();
        let partition = self.partitions[message.organisation] as i32;
        let mut record =
            BaseRecord::to(&self.topic).partition(partition).key(key).payload(&message.payload[..]);
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), refused)) => {
                    record = refused;
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err((error, _)) => return Err(error).context("publishing a call"),
            }
        }
    }

    /// Waits until the broker has acknowledged all.
    ///
    /// # Errors
    /// If it did not.
    pub fn flush(&self) -> Result<()> {
        self.producer.flush(Duration::from_secs(120)).context("waiting for acknowledgements")?;
        let lost = self.lost.load(Ordering::Relaxed);
        ensure!(lost == 0, "the broker refused {lost} messages; see its log");
        Ok(())
    }
}
