//! What a topic holds, read by a consumer of the test's own.

use anyhow::Context;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Headers;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::{ClientConfig, Message};
use std::collections::BTreeMap;
use std::time::Duration;

/// One message.
#[derive(Debug, Clone)]
pub struct Letter {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// When the broker took it, in Unix milliseconds.
    pub appended_at_ms: i64,
    /// Its key as text.
    pub key: String,
    /// Its bytes.
    pub payload: Option<Vec<u8>>,
    /// Its headers as text.
    pub headers: BTreeMap<String, String>,
}

/// A topic that is read on and on.
#[derive(Debug)]
pub struct Topic {
    brokers: String,
    name: String,
    /// Next offset of each partition.
    pub next: Vec<i64>,
}

/// When the broker took each message of each partition.
#[derive(Debug, Default)]
pub struct AppendTimes(BTreeMap<i32, Vec<i64>>);

/// For each offset of each partition the earliest append time of its message and all behind it.
pub struct EarliestBehind(BTreeMap<i32, Vec<i64>>);

impl AppendTimes {
    /// Takes note of the next message of a partition.
    pub fn note(&mut self, letter: &Letter) {
        self.0.entry(letter.partition).or_default().push(letter.appended_at_ms);
    }

    /// Makes questions cheap.
    pub fn earliest_behind(&self) -> EarliestBehind {
        let mut earliest = self.0.clone();
        for times in earliest.values_mut() {
            for at in (1..times.len()).rev() {
                times[at - 1] = times[at - 1].min(times[at]);
            }
        }
        EarliestBehind(earliest)
    }
}

impl EarliestBehind {
    /// Proves that an answer of an organisation at a position leaves out nothing that the broker took before an instant.
    ///
    /// # Panics
    /// If it does.
    pub fn nothing_is_left_out(&self, org: &str, position: u64, complete_through_ms: i64) {
        let partition = proto::partition_of(org.as_bytes(), crate::PARTITIONS) as i32;
        let next = proto::Position::from_u64(position).next_offset() as usize;
        if let Some(earliest) = self.0.get(&partition).and_then(|times| times.get(next)) {
            assert!(
                *earliest >= complete_through_ms,
                "{org} at {position}: complete through {complete_through_ms}, and one of {earliest} is left out"
            );
        }
    }
}

impl Topic {
    /// From its start.
    pub fn new(brokers: &str, name: String, partitions: u32) -> Self {
        Self { brokers: brokers.to_owned(), name, next: vec![0; partitions as usize] }
    }

    /// Where the logs end now.
    ///
    /// # Errors
    /// Kafka's.
    pub fn ends(&self) -> anyhow::Result<Vec<i64>> {
        let consumer = self.consumer()?;
        let end = |partition| {
            let (_, end) = consumer.fetch_watermarks(&self.name, partition, Duration::from_secs(20))?;
            Ok(end)
        };
        (0..self.next.len() as i32).map(end).collect()
    }

    /// Reads from where it was up to the ends that the logs have now.
    ///
    /// # Errors
    /// Kafka's, and an offset that carries no message.
    pub fn read_on(&mut self, mut visit: impl FnMut(Letter)) -> anyhow::Result<()> {
        let ends = self.ends()?;
        let consumer = self.consumer()?;
        let mut list = TopicPartitionList::new();
        for (partition, next) in self.next.iter().enumerate() {
            list.add_partition_offset(&self.name, partition as i32, Offset::Offset(*next))?;
        }
        consumer.assign(&list)?;
        while self.next.iter().zip(&ends).any(|(next, end)| next < end) {
            let message = consumer.poll(Duration::from_secs(30)).context("Kafka says nothing for 30 s")??;
            if message.offset() >= ends[message.partition() as usize] {
                // Somebody goes on publishing: for the next time.
                continue;
            }
            let at = &mut self.next[message.partition() as usize];
            anyhow::ensure!(message.offset() == *at, "offset {at} is missing in {}", self.name);
            *at += 1;
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let headers = message.headers().map(|all| {
                let pairs = all.iter().map(|one| (one.key.to_owned(), text(one.value.unwrap_or_default())));
                pairs.collect()
            });
            visit(Letter {
                partition: message.partition(),
                offset: message.offset(),
                appended_at_ms: message.timestamp().to_millis().unwrap_or_default(),
                key: text(message.key().unwrap_or_default()),
                payload: message.payload().map(<[u8]>::to_vec),
                headers: headers.unwrap_or_default(),
            });
        }
        Ok(())
    }

    fn consumer(&self) -> anyhow::Result<BaseConsumer> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers).set("group.id", "a-reader-of-the-test");
        config.set("enable.auto.commit", "false").set("auto.offset.reset", "error");
        Ok(config.create()?)
    }
}
