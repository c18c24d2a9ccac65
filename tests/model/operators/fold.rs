//! Folding: one batch row in the place of many old ones.

use crate::dice::Dice;
use crate::ingest::show;
use crate::world::{Turn, World};
use proto::Position;
use warehouse::BatchRow;

/// Folds old batch rows of a partition into one.
#[derive(Clone)]
pub struct Folder {
    folded: Option<BatchRow>,
    is_inserted: bool,
    is_deleted: bool,
}

impl Folder {
    /// Begins to look.
    pub fn start() -> Self {
        Self { folded: None, is_inserted: false, is_deleted: false }
    }

    /// The next statement.
    pub fn turn(&mut self, world: &mut World, dice: &mut Dice) -> Turn {
        let Some(folded) = self.folded else {
            self.folded = some_fold(world, dice);
            return if self.folded.is_some() { Turn::GoesOn } else { Turn::Ends };
        };
        let inserts = match world.protocol.rules.folded_row_before_deletion {
            true => !self.is_inserted,
            false => self.is_deleted,
        };
        if inserts {
            world.engine.batches.push(folded);
            self.is_inserted = true;
            world.tell(|| format!("inserts the folded row {}", show(&folded)));
        } else {
            let (from, to) = folded.interval();
            let is_inside = |row: &BatchRow| {
                let (start, end) = row.interval();
                row.partition == folded.partition && start >= from && end <= to && (start, end) != (from, to)
            };
            world.engine.batches.retain(|row| !is_inside(row));
            self.is_deleted = true;
            world.figures.folds += 1;
            world.tell(|| format!("deletes the rows inside {}", show(&folded)));
        }
        if self.is_inserted && self.is_deleted { Turn::Ends } else { Turn::GoesOn }
    }
}

/// A row that can stand for the oldest ones of some partition, as far as they have no gap.
fn some_fold(world: &World, dice: &mut Dice) -> Option<BatchRow> {
    let source = world.engine.sources.newest;
    let partition = dice.below(world.kafka.logs[source].len());
    let mut rows: Vec<&BatchRow> = world.engine.batches_of(source, partition).collect();
    rows.sort_unstable_by_key(|row| row.interval());
    let old = &rows[..rows.len().saturating_sub(dice.below(3))];
    let first = **old.first()?;
    let start = first.interval().0;
    let ends = old.iter().map(|row| row.interval());
    let to = if world.protocol.rules.folding_stops_at_a_gap {
        warehouse::frontier(start, ends)
    } else {
        ends.map(|(_, to)| to).fold(start, Position::max)
    };
    let appended_at =
        old.iter().filter(|row| row.interval().1 <= to).map(|row| row.appended_at).max().unwrap_or(0);
    let ledger_rows = to.as_u64() - start.as_u64();
    (ledger_rows > 0).then_some(BatchRow { to_position: to.as_u64(), ledger_rows, appended_at, ..first })
}
