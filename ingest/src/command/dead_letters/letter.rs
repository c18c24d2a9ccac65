//! Messages of the dead-letter topic: what could not be counted, and notes of what was put back.

use crate::command::reading::{self, Spans};
use crate::headers::{RawHeader, headers_of, last_value};
use crate::settings::KafkaSettings;
use proto::topics::headers;
use rdkafka::Message;
use rdkafka::message::BorrowedMessage;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::ops::ControlFlow;

/// Where a message was found that could not be counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
}

/// A message of the dead-letter topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Partition in the dead-letter topic.
    pub partition: i32,
    /// Offset in the dead-letter topic.
    pub offset: i64,
    /// Why: a code.
    pub reason: String,
    /// Why: a sentence.
    pub reason_text: String,
    /// Where it was found.
    pub origin_topic: String,
    /// Where it was found.
    pub origin_partition: i32,
    /// Where it was found.
    pub origin_offset: i64,
    /// The broker's append time there, in Unix milliseconds.
    pub origin_appended_at_ms: i64,
    /// The key, in hexadecimal.
    pub key: Option<String>,
    /// The payload, in hexadecimal.
    pub payload: Option<String>,
    /// Where it was put back, as `partition/offset` of its topic.
    pub put_back: Option<String>,
}

/// Which letters were put back, and where, as `partition/offset`.
pub type PutBack = HashMap<Place, String>;

/// Reads which letters were put back. Blocks.
pub fn put_back(settings: &KafkaSettings, spans: &Spans) -> anyhow::Result<PutBack> {
    let mut found = PutBack::new();
    reading::read(settings, &settings.dead_letter_topic, spans, |message| {
        let all = headers_of(message);
        if last_value(&all, headers::REDRIVEN_TO).is_some() {
            found.insert(place_in(&all), text(&all, headers::REDRIVEN_TO));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(found)
}

/// Reads the letters, oldest first within a partition, until `visit` breaks off. One that was written twice, after a
/// kill, comes twice. Blocks.
pub fn each(
    settings: &KafkaSettings,
    spans: &Spans,
    mut visit: impl FnMut(&BorrowedMessage<'_>, &[RawHeader<'_>]) -> anyhow::Result<ControlFlow<()>>,
) -> anyhow::Result<()> {
    reading::read(settings, &settings.dead_letter_topic, spans, |message| {
        let all = headers_of(message);
        if last_value(&all, headers::REDRIVEN_TO).is_some() {
            return Ok(ControlFlow::Continue(()));
        }
        visit(message, &all)
    })
}

/// Where a letter says that it was found.
pub fn place_in(all: &[RawHeader<'_>]) -> Place {
    Place {
        topic: text(all, headers::ORIGIN_TOPIC),
        partition: text(all, headers::ORIGIN_PARTITION).parse().unwrap_or(-1),
        offset: text(all, headers::ORIGIN_OFFSET).parse().unwrap_or(-1),
    }
}

impl DeadLetter {
    /// A letter as it is shown.
    pub fn of(message: &BorrowedMessage<'_>, all: &[RawHeader<'_>], put_back: &PutBack) -> Self {
        let place = place_in(all);
        Self {
            partition: message.partition(),
            offset: message.offset(),
            reason: text(all, headers::REASON),
            reason_text: text(all, headers::REASON_TEXT),
            put_back: put_back.get(&place).cloned(),
            origin_topic: place.topic,
            origin_partition: place.partition,
            origin_offset: place.offset,
            origin_appended_at_ms: text(all, headers::ORIGIN_APPENDED_AT_MS).parse().unwrap_or(0),
            key: message.key().map(hexadecimal),
            payload: message.payload().map(hexadecimal),
        }
    }
}

/// The value of a header as text; empty where there is none.
pub fn text(all: &[RawHeader<'_>], name: &str) -> String {
    last_value(all, name).map(|value| String::from_utf8_lossy(value).into_owned()).unwrap_or_default()
}

fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let pairs =
        bytes.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    pairs.map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_in_hexadecimal() {
        assert_eq!(hexadecimal(b"\x00a\xff"), "0061ff");
        assert_eq!(hexadecimal(b""), "");
    }
}
