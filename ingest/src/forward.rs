//! Messages that leave ingest again: dead letters, and calls on their way to the right partition.

use crate::classify::{Origin, Refusal};
use crate::headers::{RawHeader, last_value};
use proto::topics::headers;
use rdkafka::Message;
use rdkafka::message::{BorrowedHeaders, BorrowedMessage, Header, OwnedHeaders};

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

/// A message with its original key, payload and headers, and ours behind them.
#[derive(Debug, Clone)]
pub struct Forward {
    /// Where it goes.
    pub destination: Destination,
    /// The original key.
    pub key: Option<Vec<u8>>,
    /// The original payload.
    pub payload: Option<Vec<u8>>,
    /// Ours last: of several headers of one name the last one counts.
    pub headers: OwnedHeaders,
    /// Size of all that.
    pub bytes: usize,
}

impl Forward {
    /// A message that cannot be counted.
    pub fn dead_letter(message: &BorrowedMessage<'_>, bytes: usize, refusal: &Refusal) -> Self {
        let text = refusal.to_string();
        let headers = with_origin(message)
            .insert(Header { key: headers::REASON, value: Some(refusal.code()) })
            .insert(Header { key: headers::REASON_TEXT, value: Some(&text) });
        Self::new(Destination::DeadLetter, message, bytes, headers)
    }

    /// A call that belongs into another partition.
    pub fn reroute(message: &BorrowedMessage<'_>, bytes: usize, to: u16) -> Self {
        Self::new(Destination::Calls { partition: to }, message, bytes, with_origin(message))
    }

    fn new(
        destination: Destination,
        message: &BorrowedMessage<'_>,
        bytes: usize,
        headers: OwnedHeaders,
    ) -> Self {
        let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
        Self { destination, key: owned(message.key()), payload: owned(message.payload()), headers, bytes }
    }
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

fn with_origin(message: &BorrowedMessage<'_>) -> OwnedHeaders {
    let text = |value: i64| value.to_string();
    let appended_at_ms = text(message.timestamp().to_millis().unwrap_or(0));
    message
        .headers()
        .map_or_else(OwnedHeaders::new, BorrowedHeaders::detach)
        .insert(Header { key: headers::ORIGIN_TOPIC, value: Some(message.topic()) })
        .insert(Header { key: headers::ORIGIN_PARTITION, value: Some(&text(i64::from(message.partition()))) })
        .insert(Header { key: headers::ORIGIN_OFFSET, value: Some(&text(message.offset())) })
        .insert(Header { key: headers::ORIGIN_APPENDED_AT_MS, value: Some(&appended_at_ms) })
}
