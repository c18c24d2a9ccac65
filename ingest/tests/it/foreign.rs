//! What rust-rdkafka would not write, but another client can: a header whose name is not text.

use crate::topic::Raw;
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use std::time::Duration;
use system_tests::Room;

/// Publishes a message with one header, whose name may be any bytes.
pub fn publish_with_header_name(room: &Room, name: &[u8], message: &Raw) {
    let producer: ThreadedProducer<DefaultProducerContext> =
        ClientConfig::new().set("bootstrap.servers", room.brokers()).create().expect("a producer");
    // SAFETY: the name is never looked at as text here; it is only handed to librdkafka, for which it is bytes.
    let key = unsafe { std::str::from_utf8_unchecked(name) };
    let headers = OwnedHeaders::new().insert(Header { key, value: Some(b"value") });
    let topic = room.topic("calls");
    let mut record: BaseRecord<'_, [u8], [u8]> =
        BaseRecord::to(&topic).partition(message.partition as i32).headers(headers);
    record.key = message.key.as_deref();
    record.payload = message.payload.as_deref();
    producer.send(record).map_err(|(error, _)| error).expect("the queue takes it");
    producer.flush(Duration::from_secs(30)).expect("acknowledged");
}
