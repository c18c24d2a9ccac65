//! Folds old rows of `batches` into one, so that finding the frontier stays cheap for ever.
//!
//! The folded row is inserted first and the rows it stands for are deleted after it, so that at every moment the same
//! positions are covered, with the same sums. A kill in between leaves both, which is as good.

use crate::metrics;
use crate::patience::{Patience, Stopped};
use crate::progress::Progress;
use crate::source::Source;
use crate::topic::{Kind, Partition};
use proto::Position;
use service::shutdown::Shutdown;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};
use warehouse::{BatchRow, Warehouse, chain};

/// Folds the partitions of this worker.
pub struct Folder {
    /// Where `batches` is.
    pub warehouse: Warehouse,
    /// Which partitions are ours. Two workers may fold the same one; it is only work done twice.
    pub progress: Progress,
    /// How often to look.
    pub every: Duration,
    /// Rows of a partition above which it is folded.
    pub rows_max: usize,
    /// Newest rows of a chain that are left alone: workers may be writing behind them.
    pub keep: usize,
    /// How it waits.
    pub patience: Patience,
    /// The wish to end.
    pub shutdown: Shutdown,
}

impl Folder {
    /// Looks until the end is asked for.
    pub async fn run(self) {
        let mut ticks = interval(self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = self.shutdown.triggered() => return,
                _ = ticks.tick() => if self.look().await.is_err() { return },
            }
        }
    }

    async fn look(&self) -> Result<(), Stopped> {
        let ours: Vec<Partition> = self.progress.points().into_keys().collect();
        if ours.is_empty() {
            return Ok(());
        }
        let rows = self.patience.until_done("read the sources", || self.warehouse.sources()).await?;
        for kind in Kind::ALL {
            let Ok(Some(source)) = Source::newest(&rows, kind) else { continue };
            let numbers: Vec<u16> = ours
                .iter()
                .filter(|partition| partition.kind == kind)
                .map(|partition| partition.number)
                .collect();
            let counts = self
                .patience
                .until_done("count batches", || self.warehouse.count_batches(source.number, &numbers))
                .await?;
            for (number, count) in counts {
                if count as usize > self.rows_max {
                    self.fold(&source, number).await?;
                }
            }
        }
        Ok(())
    }

    async fn fold(&self, source: &Source, number: u16) -> Result<(), Stopped> {
        let Some(extent) = source.extents.get(usize::from(number)) else { return Ok(()) };
        let numbers = [number];
        let rows = self
            .patience
            .until_done("read the batches", || self.warehouse.batches(source.number, &numbers))
            .await?;
        let Some(folded) = fold(extent.start, &rows, self.keep) else { return Ok(()) };
        self.patience
            .until_done("insert a folded batch row", || {
                self.warehouse.insert_rows(
                    "inserting a folded batch row",
                    "batches",
                    std::slice::from_ref(&folded),
                )
            })
            .await?;
        self.patience
            .until_done("delete folded batch rows", || self.warehouse.delete_batches_inside(&folded))
            .await?;
        let inside = rows.iter().filter(|row| row.to_position <= folded.to_position).count();
        metrics::folded(inside as u64);
        tracing::info!(
            "folded {inside} batch rows of {}/{number} up to {}",
            source.kind.as_str(),
            Position::from_u64(folded.to_position)
        );
        Ok(())
    }
}

/// One row that stands for all rows of a partition up to some position; `None` if there are not enough rows.
///
/// That position lies `keep` rows behind the end of the chain, and no row reaches across it: else a chain that leads
/// through such a row would lose what comes before it, and a worker that writes on that chain its connection.
pub fn fold(start: Position, rows: &[BatchRow], keep: usize) -> Option<BatchRow> {
    let chain = chain(start, rows);
    let mut by_start: Vec<(u64, u64)> = rows.iter().map(|row| (row.from_position, row.to_position)).collect();
    by_start.sort_unstable();
    // How far any row reaches that starts at or before each one.
    let reach: Vec<u64> = by_start
        .iter()
        .scan(0, |reach, (_, to)| {
            *reach = (*to).max(*reach);
            Some(*reach)
        })
        .collect();
    let is_crossed = |position: u64| {
        let starting_before = by_start.partition_point(|(from, _)| *from < position);
        starting_before.checked_sub(1).is_some_and(|last| reach[last] > position)
    };
    let foldable = chain.len().checked_sub(keep)?;
    let count = (2..=foldable).rev().find(|count| !is_crossed(chain[count - 1].to_position))?;
    let to_position = chain[count - 1].to_position;
    let sum = |of: fn(&BatchRow) -> u64| chain[..count].iter().map(of).sum();
    let inside = rows.iter().filter(|row| row.to_position <= to_position);
    Some(BatchRow {
        partition: chain[0].partition,
        from_position: start.as_u64(),
        to_position,
        ledger_rows: sum(|row| row.ledger_rows),
        dead_letters: sum(|row| row.dead_letters),
        rerouted: sum(|row| row.rerouted),
        empty_offsets: sum(|row| row.empty_offsets),
        lost: sum(|row| row.lost),
        appended_at: inside.map(|row| row.appended_at).max().unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use warehouse::{chain_end, frontier};

    fn row(from_position: u64, to_position: u64) -> BatchRow {
        BatchRow {
            partition: 3,
            from_position,
            to_position,
            ledger_rows: to_position - from_position,
            dead_letters: 0,
            rerouted: 0,
            empty_offsets: 0,
            lost: 0,
            appended_at: to_position as i64,
        }
    }

    fn folded(rows: &[(u64, u64)], keep: usize) -> Option<(u64, u64)> {
        let rows: Vec<BatchRow> = rows.iter().map(|(from, to)| row(*from, *to)).collect();
        fold(Position::from_u64(0), &rows, keep).map(|row| (row.from_position, row.to_position))
    }

    #[test]
    fn old_rows_become_one_and_the_newest_stay() {
        assert_eq!(folded(&[(0, 3), (3, 5), (5, 9), (9, 9), (9, 12)], 1), Some((0, 9)));
        assert_eq!(folded(&[(0, 3), (3, 5)], 1), None);
        assert_eq!(folded(&[], 0), None);
    }

    #[test]
    fn no_row_reaches_across_the_place_of_the_cut() {
        assert_eq!(folded(&[(0, 3), (3, 5), (4, 8), (5, 9), (9, 12)], 1), Some((0, 9)));
        assert_eq!(folded(&[(0, 3), (3, 5), (5, 9), (8, 10), (9, 12)], 1), Some((0, 5)));
    }

    #[test]
    fn folding_a_folded_partition_again_adds_what_came_since() {
        assert_eq!(folded(&[(0, 9), (9, 12), (12, 14), (14, 15)], 1), Some((0, 14)));
    }

    proptest! {
        /// What a reader, a starting worker and `verify` see is the same before the fold, between its two statements,
        /// and after it: frontier, end of the chain and sums.
        #[test]
        fn a_fold_changes_nothing_that_anybody_sees(
            lives in proptest::collection::vec(proptest::collection::vec(1u64..9, 1..8), 1..6),
            keep in 0usize..6,
        ) {
            let start = Position::from_u64(1000);
            let mut rows: Vec<BatchRow> = Vec::new();
            for (index, life) in lives.iter().enumerate() {
                let mut at = chain_end(start, &chain(start, &rows)).as_u64();
                // A worker that froze had written a little further than the next one began.
                if index % 2 == 1 {
                    rows.push(row(at, at + 4));
                }
                for length in life {
                    rows.push(row(at, at + length));
                    at += length;
                }
                rows.push(row(at, at));
            }
            let Some(folded) = fold(start, &rows, keep) else { return Ok(()) };
            prop_assert!(folded.adds_up());
            let between: Vec<BatchRow> = rows.iter().copied().chain([folded]).collect();
            let is_inside = |row: &BatchRow| {
                row.from_position >= folded.from_position && row.to_position <= folded.to_position
            };
            let after: Vec<BatchRow> =
                rows.iter().copied().filter(|row| !is_inside(row)).chain([folded]).collect();
            let seen = |rows: &[BatchRow]| {
                let chain = chain(start, rows);
                let sum: u64 = chain.iter().map(|row| row.ledger_rows).sum();
                let appended_at = rows.iter().map(|row| row.appended_at).max();
                let frontier = frontier(start, rows.iter().map(BatchRow::interval));
                (frontier, chain_end(start, &chain), sum, appended_at)
            };
            prop_assert_eq!(seen(&rows), seen(&between));
            prop_assert_eq!(seen(&rows), seen(&after));
        }
    }
}
