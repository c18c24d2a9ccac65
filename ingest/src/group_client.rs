//! The Kafka client that reads for the consumer group, and its successor where it has lost its way.

use crate::kafka;
use crate::rebalance::GroupContext;
use crate::settings::KafkaSettings;
use crate::topic::Kind;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::KafkaResult;
use std::sync::{Arc, Mutex, PoisonError};

/// A client of the group.
pub type Member = Arc<BaseConsumer<GroupContext>>;

/// The client that reads at present. Cheap to clone.
#[derive(Clone)]
pub struct GroupClient {
    settings: Arc<KafkaSettings>,
    topics: Arc<Vec<(Kind, String)>>,
    current: Arc<Mutex<Member>>,
}

impl GroupClient {
    /// Makes a client for these topics; it connects by itself, and joins when it is subscribed.
    ///
    /// # Errors
    /// Options that librdkafka refuses.
    pub fn new(settings: &KafkaSettings, topics: Vec<(Kind, String)>) -> KafkaResult<Self> {
        let current = Arc::new(Mutex::new(member(settings, &topics)?));
        Ok(Self { settings: Arc::new(settings.clone()), topics: Arc::new(topics), current })
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
}

fn member(settings: &KafkaSettings, topics: &[(Kind, String)]) -> KafkaResult<Member> {
    let context = GroupContext::new(topics.to_vec());
    BaseConsumer::from_config_and_context(&kafka::group_consumer(settings), context).map(Arc::new)
}
