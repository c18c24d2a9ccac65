//! Where a partition that was just assigned begins: at the end of what the ledger has. Kafka's committed offset is
//! ignored; it may be ahead of the ledger after a restore, and behind it after a kill.

use crate::cluster::{Cluster, LogBounds};
use crate::patience::{Patience, Stopped};
use crate::settings::KafkaSettings;
use crate::source::{BrokenSource, Identity, Source, identify, topic_of};
use crate::topic::{Kind, Partition};
use proto::Position;
use std::sync::mpsc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use warehouse::{Warehouse, chain, chain_end};

/// Partitions that wait for their start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Given back with the answer: an answer to an older assignment is ignored.
    pub epoch: u64,
    /// The partitions.
    pub partitions: Vec<Partition>,
}

/// Where a partition starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// Of the question.
    pub epoch: u64,
    /// The partition.
    pub partition: Partition,
    /// Number of partitions of its source.
    pub partitions: u16,
    /// Consumer position from which to read.
    pub position: Position,
}

/// Why ingest must not go on. A person decides; until then nothing is skipped.
#[derive(Debug, thiserror::Error)]
pub enum MustStop {
    /// Messages were deleted before they were read.
    #[error(
        "topic `{topic}`, partition {partition}: the ledger goes to offset {frontier}, but the log starts at \
         {log_start}: {} offsets were deleted before they were read. If they cannot be brought back, record the loss \
         with `ingest record-loss --topic {kind} --partition {partition} --through {} --yes-these-messages-are-gone`",
        log_start - frontier, log_start - 1
    )]
    LogStartsLate {
        /// The topic.
        topic: String,
        /// `calls` or `directory`.
        kind: &'static str,
        /// The partition.
        partition: u16,
        /// Next offset that the ledger needs.
        frontier: i64,
        /// Oldest offset that is still there.
        log_start: i64,
    },
    /// The log was cut, or restored from an older copy.
    #[error(
        "topic `{topic}`, partition {partition}: the ledger goes to offset {frontier}, but the log ends at {log_end}: \
         the topic was cut or restored from an older copy, and what comes next would not be what was counted. Restore \
         the topic, or end its source with `ingest source close --topic {kind} --at-frontier \
         --yes-the-rest-is-gone` and begin a new one with `ingest source open --topic {kind}`"
    )]
    LogEndsEarly {
        /// The topic.
        topic: String,
        /// `calls` or `directory`.
        kind: &'static str,
        /// The partition.
        partition: u16,
        /// Next offset that the ledger needs.
        frontier: i64,
        /// Offset of the next message.
        log_end: i64,
    },
    /// Not the topic that was recorded.
    #[error(
        "topic `{}` is not the one that source {number} stands for: {difference}. Point ingest to the recorded topic, \
         or end the source with `ingest source close --topic {kind} --at-frontier --yes-the-rest-is-gone` and begin \
         a new one with `ingest source open --topic {kind}`",
        .recorded.topic
    )]
    OtherTopic {
        /// The recorded source's number.
        number: u16,
        /// `calls` or `directory`.
        kind: &'static str,
        /// Who it was.
        recorded: Identity,
        /// What differs.
        difference: String,
    },
    /// The source was closed and no other opened.
    #[error(
        "source {number} of topic `{topic}` is closed; begin the next one with `ingest source open --topic {kind}`"
    )]
    SourceClosed {
        /// Its number.
        number: u16,
        /// Its topic.
        topic: String,
        /// `calls` or `directory`.
        kind: &'static str,
    },
    /// Nothing says what the positions of this topic would mean.
    #[error("no source is open for topic `{topic}`; begin one with `ingest source open --topic {kind}`")]
    NoSource {
        /// The topic.
        topic: String,
        /// `calls` or `directory`.
        kind: &'static str,
    },
    /// The table `sources` is damaged.
    #[error(transparent)]
    Broken(#[from] BrokenSource),
    /// The end was asked for meanwhile.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// How often a topic must be missing before it is gone, and how long to wait in between.
const MISSING_LOOKS: u32 = 4;
const MISSING_PAUSE: Duration = Duration::from_secs(1);

/// Answers where partitions start.
pub struct Locator {
    settings: KafkaSettings,
    warehouse: Warehouse,
    cluster: Cluster,
    patience: Patience,
}

impl Locator {
    /// Asks this ledger and these brokers, and waits for both.
    pub fn new(settings: &KafkaSettings, warehouse: Warehouse, cluster: Cluster, patience: Patience) -> Self {
        Self { settings: settings.clone(), warehouse, cluster, patience }
    }

    /// Answers questions until nobody asks any more.
    ///
    /// # Errors
    /// When ingest must not go on.
    pub async fn run(
        self,
        mut questions: UnboundedReceiver<Wanted>,
        answers: mpsc::Sender<Start>,
    ) -> Result<(), MustStop> {
        while let Some(wanted) = questions.recv().await {
            let starts = match self.locate(&wanted).await {
                Err(MustStop::Stopped(_)) => return Ok(()),
                starts => starts?,
            };
            for start in starts {
                tracing::info!("{} starts at {}", start.partition, start.position);
                // Without a reader the consumer has ended, and with it the need for answers.
                let _ = answers.send(start);
            }
        }
        Ok(())
    }

    /// The starts of some partitions, checked against what the brokers have.
    async fn locate(&self, wanted: &Wanted) -> Result<Vec<Start>, MustStop> {
        let mut starts = Vec::with_capacity(wanted.partitions.len());
        for kind in Kind::ALL {
            let numbers: Vec<u16> = wanted
                .partitions
                .iter()
                .filter(|partition| partition.kind == kind)
                .map(|partition| partition.number)
                .collect();
            if numbers.is_empty() {
                continue;
            }
            let source = self.open_source(kind).await?;
            let chains = self.chain_ends(&source, &numbers).await?;
            for (number, position) in numbers.into_iter().zip(chains) {
                let topic = source.identity.topic.clone();
                let bounds = self
                    .patience
                    .until_done("ask for a partition's log bounds", || {
                        let topic = topic.clone();
                        self.cluster.ask(move |cluster| cluster.bounds(&topic, number))
                    })
                    .await?;
                starts.push(Start {
                    epoch: wanted.epoch,
                    partition: Partition { kind, number },
                    partitions: source.identity.partitions,
                    position: checked_start(&source, number, position, bounds)?,
                });
            }
        }
        Ok(starts)
    }

    /// The open source of a kind, whose topic is still the one that was recorded.
    ///
    /// # Errors
    /// If there is none, or the topic is another one.
    pub async fn open_source(&self, kind: Kind) -> Result<Source, MustStop> {
        let rows = self.patience.until_done("read the sources", || self.warehouse.sources()).await?;
        let topic = topic_of(&self.settings, kind).to_owned();
        let source = Source::newest(&rows, kind)?
            .ok_or_else(|| MustStop::NoSource { topic: topic.clone(), kind: kind.as_str() })?;
        if source.is_closed() {
            let (number, topic) = (source.number, source.identity.topic);
            return Err(MustStop::SourceClosed { number, topic, kind: kind.as_str() });
        }
        let found = self.identify(&topic).await?;
        match difference(&source.identity, found.as_ref()) {
            None => Ok(source),
            Some(difference) => Err(MustStop::OtherTopic {
                number: source.number,
                kind: kind.as_str(),
                recorded: source.identity,
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

    async fn chain_ends(&self, source: &Source, numbers: &[u16]) -> Result<Vec<Position>, MustStop> {
        let batches = self
            .patience
            .until_done("read the batches", || self.warehouse.batches(source.number, numbers))
            .await?;
        let end_of = |number: u16| {
            let start = source.extents.get(usize::from(number)).map_or(Position::ZERO, |extent| extent.start);
            let rows: Vec<_> = batches.iter().filter(|row| row.partition == number).copied().collect();
            chain_end(start, &chain(start, &rows))
        };
        Ok(numbers.iter().map(|number| end_of(*number)).collect())
    }
}

/// The position, if the log has what comes after it.
fn checked_start(
    source: &Source,
    partition: u16,
    position: Position,
    log: LogBounds,
) -> Result<Position, MustStop> {
    let (topic, kind) = (source.identity.topic.clone(), source.kind.as_str());
    let frontier = position.next_offset();
    if log.start > frontier {
        Err(MustStop::LogStartsLate { topic, kind, partition, frontier, log_start: log.start })
    } else if log.end < frontier {
        Err(MustStop::LogEndsEarly { topic, kind, partition, frontier, log_end: log.end })
    } else {
        Ok(position)
    }
}

/// What tells the topic that is there from the one that was recorded.
fn difference(recorded: &Identity, found: Option<&Identity>) -> Option<String> {
    let Some(found) = found else { return Some("the topic does not exist any more".to_owned()) };
    let differ = |what: &str, recorded: &dyn std::fmt::Display, found: &dyn std::fmt::Display| {
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

    fn source() -> Source {
        let identity =
            Identity { cluster_id: "c".into(), topic: "calls".into(), topic_id: "i".into(), partitions: 1 };
        Source::beginning(1, Kind::Calls, identity, &[0]).unwrap()
    }

    fn start_at(frontier: i64, start: i64, end: i64) -> Result<Position, MustStop> {
        checked_start(&source(), 0, Position::before(1, frontier).unwrap(), LogBounds { start, end })
    }

    #[test]
    fn a_partition_starts_where_the_ledger_ends() {
        assert_eq!(start_at(5, 0, 9).unwrap().next_offset(), 5);
        assert_eq!(start_at(5, 5, 5).unwrap().next_offset(), 5);
    }

    #[test]
    fn a_log_that_does_not_reach_the_ledger_stops_with_what_to_do() {
        let late = start_at(5, 9, 20).unwrap_err().to_string();
        assert!(late.contains("4 offsets were deleted"), "{late}");
        assert!(late.contains("ingest record-loss --topic calls --partition 0 --through 8 "), "{late}");
        let early = start_at(5, 0, 4).unwrap_err().to_string();
        assert!(early.contains("goes to offset 5, but the log ends at 4"), "{early}");
        assert!(early.contains("ingest source close --topic calls --at-frontier"), "{early}");
    }

    #[test]
    fn another_topic_under_the_same_name_is_noticed() {
        let recorded = source().identity;
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
