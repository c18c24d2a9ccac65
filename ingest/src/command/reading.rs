//! Reading a part of a topic once, without a group.

use crate::client_log::LoggedContext;
use crate::kafka;
use crate::settings::KafkaSettings;
use anyhow::{Context, bail};
use rdkafka::Message;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::time::{Duration, Instant};

/// Offsets to read, by partition.
pub type Spans = BTreeMap<i32, Range<i64>>;

/// How long no broker may say anything before the command gives up.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// Everything that a topic holds now. Blocks.
pub fn whole(settings: &KafkaSettings, topic: &str) -> anyhow::Result<Spans> {
    let consumer = reader(settings)?;
    let metadata = consumer.fetch_metadata(Some(topic), settings.timeout.get())?;
    let partitions: Vec<i32> = metadata
        .topics()
        .iter()
        .flat_map(|topic| topic.partitions().iter().map(|partition| partition.id()))
        .collect();
    if partitions.is_empty() {
        bail!("topic `{topic}` does not exist; create it with `ingest topics`");
    }
    let span = |partition| {
        let (start, end) = consumer.fetch_watermarks(topic, partition, settings.timeout.get())?;
        Ok((partition, start..end))
    };
    partitions.into_iter().map(span).collect()
}

/// Reads these offsets of a topic, until `visit` breaks off. Offsets without a message are passed over. Blocks.
pub fn read(
    settings: &KafkaSettings,
    topic: &str,
    spans: &Spans,
    mut visit: impl FnMut(&BorrowedMessage<'_>) -> anyhow::Result<ControlFlow<()>>,
) -> anyhow::Result<()> {
    let mut unread: Spans = spans.clone();
    unread.retain(|_, span| !span.is_empty());
    let mut list = TopicPartitionList::new();
    for (partition, span) in &unread {
        list.add_partition_offset(topic, *partition, Offset::Offset(span.start))?;
    }
    let consumer = reader(settings)?;
    consumer.assign(&list)?;
    let mut heard = Instant::now();
    while !unread.is_empty() {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                let Some(span) = unread.get_mut(&message.partition()) else { continue };
                if span.contains(&message.offset()) && visit(&message)?.is_break() {
                    return Ok(());
                }
                span.start = message.offset() + 1;
                if span.is_empty() {
                    unread.remove(&message.partition());
                    let mut finished = TopicPartitionList::new();
                    finished.add_partition(topic, message.partition());
                    consumer.pause(&finished)?;
                }
            }
            // What is left of it carries no message.
            Some(Err(KafkaError::PartitionEOF(partition))) => drop(unread.remove(&partition)),
            Some(Err(error)) if heard.elapsed() > SILENCE_MAX => {
                return Err(error).with_context(|| format!("cannot read topic `{topic}`"));
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

fn reader(settings: &KafkaSettings) -> anyhow::Result<BaseConsumer<LoggedContext>> {
    BaseConsumer::from_config_and_context(&kafka::reader(settings), LoggedContext)
        .context("cannot make a Kafka consumer")
}
