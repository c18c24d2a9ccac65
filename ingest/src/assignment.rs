//! Where a partition that was just assigned begins: at the end of what the ledger has. Kafka's committed offset is
//! ignored; it may be ahead of the ledger after a restore, and behind it after a kill.

use crate::cluster::{Cluster, LogBounds};
use crate::guard::Guard;
use crate::must_stop::MustStop;
use crate::patience::Patience;
use crate::same_log::ReadSoFar;
use crate::source::Source;
use crate::topic::{Kind, Partition};
use proto::Position;
use std::sync::mpsc;
use tokio::sync::mpsc::UnboundedReceiver;
use warehouse::Warehouse;

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

/// Answers where partitions start.
pub struct Locator {
    /// Knows the sources.
    pub guard: Guard,
    /// The ledger.
    pub warehouse: Warehouse,
    /// The brokers.
    pub cluster: Cluster,
    /// How it waits.
    pub patience: Patience,
}

impl Locator {
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
            let source = self.guard.open_source(kind).await?;
            let read = self.read_so_far(&source, &numbers).await?;
            let mut before = Vec::new();
            for ReadSoFar { partition: number, position, .. } in &read {
                let number = *number;
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
                    position: checked_start(&source, number, *position, bounds)?,
                });
                if bounds.start < position.next_offset() {
                    before.push((number, position.next_offset() - 1));
                }
            }
            let topic = source.identity.topic.clone();
            let times = self
                .patience
                .until_done("read the messages before the starts", || {
                    let (topic, before) = (topic.clone(), before.clone());
                    self.cluster.ask(move |cluster| cluster.append_times(&topic, &before))
                })
                .await?;
            for so_far in &read {
                if let Some(appended_at_ms) = times.get(&so_far.partition) {
                    same_log(&source, so_far, *appended_at_ms)?;
                }
            }
        }
        Ok(starts)
    }

    async fn read_so_far(&self, source: &Source, numbers: &[u16]) -> Result<Vec<ReadSoFar>, MustStop> {
        let batches = self
            .patience
            .until_done("read the batches", || self.warehouse.batches(source.number, numbers))
            .await?;
        let start = |number: u16| {
            source.extents.get(usize::from(number)).map_or(Position::ZERO, |extent| extent.start)
        };
        Ok(numbers.iter().map(|number| ReadSoFar::of(*number, start(*number), &batches)).collect())
    }
}

/// Stops where the message before the start is not the one that the ledger has there.
fn same_log(source: &Source, read: &ReadSoFar, appended_at_ms: i64) -> Result<(), MustStop> {
    if read.fits(appended_at_ms) {
        return Ok(());
    }
    Err(MustStop::LogDiverges {
        topic: source.identity.topic.clone(),
        kind: source.kind.as_str(),
        partition: read.partition,
        frontier: read.position.next_offset(),
        read_until_ms: read.until_ms.unwrap_or(0),
        appended_at_ms,
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Identity;

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
    fn a_log_that_is_another_one_stops_with_what_to_do() {
        let read =
            ReadSoFar { partition: 0, position: Position::before(1, 5).unwrap(), until_ms: Some(1_000) };
        assert!(same_log(&source(), &read, 1_000).is_ok());
        let words = same_log(&source(), &read, 1_001).unwrap_err().to_string();
        assert!(words.contains("goes to offset 5"), "{words}");
        assert!(words.contains("appended at 1970-01-01T00:00:01.001Z"), "{words}");
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
}
