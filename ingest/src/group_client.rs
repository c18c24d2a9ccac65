//! The Kafka client that reads for the consumer group, and its successor where it has lost its way; and what workers tell
//! each other by the group's committed offsets.
//!
//! Nothing reads these offsets back: the start of a partition comes from `batches`. But each is committed together with
//! the name of the worker, so that a worker that a partition was taken from sees when another one has begun.

use crate::kafka;
use crate::rebalance::GroupContext;
use crate::settings::KafkaSettings;
use crate::topic::{Kind, Partition};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

/// How long the client may take for its end. It leaves the group with a request that is answered only when a join that is
/// under way is, or given up after five seconds; and librdkafka can hang for ever while it takes itself apart
/// (confluentinc/librdkafka#4674).
const END_MAX: Duration = Duration::from_secs(8);

/// How long it waits to hear what was committed. Short: whoever asks reads meanwhile, and asks again.
const ANSWER_MAX: Duration = Duration::from_millis(200);

/// A client of the group.
pub type Member = Arc<BaseConsumer<GroupContext>>;

/// The client that reads at present. Cheap to clone.
#[derive(Clone)]
pub struct GroupClient {
    settings: Arc<KafkaSettings>,
    topics: Arc<BTreeMap<Kind, String>>,
    /// What tells this worker from every other one of the group.
    name: Arc<str>,
    current: Arc<Mutex<Member>>,
}

impl GroupClient {
    /// Makes a client for these topics; it connects by itself, and joins when it is subscribed.
    ///
    /// # Errors
    /// Options that librdkafka refuses.
    pub fn new(settings: &KafkaSettings, topics: BTreeMap<Kind, String>) -> KafkaResult<Self> {
        let current = Arc::new(Mutex::new(member(settings, &topics)?));
        let name = format!("ingest-{:016x}", rand::random::<u64>()).into();
        Ok(Self { settings: Arc::new(settings.clone()), topics: Arc::new(topics), name, current })
    }

    /// The client that reads at present.
    pub fn current(&self) -> Member {
        Arc::clone(&self.current.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes another client, which takes the place of the present one. That one leaves on a thread of its own: whoever
    /// has lost the way to the group can take long to leave it.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn renew(&self) -> KafkaResult<Member> {
        let member = member(&self.settings, &self.topics)?;
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let former = std::mem::replace(&mut *current, Arc::clone(&member));
        std::thread::spawn(move || drop(former));
        Ok(member)
    }

    /// Leaves the group, and ends. Blocks, but not for long: a client that does not end in time is left behind, and ends
    /// with the process. Nothing is lost by it, at worst the group waits for the end of the session.
    pub fn end(self, member: Member) {
        let (ended, has_ended) = mpsc::channel();
        std::thread::spawn(move || {
            drop((member, self));
            let _ = ended.send(());
        });
        if has_ended.recv_timeout(END_MAX).is_err() {
            tracing::warn!("the Kafka client does not end within {END_MAX:?}: left behind");
        }
    }

    /// Commits next offsets in the name of this worker. It is sent without waiting for the answer, and an error changes
    /// nothing.
    pub fn commit(&self, next_offsets: &[(Partition, i64)]) {
        if next_offsets.is_empty() {
            return;
        }
        let committed = self.list(next_offsets).and_then(|list| {
            for mut element in list.elements() {
                element.set_metadata(&*self.name);
            }
            self.current().commit(&list, CommitMode::Async)
        });
        if let Err(error) = committed {
            tracing::warn!("cannot commit offsets to Kafka, which is for information only: {error}");
        }
    }

    /// Those of some partitions for which another worker committed last. Blocks, but not for long.
    ///
    /// # Errors
    /// If Kafka does not answer in time.
    pub fn begun_by_others(&self, partitions: &[Partition]) -> KafkaResult<Vec<Partition>> {
        let asked: Vec<(Partition, i64)> = partitions.iter().map(|partition| (*partition, 0)).collect();
        let committed = self.current().committed_offsets(self.list(&asked)?, ANSWER_MAX)?;
        let is_others = |partition: &Partition| {
            let topic = self.topics.get(&partition.kind).map_or("", String::as_str);
            let element = committed.find_partition(topic, i32::from(partition.number));
            element.is_some_and(|element| !["", &*self.name].contains(&element.metadata()))
        };
        Ok(partitions.iter().copied().filter(is_others).collect())
    }

    /// Partitions and offsets as Kafka's clients take them.
    ///
    /// # Errors
    /// An offset that is none.
    pub fn list(&self, offsets: &[(Partition, i64)]) -> KafkaResult<TopicPartitionList> {
        let mut list = TopicPartitionList::with_capacity(offsets.len());
        for (partition, offset) in offsets {
            if let Some(topic) = self.topics.get(&partition.kind) {
                list.add_partition_offset(topic, i32::from(partition.number), Offset::Offset(*offset))?;
            }
        }
        Ok(list)
    }
}

fn member(settings: &KafkaSettings, topics: &BTreeMap<Kind, String>) -> KafkaResult<Member> {
    let context = GroupContext::new(topics.clone());
    BaseConsumer::from_config_and_context(&kafka::group_consumer(settings), context).map(Arc::new)
}
