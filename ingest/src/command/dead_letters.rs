//! `ingest dead-letters list`: every message that could not be counted, with why, where it was, and its bytes.

use crate::client_log::LoggedContext;
use crate::headers::{RawHeader, headers_of, last_value};
use crate::kafka;
use crate::settings::KafkaSettings;
use anyhow::{Context, bail};
use chrono::{DateTime, SecondsFormat};
use clap::Args;
use proto::topics::headers;
use rdkafka::Message;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::io::{self, ErrorKind, Write};
use std::time::{Duration, Instant};

/// Which dead letters, and how.
#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    /// Only those with this reason, e.g. `undecodable`
    #[arg(long)]
    reason: Option<String>,
    /// Only those that were found in this partition
    #[arg(long)]
    partition: Option<i32>,
    /// Only so many, oldest first
    #[arg(long)]
    limit: Option<usize>,
    /// One JSON object a line, all bytes in hexadecimal
    #[arg(long)]
    json: bool,
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
}

/// How long no broker may say anything before the command gives up.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// Prints dead letters to stdout. One that was written twice, after a kill, is printed once.
pub async fn list(settings: KafkaSettings, args: ListArgs) -> anyhow::Result<()> {
    tokio::task::spawn_blocking(move || {
        let mut out = io::stdout().lock();
        let (mut seen, mut printed) = (HashSet::new(), 0);
        read_all(&settings, |letter| {
            let origin = (letter.origin_topic.clone(), letter.origin_partition, letter.origin_offset);
            let is_wanted = args.reason.as_ref().is_none_or(|reason| *reason == letter.reason)
                && args.partition.is_none_or(|partition| partition == letter.origin_partition);
            if !is_wanted || !seen.insert(origin) {
                return Ok(true);
            }
            match print(&mut out, letter, args.json) {
                // The reader has seen enough, as `head` does.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(false),
                outcome => outcome.context("cannot print")?,
            }
            printed += 1;
            Ok(args.limit.is_none_or(|limit| printed < limit))
        })
    })
    .await?
}

/// Reads the dead-letter topic from its start to its present end, until `visit` returns false.
fn read_all(
    settings: &KafkaSettings,
    mut visit: impl FnMut(&DeadLetter) -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let consumer = BaseConsumer::from_config_and_context(&kafka::reader(settings), LoggedContext)
        .context("cannot make a Kafka consumer")?;
    let topic = settings.dead_letter_topic.as_str();
    let metadata = consumer.fetch_metadata(Some(topic), settings.timeout.get())?;
    let partitions: Vec<i32> = metadata
        .topics()
        .iter()
        .flat_map(|topic| topic.partitions().iter().map(|partition| partition.id()))
        .collect();
    if partitions.is_empty() {
        bail!("topic `{topic}` does not exist; create it with `ingest topics`");
    }
    let mut list = TopicPartitionList::new();
    for partition in &partitions {
        list.add_partition_offset(topic, *partition, Offset::Beginning)?;
    }
    consumer.assign(&list)?;
    let mut unfinished: HashSet<i32> = partitions.into_iter().collect();
    let mut heard = Instant::now();
    while !unfinished.is_empty() {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                if !visit(&DeadLetter::read(&message))? {
                    return Ok(());
                }
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => drop(unfinished.remove(&partition)),
            Some(Err(error)) if heard.elapsed() > SILENCE_MAX => {
                return Err(error).context("cannot read the dead-letter topic");
            }
            Some(Err(_)) => continue,
            None if heard.elapsed() > SILENCE_MAX => {
                bail!("Kafka did not answer within {SILENCE_MAX:?} while reading topic `{topic}`");
            }
            None => continue,
        }
        heard = Instant::now();
    }
    Ok(())
}

impl DeadLetter {
    fn read(message: &BorrowedMessage<'_>) -> Self {
        let all = headers_of(message);
        Self {
            partition: message.partition(),
            offset: message.offset(),
            reason: text(&all, headers::REASON),
            reason_text: text(&all, headers::REASON_TEXT),
            origin_topic: text(&all, headers::ORIGIN_TOPIC),
            origin_partition: text(&all, headers::ORIGIN_PARTITION).parse().unwrap_or(-1),
            origin_offset: text(&all, headers::ORIGIN_OFFSET).parse().unwrap_or(-1),
            origin_appended_at_ms: text(&all, headers::ORIGIN_APPENDED_AT_MS).parse().unwrap_or(0),
            key: message.key().map(hexadecimal),
            payload: message.payload().map(hexadecimal),
        }
    }
}

fn text(all: &[RawHeader<'_>], name: &str) -> String {
    last_value(all, name).map(|value| String::from_utf8_lossy(value).into_owned()).unwrap_or_default()
}

fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let pairs =
        bytes.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    pairs.map(char::from).collect()
}

fn print(out: &mut impl Write, letter: &DeadLetter, json: bool) -> io::Result<()> {
    if json {
        serde_json::to_writer(&mut *out, letter)?;
        return writeln!(out);
    }
    let appended_at = DateTime::from_timestamp_millis(letter.origin_appended_at_ms).unwrap_or_default();
    writeln!(
        out,
        "{} · {} partition {} offset {} · appended at {}\n  {}\n  key     {}\n  payload {}",
        letter.reason,
        letter.origin_topic,
        letter.origin_partition,
        letter.origin_offset,
        appended_at.to_rfc3339_opts(SecondsFormat::Millis, true),
        letter.reason_text,
        letter.key.as_deref().unwrap_or("none"),
        letter.payload.as_deref().unwrap_or("none"),
    )
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
