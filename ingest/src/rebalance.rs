//! What the consumer group gives and takes, as a queue of events for the consumer's loop.

use crate::client_log::{log_error, log_line};
use crate::topic::{Kind, Partition};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::statistics::Statistics;
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaRespErr;
use service::failpoint;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// A place for crash tests: partitions are to be handed over, and the group does not know yet that they are.
pub const FAIL_POINT: &str = "at_revoke";

/// A change of what this worker reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The group gave these partitions to us.
    Assigned(Vec<Partition>),
    /// It took these away; another worker may read them already.
    Revoked(Vec<Partition>),
}

/// The consumer's callbacks. They run inside `poll`, on the consumer's thread, and must not block: so they only note
/// what happened.
pub struct GroupContext {
    topics: BTreeMap<Kind, String>,
    changes: Mutex<Vec<Change>>,
    is_in_group: AtomicBool,
}

impl GroupContext {
    /// For a consumer of these topics.
    pub fn new(topics: BTreeMap<Kind, String>) -> Self {
        Self { topics, changes: Mutex::new(Vec::new()), is_in_group: AtomicBool::new(false) }
    }

    /// The changes since the last call, in order.
    pub fn take_changes(&self) -> Vec<Change> {
        std::mem::take(&mut *self.changes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the client was in the group when it was last asked, every [`STATE_EVERY`].
    ///
    /// [`STATE_EVERY`]: crate::kafka::STATE_EVERY
    pub fn is_in_group(&self) -> bool {
        self.is_in_group.load(Ordering::Relaxed)
    }

    fn note(&self, change: Change) {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).push(change);
    }

    fn partitions(&self, list: &TopicPartitionList) -> Vec<Partition> {
        let elements = list.elements();
        let partitions = elements.iter().filter_map(|element| {
            let (kind, _) = self.topics.iter().find(|(_, topic)| *topic == element.topic())?;
            Some(Partition { kind: *kind, number: u16::try_from(element.partition()).ok()? })
        });
        partitions.collect()
    }
}

impl ClientContext for GroupContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log_error(&error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        let group = statistics.cgrp.as_ref();
        let is_in_group = group.is_some_and(|group| group.state == "up" && group.join_state == "steady");
        self.is_in_group.store(is_in_group, Ordering::Relaxed);
    }
}

impl ConsumerContext for GroupContext {
    /// Differs from the default in this: the group's changes are accepted at once, and what the client reads is for the
    /// consumer's loop to change.
    ///
    /// Where a partition starts is known to the ledger and must be asked first, which can take as long as ClickHouse is
    /// away; so the loop adds it when its start is known. (The default would fetch from Kafka's committed offset;
    /// pausing and seeking after it would race with that.) And a partition that the group takes away is read on until
    /// its next worker has begun, see `consumer/leaving.rs`.
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        error: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let named = self.partitions(partitions);
        let accepted = match error {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                self.note(Change::Assigned(named));
                consumer.incremental_assign(&TopicPartitionList::new())
            }
            _ => {
                self.note(Change::Revoked(named));
                failpoint::hit(FAIL_POINT);
                consumer.incremental_unassign(&TopicPartitionList::new())
            }
        };
        if let Err(error) = accepted {
            tracing::error!("the consumer group's change could not be accepted: {error}");
        }
    }
}
