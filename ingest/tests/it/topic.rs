//! Messages as a foreign client would publish them: any key, header, payload, partition.

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::{ClientConfig, Message};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use system_tests::{PARTITIONS, Room};

/// One message.
#[derive(Debug, Clone, Default)]
pub struct Raw {
    pub partition: u32,
    pub key: Option<Vec<u8>>,
    pub payload: Option<Vec<u8>>,
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Raw {
    /// A call in the partition of its organisation.
    pub fn of(call: &proto::Call) -> Self {
        Self {
            partition: proto::partition_of(call.key(), PARTITIONS),
            key: Some(call.key().to_vec()),
            payload: Some(call.encode()),
            headers: Vec::new(),
        }
    }

    /// In the next partition instead.
    pub fn elsewhere(mut self) -> Self {
        self.partition = (self.partition + 1) % PARTITIONS;
        self
    }

    /// With another payload.
    pub fn payload(mut self, payload: Option<&[u8]>) -> Self {
        self.payload = payload.map(<[u8]>::to_vec);
        self
    }

    /// With a header more.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

/// Counts what the broker acknowledged.
#[derive(Clone, Default)]
struct Acknowledged(Arc<AtomicU64>);

impl rdkafka::ClientContext for Acknowledged {}

impl ProducerContext for Acknowledged {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(_) => drop(self.0.fetch_add(1, Ordering::SeqCst)),
            Err((error, _)) => eprintln!("a message was refused: {error}"),
        }
    }
}

/// Publishes to one topic; what cannot go out waits in its memory.
pub struct Publisher {
    producer: ThreadedProducer<Acknowledged>,
    topic: String,
    acknowledged: Acknowledged,
    sent: u64,
}

impl Publisher {
    /// With options of the client.
    pub fn new(room: &Room, topic: &str, options: &[(&str, &str)]) -> Self {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", room.brokers())
            .set("acks", "all")
            .set("message.max.bytes", "100000000")
            .set("queue.buffering.max.kbytes", "2000000");
        for (name, value) in options {
            config.set(*name, *value);
        }
        let acknowledged = Acknowledged::default();
        let producer = config.create_with_context(acknowledged.clone()).expect("a producer");
        Self { producer, topic: room.topic(topic), acknowledged, sent: 0 }
    }

    /// Gives messages to the client.
    pub fn send(&mut self, messages: &[Raw]) {
        for message in messages {
            let headers = message.headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
                headers.insert(Header { key, value: Some(value) })
            });
            let mut record: BaseRecord<'_, [u8], [u8]> =
                BaseRecord::to(&self.topic).partition(message.partition as i32).headers(headers);
            record.key = message.key.as_deref();
            record.payload = message.payload.as_deref();
            self.producer.send(record).map_err(|(error, _)| error).expect("the queue takes it");
            self.sent += 1;
        }
    }

    /// Waits until all is acknowledged.
    pub fn finish(self) {
        self.producer.flush(Duration::from_secs(60)).expect("acknowledged");
        assert_eq!(self.acknowledged.0.load(Ordering::SeqCst), self.sent, "acknowledged messages");
    }
}

/// Publishes to a topic of the room and waits until all is acknowledged.
pub async fn publish(room: &Room, topic: &str, messages: &[Raw]) {
    publish_with(room, topic, messages, &[]).await;
}

/// The same, with options of the client.
pub async fn publish_with(room: &Room, topic: &str, messages: &[Raw], options: &[(&str, &str)]) {
    let mut publisher = Publisher::new(room, topic, options);
    let is_transactional = options.iter().any(|(name, _)| *name == "transactional.id");
    if is_transactional {
        publisher.producer.init_transactions(Duration::from_secs(30)).expect("a transaction");
        publisher.producer.begin_transaction().expect("a transaction");
    }
    publisher.send(messages);
    if is_transactional {
        publisher.producer.commit_transaction(Duration::from_secs(30)).expect("committed");
    }
    publisher.finish();
}

/// The first message of a partition, as it lies in the topic.
pub fn first_message(room: &Room, topic: &str, partition: u32) -> Raw {
    message_at(room, topic, partition, Offset::Beginning)
}

/// A message, as it lies in the topic.
pub fn message_at(room: &Room, topic: &str, partition: u32, offset: Offset) -> Raw {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", room.brokers())
        .set("group.id", "a-look")
        .create()
        .expect("a consumer");
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&room.topic(topic), partition as i32, offset).expect("a partition");
    consumer.assign(&list).expect("assigned");
    let message = consumer.poll(Duration::from_secs(30)).expect("a message").expect("a message");
    let headers = ingest::headers::headers_of(&message).into_iter().map(|header| {
        (String::from_utf8_lossy(header.name).into_owned(), header.value.unwrap_or_default().to_vec())
    });
    Raw {
        partition,
        key: message.key().map(<[u8]>::to_vec),
        payload: message.payload().map(<[u8]>::to_vec),
        headers: headers.collect(),
    }
}
