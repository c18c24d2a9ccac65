//! Whether a log is still the one that was read.
//!
//! A topic that came back from an older copy keeps its id, and once it has grown past the ledger its offsets fit. Nor
//! does the leader's epoch tell: the copy brings it back, too. But the message that now stands before the ledger's end was
//! appended after the copy was restored, and so after everything that was read.

use proto::Position;
use warehouse::{BatchRow, chain, chain_end};

/// What the ledger has of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadSoFar {
    /// The partition.
    pub partition: u16,
    /// The end of the chain of its batches.
    pub position: Position,
    /// Highest append time of a message up to there, in Unix milliseconds; `None` if none was read.
    pub until_ms: Option<i64>,
}

impl ReadSoFar {
    /// From the rows of `batches` of a source that starts at `start`; those of other partitions are passed over.
    pub fn of(partition: u16, start: Position, batches: &[BatchRow]) -> Self {
        let rows: Vec<BatchRow> = batches.iter().filter(|row| row.partition == partition).copied().collect();
        let chain = chain(start, &rows);
        let until_ms = chain.iter().map(|row| row.appended_at).max();
        Self { partition, position: chain_end(start, &chain), until_ms }
    }

    /// Whether a message that was appended at this time can be the one before the position.
    pub fn fits(&self, appended_at_ms: i64) -> bool {
        self.until_ms.is_none_or(|until_ms| appended_at_ms <= until_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(partition: u16, from: u64, to: u64, appended_at: i64) -> BatchRow {
        BatchRow {
            partition,
            from_position: from,
            to_position: to,
            ledger_rows: to - from,
            dead_letters: 0,
            rerouted: 0,
            empty_offsets: 0,
            lost: 0,
            appended_at,
        }
    }

    #[test]
    fn a_message_younger_than_all_that_was_read_is_of_another_log() {
        let rows = [row(0, 0, 5, 1_000), row(0, 5, 9, 900), row(0, 20, 30, 5_000), row(1, 0, 9, 7_000)];
        let read = ReadSoFar::of(0, Position::ZERO, &rows);
        assert_eq!(read.position.as_u64(), 9);
        assert!(read.fits(900) && read.fits(1_000));
        assert!(!read.fits(1_001));
    }

    #[test]
    fn where_nothing_was_read_anything_fits() {
        let read = ReadSoFar::of(3, Position::ZERO, &[row(0, 0, 5, 1_000)]);
        assert_eq!(read.position, Position::ZERO);
        assert!(read.fits(i64::MAX));
    }
}
