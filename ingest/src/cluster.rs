//! What the Kafka cluster says about itself: who it is, which topics it has, where their logs start and end.
//!
//! All calls block for up to the timeout; async callers use [`Cluster::ask`].

use crate::client_log::{LoggedContext, is_connection_trouble};
use crate::describe::{self, TopicDescription};
use crate::kafka;
use crate::settings::KafkaSettings;
use rdkafka::Message;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Timestamp};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Where the log of a partition starts and ends, as offsets; the end is the next offset to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogBounds {
    /// Oldest offset that is still there.
    pub start: i64,
    /// Offset of the next message.
    pub end: i64,
}

/// Longest wait for the ends of logs, which are asked for all the time: who asks wants to know soon that Kafka is away.
const ENDS_TIMEOUT_MAX: Duration = Duration::from_secs(5);

/// A client that only looks. Cheap to clone.
#[derive(Clone)]
pub struct Cluster {
    settings: Arc<KafkaSettings>,
    client: Arc<Mutex<Observer>>,
    timeout: Duration,
}

type Observer = Arc<BaseConsumer<LoggedContext>>;

impl Cluster {
    /// Prepares the client; it connects by itself, now or later.
    ///
    /// # Errors
    /// Options that librdkafka refuses.
    pub fn new(settings: &KafkaSettings) -> KafkaResult<Self> {
        Ok(Self {
            settings: Arc::new(settings.clone()),
            client: Arc::new(Mutex::new(observer(settings)?)),
            timeout: settings.timeout.get(),
        })
    }

    /// Runs a blocking question beside the async tasks.
    ///
    /// # Errors
    /// What the question returns.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Self) -> KafkaResult<T> + Send + 'static,
    ) -> KafkaResult<T> {
        let cluster = self.clone();
        let answer = tokio::task::spawn_blocking(move || {
            cluster.hear();
            let answer = question(&cluster);
            if answer.as_ref().is_err_and(is_connection_trouble) {
                // Why no answer came, above all that Kafka refuses us, is said beside it.
                cluster.hear();
                cluster.renew();
            }
            answer
        });
        answer.await.unwrap_or(Err(KafkaError::Canceled))
    }

    /// Takes what the client logs, which piles up in its queue otherwise.
    fn hear(&self) {
        while self.client().poll(Duration::ZERO).is_some() {}
    }

    fn client(&self) -> Observer {
        Arc::clone(&self.client.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// librdkafka 2.12 goes on trying what nobody waits for any more, without a pause: a question that timed out
    /// because the broker is away costs a whole core until it is back (measured: 0.85 against 0.01 cores). A new client
    /// has no such past.
    fn renew(&self) {
        if let Ok(client) = observer(&self.settings) {
            *self.client.lock().unwrap_or_else(PoisonError::into_inner) = client;
        }
    }

    /// The cluster's id.
    ///
    /// # Errors
    /// If no broker answers in time.
    pub fn cluster_id(&self) -> KafkaResult<String> {
        let timed_out = KafkaError::MetadataFetch(RDKafkaErrorCode::OperationTimedOut);
        self.client().client().fetch_cluster_id(self.timeout).ok_or(timed_out)
    }

    /// Id and size of a topic; `None` if there is none of this name.
    ///
    /// # Errors
    /// If no broker answers in time, or it may not be asked.
    pub fn describe(&self, topic: &str) -> KafkaResult<Option<TopicDescription>> {
        describe::topic(self.client().client(), topic, self.timeout)
    }

    /// Where a partition's log starts and ends.
    ///
    /// # Errors
    /// If its leader does not answer in time.
    pub fn bounds(&self, topic: &str, partition: u16) -> KafkaResult<LogBounds> {
        let client = self.client();
        let (start, end) = client.client().fetch_watermarks(topic, i32::from(partition), self.timeout)?;
        Ok(LogBounds { start, end })
    }

    /// The log ends of many partitions, in one request a broker. A partition whose leader did not answer is left out.
    ///
    /// # Errors
    /// If no leader answers in time.
    pub fn ends(&self, partitions: &[(String, u16)]) -> KafkaResult<HashMap<(String, u16), i64>> {
        const LATEST: i64 = -1;
        let mut wanted = TopicPartitionList::with_capacity(partitions.len());
        for (topic, partition) in partitions {
            wanted.add_partition_offset(topic, i32::from(*partition), Offset::from_raw(LATEST))?;
        }
        let found = self.client().offsets_for_times(wanted, self.timeout.min(ENDS_TIMEOUT_MAX))?;
        let elements = found.elements();
        let ends = elements.iter().filter(|element| element.error().is_ok()).filter_map(|element| {
            let end = element.offset().to_raw().filter(|end| *end >= 0)?;
            Some(((element.topic().to_owned(), u16::try_from(element.partition()).ok()?), end))
        });
        Ok(ends.collect())
    }

    /// When the messages at some offsets of a topic were appended. Left out is an offset that carries no message any
    /// more (compaction, a transaction's marker), or one without an append time.
    ///
    /// # Errors
    /// If a leader does not answer in time.
    pub fn append_times(&self, topic: &str, offsets: &[(u16, i64)]) -> KafkaResult<HashMap<u16, i64>> {
        let mut wanted = TopicPartitionList::with_capacity(offsets.len());
        for (partition, offset) in offsets {
            wanted.add_partition_offset(topic, i32::from(*partition), Offset::Offset(*offset))?;
        }
        let mut config = kafka::reader(&self.settings);
        // An offset that was deleted a moment ago is one without a message, no error.
        config.set("auto.offset.reset", "earliest");
        let consumer = BaseConsumer::from_config_and_context(&config, LoggedContext)?;
        consumer.assign(&wanted)?;
        let until = Instant::now() + self.timeout;
        let mut waiting: HashMap<i32, i64> =
            offsets.iter().map(|(partition, offset)| (i32::from(*partition), *offset)).collect();
        let mut times = HashMap::new();
        while !waiting.is_empty() {
            let (partition, found) = match consumer.poll(Duration::from_millis(20)) {
                Some(Ok(message)) => {
                    let time = appended_at_ms(&message);
                    (message.partition(), time.map(|time| (message.offset(), time)))
                }
                // Nothing but offsets without a message up to the end.
                Some(Err(KafkaError::PartitionEOF(partition))) => (partition, None),
                Some(Err(error)) if Instant::now() > until => return Err(error),
                None if Instant::now() > until => {
                    return Err(KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut));
                }
                Some(Err(_)) | None => continue,
            };
            let Some(offset) = waiting.remove(&partition) else { continue };
            if let Some((_, time)) = found.filter(|(found, _)| *found == offset) {
                times.insert(partition as u16, time);
            }
        }
        Ok(times)
    }

    /// How many members the consumer group has.
    ///
    /// # Errors
    /// If no broker answers in time.
    pub fn group_members(&self, group: &str) -> KafkaResult<usize> {
        let groups = self.client().client().fetch_group_list(Some(group), self.timeout)?;
        Ok(groups.groups().iter().map(|group| group.members().len()).sum())
    }
}

/// When the broker appended a message, in Unix milliseconds; `None` where the time is its producer's.
pub fn appended_at_ms(message: &BorrowedMessage<'_>) -> Option<i64> {
    match message.timestamp() {
        Timestamp::LogAppendTime(unix_ms) => Some(unix_ms),
        Timestamp::CreateTime(_) | Timestamp::NotAvailable => None,
    }
}

fn observer(settings: &KafkaSettings) -> KafkaResult<Observer> {
    let client = BaseConsumer::from_config_and_context(&kafka::observer(settings), LoggedContext)?;
    Ok(Arc::new(client))
}
