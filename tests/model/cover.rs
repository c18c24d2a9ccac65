//! What rollup rows can say about an interval at a position, and what is left to ask below. Readers and the rollup
//! worker share it: a day is to the worker what a period is to a reader.

use crate::engine::{Cells, Row, Touch, Touches, add};
use crate::question::AsOf;
use crate::rules::Protocol;
use crate::time::{BucketId, Level, Slots, bucket, buckets, each, holds};
use proto::Position;
use warehouse::calendar::Interval;
use warehouse::row_is_usable;

/// The versions of one organisation's rows of a level that one statement saw.
pub type Snapshot = Vec<Row>;

/// Which comparisons are made; all of them by the rules.
#[derive(Clone, Copy)]
pub struct Checks {
    /// The row was not cut later.
    pub cut: bool,
    /// Its interval was not touched since.
    pub touches: bool,
    /// Its generation is not below the floor.
    pub floor: bool,
}

/// What one look at the tables saw.
pub struct Sight<'a> {
    /// The position that everything is cut at.
    pub at: Position,
    /// The lowest generation whose rows may be used.
    pub floor: u32,
    /// The touches of the organisation.
    pub touches: &'a Touches,
    /// Its rows, by level.
    pub rows: &'a [Snapshot; 3],
    /// How rows are judged.
    pub checks: Checks,
    /// The protocol.
    pub protocol: &'a Protocol,
}

/// What rows say about an interval.
#[derive(Clone, Debug, Default)]
pub struct Cover {
    /// The sum of the rows used.
    pub cells: Cells,
    /// The slots that no row covers; only the ledger can tell.
    pub left: Slots,
    /// The rows used.
    pub used: Vec<(Level, Row)>,
}

impl<'a> Sight<'a> {
    /// What a reader sees.
    pub fn of_reader(
        as_of: AsOf,
        touches: &'a Touches,
        rows: &'a [Snapshot; 3],
        protocol: &'a Protocol,
    ) -> Self {
        let rules = &protocol.rules;
        let checks = Checks {
            cut: rules.readers_refuse_rows_cut_later,
            touches: rules.readers_refuse_rows_touched_since,
            floor: rules.readers_refuse_rows_below_the_floor,
        };
        Self { at: as_of.at, floor: as_of.floor, touches, rows, checks, protocol }
    }

    /// The slots that hold anything at this position. Touches are written before the batch row that moves the frontier:
    /// what was not touched up to a position at or before it is empty there.
    pub fn touched(&self, slots: Slots) -> Slots {
        if self.protocol.freedoms.untouched_intervals_are_asked_too {
            return slots;
        }
        let is_touched = |slot: &usize| self.touches[*slot].is_some_and(|touch| touch.first <= self.at);
        each(slots).filter(is_touched).map(|slot| 1 << slot).sum()
    }

    /// The row of a bucket, if it may be used.
    pub fn usable_row(&self, level: Level, id: BucketId) -> Option<&Row> {
        let exact = self.protocol.rules.rows_stand_for_their_exact_interval;
        let begins = bucket(id).interval.starts_at;
        let is_of_bucket =
            |row: &&Row| row.bucket == id || !exact && bucket(row.bucket).interval.starts_at == begins;
        let is_early = |row: &&Row| row.through <= self.at || !self.protocol.freedoms.older_versions_are_used;
        let rows = self.rows[level as usize].iter();
        let newest =
            rows.filter(is_of_bucket).filter(is_early).max_by_key(|row| row.version(self.protocol))?;
        self.is_usable(newest, bucket(id).slots).then_some(newest)
    }

    fn is_usable(&self, row: &Row, slots: Slots) -> bool {
        let last_touch =
            each(slots).filter_map(|slot| self.touches[slot].map(|Touch { last, .. }| last)).max();
        let at = if self.checks.cut { self.at } else { self.at.max(row.through) };
        let last_touch = last_touch.filter(|_| self.checks.touches);
        row_is_usable(row.through, last_touch, at) && (row.generation >= self.floor || !self.checks.floor)
    }

    /// Covers an interval with rows of some levels in a zone, from coarse to fine.
    pub fn cover(&self, interval: Interval, slots: Slots, zone: usize, levels: &[Level]) -> Cover {
        let mut cover = Cover { left: self.touched(slots), ..Cover::default() };
        for level in levels.iter().rev() {
            for id in buckets(*level, zone) {
                let bucket = bucket(*id);
                if bucket.slots & cover.left == 0 || !holds(interval, bucket.interval) {
                    continue;
                }
                if let Some(row) = self.usable_row(*level, *id) {
                    add(&mut cover.cells, &row.cells);
                    cover.left &= !bucket.slots;
                    cover.used.push((*level, *row));
                }
            }
        }
        cover
    }
}
