//! Sources: which topic of which cluster a position's upper bits stand for.

use crate::cluster::{Cluster, LogBounds};
use crate::settings::KafkaSettings;
use crate::topic::Kind;
use proto::{Position, PositionError};
use rdkafka::error::KafkaResult;
use warehouse::SourceRow;

/// One topic of one cluster, as it was recorded when it was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The upper 16 bits of its positions.
    pub number: u16,
    /// What travels on it.
    pub kind: Kind,
    /// Who it is.
    pub identity: Identity,
    /// Start and, once it is closed, end of each partition.
    pub extents: Vec<Extent>,
}

/// What tells a topic from every other one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Of the Kafka cluster.
    pub cluster_id: String,
    /// The topic's name.
    pub topic: String,
    /// The topic's id.
    pub topic_id: String,
    /// Number of partitions.
    pub partitions: u16,
}

/// What a source covers of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Consumer position before its first message.
    pub start: Position,
    /// Consumer position after its last message; `None` while the source is open.
    pub end: Option<Position>,
}

/// A recorded source that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("source {0} in the table `sources` is incomplete: every partition must have exactly one row")]
pub struct BrokenSource(pub u16);

impl Source {
    /// The newest source of a kind among the rows of `sources`.
    ///
    /// # Errors
    /// If rows of it are missing.
    pub fn newest(rows: &[SourceRow], kind: Kind) -> Result<Option<Self>, BrokenSource> {
        let of_kind = || rows.iter().filter(|row| row.kind == kind.as_str());
        let Some(number) = of_kind().map(|row| row.source).max() else { return Ok(None) };
        let mut rows: Vec<&SourceRow> = of_kind().filter(|row| row.source == number).collect();
        rows.sort_unstable_by_key(|row| row.partition);
        let first = rows.first().ok_or(BrokenSource(number))?;
        let is_complete = rows.len() == usize::from(first.partitions)
            && rows.iter().enumerate().all(|(index, row)| usize::from(row.partition) == index);
        if !is_complete {
            return Err(BrokenSource(number));
        }
        let extents = rows.iter().map(|row| Extent {
            start: Position::from_u64(row.start_position),
            end: (row.end_position != 0).then_some(Position::from_u64(row.end_position)),
        });
        Ok(Some(Self {
            number,
            kind,
            identity: Identity {
                cluster_id: first.cluster_id.clone(),
                topic: first.topic.clone(),
                topic_id: first.topic_id.clone(),
                partitions: first.partitions,
            },
            extents: extents.collect(),
        }))
    }

    /// A source that begins with what the topic's log holds now.
    ///
    /// # Errors
    /// If an offset fits into no position.
    pub fn beginning(
        number: u16,
        kind: Kind,
        identity: Identity,
        starts: &[i64],
    ) -> Result<Self, PositionError> {
        let extents = starts
            .iter()
            .map(|start| Ok(Extent { start: Position::before(number, *start)?, end: None }))
            .collect::<Result<_, _>>()?;
        Ok(Self { number, kind, identity, extents })
    }

    /// Whether every partition has its end recorded.
    pub fn is_closed(&self) -> bool {
        self.extents.iter().all(|extent| extent.end.is_some())
    }

    /// Its rows in `sources`.
    pub fn rows(&self) -> Vec<SourceRow> {
        (0..)
            .zip(&self.extents)
            .map(|(partition, extent)| SourceRow {
                source: self.number,
                partition,
                kind: self.kind.as_str().to_owned(),
                cluster_id: self.identity.cluster_id.clone(),
                topic: self.identity.topic.clone(),
                topic_id: self.identity.topic_id.clone(),
                partitions: self.identity.partitions,
                start_position: extent.start.as_u64(),
                end_position: extent.end.map_or(0, Position::as_u64),
            })
            .collect()
    }
}

/// The number of the next source, over all kinds, so that a position tells its source alone. `None` when all 65,535 are
/// used up.
pub fn next_number(rows: &[SourceRow]) -> Option<u16> {
    rows.iter().map(|row| row.source).max().map_or(Some(1), |highest| highest.checked_add(1))
}

/// The topic of a kind.
pub fn topic_of(settings: &KafkaSettings, kind: Kind) -> &str {
    match kind {
        Kind::Calls => &settings.calls_topic,
        Kind::Directory => &settings.directory_topic,
    }
}

/// Who a topic is now; `None` if there is none of this name. Blocks.
///
/// # Errors
/// If no broker answers in time.
pub fn identify(cluster: &Cluster, topic: &str) -> KafkaResult<Option<Identity>> {
    let Some(description) = cluster.describe(topic)? else { return Ok(None) };
    Ok(Some(Identity {
        cluster_id: cluster.cluster_id()?,
        topic: topic.to_owned(),
        topic_id: description.id,
        partitions: u16::try_from(description.partitions).unwrap_or(u16::MAX),
    }))
}

/// Log bounds of all partitions of a topic. Blocks.
///
/// # Errors
/// If a leader does not answer in time.
pub fn all_bounds(cluster: &Cluster, identity: &Identity) -> KafkaResult<Vec<LogBounds>> {
    (0..identity.partitions).map(|partition| cluster.bounds(&identity.topic, partition)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity { cluster_id: "c".into(), topic: "t".into(), topic_id: "i".into(), partitions: 2 }
    }

    fn source(number: u16, kind: Kind) -> Source {
        Source::beginning(number, kind, identity(), &[0, 7]).unwrap()
    }

    #[test]
    fn a_source_comes_back_from_its_rows() {
        let calls = source(1, Kind::Calls);
        let rows: Vec<SourceRow> = [calls.rows(), source(2, Kind::Directory).rows()].concat();
        assert_eq!(Source::newest(&rows, Kind::Calls), Ok(Some(calls)));
        assert_eq!(Source::newest(&[], Kind::Calls), Ok(None));
        assert_eq!(next_number(&rows), Some(3));
        assert_eq!(next_number(&[]), Some(1));
        assert_eq!(next_number(&source(u16::MAX, Kind::Calls).rows()), None);
    }

    #[test]
    fn the_newest_source_of_a_kind_counts() {
        let rows = [source(1, Kind::Calls).rows(), source(3, Kind::Calls).rows()].concat();
        assert_eq!(Source::newest(&rows, Kind::Calls).unwrap().unwrap().number, 3);
    }

    #[test]
    fn a_source_with_a_missing_partition_is_refused() {
        let rows = source(1, Kind::Calls).rows();
        assert_eq!(Source::newest(&rows[..1], Kind::Calls), Err(BrokenSource(1)));
        assert_eq!(Source::newest(&rows[1..], Kind::Calls), Err(BrokenSource(1)));
    }

    #[test]
    fn a_source_is_closed_when_every_partition_is() {
        let mut calls = source(1, Kind::Calls);
        assert!(!calls.is_closed());
        calls.extents[0].end = Some(calls.extents[0].start);
        // The end of an empty partition that starts at 0 differs from "open", because positions carry the source.
        assert!(!Source::newest(&calls.rows(), Kind::Calls).unwrap().unwrap().is_closed());
        calls.extents[1].end = Some(calls.extents[1].start);
        assert!(Source::newest(&calls.rows(), Kind::Calls).unwrap().unwrap().is_closed());
    }
}
