//! Proves that a topic is still the one that was recorded.
//!
//! A topic that was deleted and made anew under its old name goes on at the same offsets as soon as its log is long
//! enough, and nothing in a message tells. So every batch is checked before any of it is written: if the topic's id is
//! still the recorded one after the batch was read, all of the batch came from the recorded topic, because an id never
//! comes back.

use crate::cluster::Cluster;
use crate::must_stop::MustStop;
use crate::patience::{Patience, Stopped};
use crate::progress::Progress;
use crate::settings::KafkaSettings;
use crate::source::{Identity, Source, identify, topic_of};
use crate::topic::Kind;
use service::shutdown::Shutdown;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};
use warehouse::Warehouse;

/// How often idle topics are looked at.
const EVERY: Duration = Duration::from_secs(2);

/// How often a topic must be missing before it is gone, and how long to wait in between.
const MISSING_LOOKS: u32 = 4;
const MISSING_PAUSE: Duration = Duration::from_secs(1);

/// Knows who the topics must be. Cloning gives another handle to the same knowledge.
#[derive(Clone)]
pub struct Guard {
    settings: KafkaSettings,
    warehouse: Warehouse,
    cluster: Cluster,
    patience: Patience,
    known: Arc<Mutex<BTreeMap<u16, Source>>>,
}

impl Guard {
    /// Asks this ledger and these brokers, and waits for both.
    pub fn new(
        settings: &KafkaSettings,
        warehouse: &Warehouse,
        cluster: &Cluster,
        patience: Patience,
    ) -> Self {
        let (warehouse, cluster) = (warehouse.clone(), cluster.clone());
        Self { settings: settings.clone(), warehouse, cluster, patience, known: Arc::default() }
    }

    /// The same, waiting in the name of another component.
    pub fn waiting_as(&self, patience: Patience) -> Self {
        Self { patience, ..self.clone() }
    }

    /// The open source of a kind, whose topic is still the one that was recorded.
    ///
    /// # Errors
    /// If there is none, or the topic is another one.
    pub async fn open_source(&self, kind: Kind) -> Result<Source, MustStop> {
        let rows = self.patience.until_done("read the sources", || self.warehouse.sources()).await?;
        let topic = topic_of(&self.settings, kind).to_owned();
        let source =
            Source::newest(&rows, kind)?.ok_or_else(|| MustStop::NoSource { topic, kind: kind.as_str() })?;
        if source.is_closed() {
            let (number, topic) = (source.number, source.identity.topic);
            return Err(MustStop::SourceClosed { number, topic, kind: kind.as_str() });
        }
        self.check(&source).await?;
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(source.number, source.clone());
        Ok(source)
    }

    /// Checks that the topics of these sources, which were opened through this guard before, are still the same.
    ///
    /// # Errors
    /// If one is not.
    pub async fn check_known(&self, numbers: impl IntoIterator<Item = u16>) -> Result<(), MustStop> {
        for number in numbers {
            let source = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&number).cloned();
            if let Some(source) = source {
                self.check(&source).await?;
            }
        }
        Ok(())
    }

    /// Looks at the topics that this worker reads, also while they are idle, until the end is asked for.
    ///
    /// # Errors
    /// If a topic is another one, or its source was closed.
    pub async fn run(self, progress: Progress, shutdown: Shutdown) -> Result<(), MustStop> {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = shutdown.triggered() => return Ok(()),
                _ = ticks.tick() => {}
            }
            for kind in Kind::ALL {
                if progress.points().keys().any(|partition| partition.kind == kind) {
                    match self.open_source(kind).await {
                        Err(MustStop::Stopped(_)) => return Ok(()),
                        checked => drop(checked?),
                    }
                }
            }
        }
    }

    async fn check(&self, source: &Source) -> Result<(), MustStop> {
        let found = self.identify(topic_of(&self.settings, source.kind)).await?;
        match difference(&source.identity, found.as_ref()) {
            None => Ok(()),
            Some(difference) => Err(MustStop::OtherTopic {
                number: source.number,
                kind: source.kind.as_str(),
                recorded: source.identity.clone(),
                difference,
            }),
        }
    }

    /// Who the topic is now. A broker that has just started may not have heard of it yet: so it counts as missing only
    /// when it was missing several times.
    async fn identify(&self, topic: &str) -> Result<Option<Identity>, Stopped> {
        let mut found = None;
        for attempt in 0..MISSING_LOOKS {
            if attempt > 0 {
                tokio::time::sleep(MISSING_PAUSE).await;
            }
            found = self
                .patience
                .until_done("ask who the topic is", || {
                    let topic = topic.to_owned();
                    self.cluster.ask(move |cluster| identify(cluster, &topic))
                })
                .await?;
            if found.is_some() {
                break;
            }
        }
        Ok(found)
    }
}

/// What tells the topic that is there from the one that was recorded.
fn difference(recorded: &Identity, found: Option<&Identity>) -> Option<String> {
    let Some(found) = found else { return Some("the topic does not exist any more".to_owned()) };
    let differ = |what: &str, recorded: &dyn Display, found: &dyn Display| {
        Some(format!("{what} was {recorded} and is {found}"))
    };
    if recorded.topic != found.topic {
        differ("its name", &recorded.topic, &found.topic)
    } else if recorded.cluster_id != found.cluster_id {
        differ("the cluster's id", &recorded.cluster_id, &found.cluster_id)
    } else if recorded.topic_id != found.topic_id {
        differ("the topic's id", &recorded.topic_id, &found.topic_id)
    } else if recorded.partitions != found.partitions {
        differ("the number of partitions", &recorded.partitions, &found.partitions)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_topic_under_the_same_name_is_noticed() {
        let recorded =
            Identity { cluster_id: "c".into(), topic: "calls".into(), topic_id: "i".into(), partitions: 1 };
        assert_eq!(difference(&recorded, Some(&recorded)), None);
        let other = |change: fn(&mut Identity)| {
            let mut other = recorded.clone();
            change(&mut other);
            difference(&recorded, Some(&other)).unwrap()
        };
        assert_eq!(other(|found| found.topic_id = "j".into()), "the topic's id was i and is j");
        assert_eq!(other(|found| found.cluster_id = "d".into()), "the cluster's id was c and is d");
        assert_eq!(other(|found| found.partitions = 2), "the number of partitions was 1 and is 2");
        assert!(difference(&recorded, None).unwrap().contains("does not exist"));
    }
}
