//! How far the ledger goes in each partition: the position at which everything is computed.

use crate::queries::{self, BatchInterval};
use proto::Position;
use warehouse::{Warehouse, WarehouseError, frontier};

/// How far the ledger goes without a gap, in the partitions of the newest source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frontiers {
    /// The newest source of calls.
    pub source: u16,
    /// The generation in which rows are to be written.
    pub generation: u32,
    /// One frontier a partition, by its number.
    pub partitions: Vec<Frontier>,
}

/// How far the ledger goes in one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frontier {
    /// Everything up to here is in the ledger, and in the touches.
    pub at: Position,
    /// Highest append time up to here, in Unix milliseconds: what has ended before it has passed.
    pub appended_at_ms: i64,
}

/// Reads the frontiers, each time only what is new.
#[derive(Debug, Default)]
pub struct FrontierReader {
    known: Option<Frontiers>,
}

impl FrontierReader {
    /// The frontiers now; `None` while no source of calls is recorded.
    ///
    /// # Errors
    /// ClickHouse's.
    pub async fn read(&mut self, warehouse: &Warehouse) -> Result<Option<Frontiers>, WarehouseError> {
        let starts = queries::newest_source(warehouse).await?;
        let Some(start) = Frontiers::at_start(&starts) else { return Ok(None) };
        let mut frontiers = match self.known.take() {
            Some(known) if known.is_of(&start) => Frontiers { generation: start.generation, ..known },
            _ => start,
        };
        let positions: Vec<u64> = frontiers.partitions.iter().map(|frontier| frontier.at.as_u64()).collect();
        for (partition, intervals) in queries::batches_from(warehouse, &positions).await? {
            if let Some(frontier) = frontiers.partitions.get_mut(usize::from(partition)) {
                frontier.advance(&intervals);
            }
        }
        self.known = Some(frontiers.clone());
        Ok(Some(frontiers))
    }
}

impl Frontiers {
    /// The frontiers of a source of which nothing is read yet. `None` unless each of its partitions is recorded.
    fn at_start(rows: &[queries::SourceStart]) -> Option<Self> {
        let first = rows.first()?;
        let mut partitions = vec![None; usize::from(first.partitions)];
        for row in rows {
            let frontier = Frontier { at: Position::from_u64(row.start_position), appended_at_ms: 0 };
            *partitions.get_mut(usize::from(row.partition))? = Some(frontier);
        }
        let partitions = partitions.into_iter().collect::<Option<Vec<_>>>()?;
        Some(Self { source: first.source, generation: first.generation, partitions })
    }

    /// Whether these are of the same source and generation. A new generation may follow a restore, after which the
    /// frontier can lie further back.
    fn is_of(&self, start: &Self) -> bool {
        (self.source, self.generation, self.partitions.len())
            == (start.source, start.generation, start.partitions.len())
    }

    /// Number of partitions.
    pub fn count(&self) -> u32 {
        self.partitions.len() as u32
    }
}

impl Frontier {
    fn advance(&mut self, intervals: &[BatchInterval]) {
        let position = Position::from_u64;
        let ends = intervals
            .iter()
            .map(|interval| (position(interval.from_position), position(interval.to_position)));
        self.at = frontier(self.at, ends);
        let covered = intervals.iter().filter(|interval| position(interval.to_position) <= self.at);
        let newest = covered.map(|interval| interval.appended_at_ms).max();
        self.appended_at_ms = self.appended_at_ms.max(newest.unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(from_position: u64, to_position: u64, appended_at_ms: i64) -> BatchInterval {
        BatchInterval { from_position, to_position, appended_at_ms }
    }

    #[test]
    fn what_lies_behind_a_gap_neither_moves_the_frontier_nor_its_time() {
        let mut frontier = Frontier { at: Position::from_u64(10), appended_at_ms: 5 };
        frontier.advance(&[batch(30, 40, 99), batch(10, 20, 7)]);
        assert_eq!(frontier, Frontier { at: Position::from_u64(20), appended_at_ms: 7 });
        frontier.advance(&[batch(30, 40, 99), batch(20, 30, 6)]);
        assert_eq!(frontier, Frontier { at: Position::from_u64(40), appended_at_ms: 99 });
    }

    #[test]
    fn a_sign_of_life_moves_the_time_alone() {
        let mut frontier = Frontier { at: Position::from_u64(10), appended_at_ms: 5 };
        frontier.advance(&[batch(10, 10, 8)]);
        assert_eq!(frontier, Frontier { at: Position::from_u64(10), appended_at_ms: 8 });
    }

    #[test]
    fn a_source_counts_when_all_its_partitions_are_recorded() {
        let row = |partition| queries::SourceStart {
            source: 1,
            partition,
            partitions: 2,
            start_position: 1 << 48,
            generation: 0,
        };
        assert_eq!(Frontiers::at_start(&[]), None);
        assert_eq!(Frontiers::at_start(&[row(1)]), None);
        assert_eq!(Frontiers::at_start(&[row(1), row(0)]).map(|frontiers| frontiers.count()), Some(2));
    }
}
