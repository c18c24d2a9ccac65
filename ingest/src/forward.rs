//! Messages that leave ingest again: dead letters, and calls on their way to the right partition.

use crate::classify::{Origin, Refusal};
use crate::headers::{RawHeader, last_value};
use crate::settings::KafkaSettings;
use crate::source::topic_of;
use crate::topic::Partition;
use proto::topics::headers;
use rdkafka::Message;
use rdkafka::message::{BorrowedHeaders, BorrowedMessage, Header, OwnedHeaders, ToBytes};
use rdkafka::producer::FutureRecord;

/// Where a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// The dead-letter topic.
    DeadLetter,
    /// A partition of the calls topic.
    Calls {
        /// The partition.
        partition: u16,
    },
}

/// A message that leaves again, with its original key, payload and headers, and what our headers will say. They are made
/// when it is sent: as native objects they take more memory than the message.
#[derive(Debug, Clone)]
pub struct Forward {
    /// Where it goes.
    pub destination: Destination,
    key: Option<Vec<u8>>,
    payload: Option<Vec<u8>>,
    headers: Option<OwnedHeaders>,
    found_in: Partition,
    offset: i64,
    appended_at_ms: i64,
    /// Code and sentence, of a dead letter.
    reason: Option<(&'static str, String)>,
    bytes: usize,
}

/// Memory that a forwarded message takes beside its own bytes, here and in the producer's queue.
const OVERHEAD_BYTES: usize = 512;

impl Forward {
    /// A message that cannot be counted.
    pub fn dead_letter(
        message: &BorrowedMessage<'_>,
        found_in: Partition,
        bytes: usize,
        refusal: &Refusal,
    ) -> Self {
        let reason = Some((refusal.code(), refusal.to_string()));
        Self { reason, ..Self::new(Destination::DeadLetter, message, found_in, bytes) }
    }

    /// A call that belongs into another partition.
    pub fn reroute(message: &BorrowedMessage<'_>, found_in: Partition, bytes: usize, to: u16) -> Self {
        Self::new(Destination::Calls { partition: to }, message, found_in, bytes)
    }

    fn new(
        destination: Destination,
        message: &BorrowedMessage<'_>,
        found_in: Partition,
        bytes: usize,
    ) -> Self {
        let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
        Self {
            destination,
            key: owned(message.key()),
            payload: owned(message.payload()),
            headers: message.headers().map(BorrowedHeaders::detach),
            found_in,
            offset: message.offset(),
            appended_at_ms: message.timestamp().to_millis().unwrap_or(0),
            reason: None,
            bytes,
        }
    }

    /// Memory it takes, about.
    pub fn memory_bytes(&self) -> usize {
        self.bytes + OVERHEAD_BYTES
    }

    /// The message to send. Our headers come last: of several of one name the last one counts.
    pub fn record<'a>(&'a self, settings: &'a KafkaSettings) -> FutureRecord<'a, [u8], [u8]> {
        let found_in = topic_of(settings, self.found_in.kind);
        let mut headers = self
            .headers
            .clone()
            .unwrap_or_default()
            .insert(text(headers::ORIGIN_TOPIC, found_in))
            .insert(text(headers::ORIGIN_PARTITION, &self.found_in.number.to_string()))
            .insert(text(headers::ORIGIN_OFFSET, &self.offset.to_string()))
            .insert(text(headers::ORIGIN_APPENDED_AT_MS, &self.appended_at_ms.to_string()));
        if let Some((code, sentence)) = &self.reason {
            headers =
                headers.insert(text(headers::REASON, *code)).insert(text(headers::REASON_TEXT, sentence));
        }
        let record = match self.destination {
            Destination::DeadLetter => FutureRecord::to(&settings.dead_letter_topic),
            Destination::Calls { partition } => {
                FutureRecord::to(&settings.calls_topic).partition(i32::from(partition))
            }
        };
        FutureRecord {
            key: self.key.as_deref(),
            payload: self.payload.as_deref(),
            headers: Some(headers),
            ..record
        }
    }
}

fn text<'a, T: ToBytes + ?Sized>(key: &'a str, value: &'a T) -> Header<'a, &'a T> {
    Header { key, value: Some(value) }
}

/// Where a message of `topic` says it was found before; `None` if it does not say so completely.
pub fn origin_in(all: &[RawHeader<'_>], topic: &str) -> Option<Origin> {
    let text = |name| last_value(all, name).and_then(|value| std::str::from_utf8(value).ok());
    let is_ours = text(headers::ORIGIN_TOPIC)? == topic
        && text(headers::ORIGIN_OFFSET)?.parse::<i64>().is_ok_and(|offset| offset >= 0);
    is_ours.then_some(())?;
    Some(Origin {
        partition: text(headers::ORIGIN_PARTITION)?.parse().ok()?,
        appended_at_ms: text(headers::ORIGIN_APPENDED_AT_MS)?.parse().ok()?,
    })
}

/// Bytes of key, payload and headers of a message.
pub fn message_bytes(message: &BorrowedMessage<'_>, all: &[RawHeader<'_>]) -> usize {
    let headers: usize =
        all.iter().map(|header| header.name.len() + header.value.map_or(0, <[u8]>::len)).sum();
    message.key().map_or(0, <[u8]>::len) + message.payload().map_or(0, <[u8]>::len) + headers
}
