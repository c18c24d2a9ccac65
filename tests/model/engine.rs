//! The tables, as ClickHouse keeps them: a statement sees one snapshot of each table it reads, an insert of several
//! blocks may be seen half done, and merges happen at any time.

use crate::dice::Dice;
use crate::kafka::{ORGS, position};
use crate::rules::Protocol;
use crate::time::{BucketId, Level, SLOTS};
use proto::Position;
use warehouse::BatchRow;

/// Members of an organisation.
pub const MEMBERS: usize = 2;

/// A row of `ai_calls` of one organisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerRow {
    /// When the call happened.
    pub slot: u8,
    /// Which call.
    pub event: u16,
    /// The message.
    pub position: Position,
    /// Who made it.
    pub member: u8,
    /// What it cost.
    pub credits: u32,
    /// The order of inserts.
    pub written: u32,
}

impl LedgerRow {
    fn key(&self) -> (u8, u16, Position) {
        (self.slot, self.event, self.position)
    }

    /// The call's identity within its organisation.
    pub fn identity(&self) -> (u8, u16) {
        (self.slot, self.event)
    }
}

/// Calls and credits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// Number of calls.
    pub calls: u32,
    /// Their credits.
    pub credits: u32,
}

/// What a bucket or an answer holds, by member.
pub type Cells = [Cell; MEMBERS];

/// Adds cells to cells.
pub fn add(sum: &mut Cells, cells: &Cells) {
    for (sum, cell) in sum.iter_mut().zip(cells) {
        sum.calls += cell.calls;
        sum.credits += cell.credits;
    }
}

/// A row of `touches`.
#[derive(Clone, Copy, Debug)]
pub struct Touch {
    /// Lowest position that wrote there.
    pub first: Position,
    /// Highest position that wrote there.
    pub last: Position,
}

/// The touches of an organisation, by slot.
pub type Touches = [Option<Touch>; SLOTS];

/// A rollup row.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its interval.
    pub bucket: BucketId,
    /// The generation it was written in.
    pub generation: u32,
    /// The position it was cut at.
    pub through: Position,
    /// What it holds.
    pub cells: Cells,
}

impl Row {
    /// What decides between versions of a row.
    pub fn version(&self, protocol: &Protocol) -> (u64, u64) {
        let (generation, through) = (u64::from(self.generation), self.through.as_u64());
        if protocol.freedoms.highest_cut_wins_over_generation {
            (through, generation)
        } else {
            (generation, through)
        }
    }
}

/// The table `sources`.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The newest source that was opened.
    pub newest: usize,
    /// Where the first source ended, by partition, once it was closed.
    pub ends: Vec<Position>,
}

/// All tables.
#[derive(Clone)]
pub struct Engine {
    /// `ai_calls` by organisation, each in key order; copies of a row stay until they are merged.
    pub ledger: [Vec<LedgerRow>; ORGS.len()],
    /// `touches` by organisation.
    pub touches: [Touches; ORGS.len()],
    /// `batches`.
    pub batches: Vec<BatchRow>,
    /// `sources`.
    pub sources: Sources,
    /// The rollup tables, by level and organisation, in the order of inserts.
    pub rollups: [[Vec<Row>; ORGS.len()]; 3],
    /// The generation that rows are written in.
    pub generation: u32,
    /// The lowest generation whose rows may be used.
    pub floor: u32,
    writes: u32,
}

impl Engine {
    /// Empty tables.
    pub fn new() -> Self {
        Self {
            ledger: Default::default(),
            touches: [[None; SLOTS]; ORGS.len()],
            batches: Vec::new(),
            sources: Sources::default(),
            rollups: Default::default(),
            generation: 0,
            floor: 0,
            writes: 0,
        }
    }

    /// Inserts a row into the ledger.
    pub fn insert_call(&mut self, org: usize, mut row: LedgerRow) {
        self.writes += 1;
        row.written = self.writes;
        let ledger = &mut self.ledger[org];
        let at = ledger.partition_point(|known| known.key() <= row.key());
        ledger.insert(at, row);
    }

    /// Inserts a touch.
    pub fn insert_touch(&mut self, org: usize, slot: usize, touch: Touch, protocol: &Protocol) {
        let known = &mut self.touches[org][slot];
        *known = Some(match *known {
            Some(known) if protocol.rules.touches_merge_to_extremes => {
                Touch { first: known.first.min(touch.first), last: known.last.max(touch.last) }
            }
            _ => touch,
        });
    }

    /// The batch rows of one partition of one source.
    pub fn batches_of(&self, source: usize, partition: usize) -> impl Iterator<Item = &BatchRow> {
        self.batches.iter().filter(move |row| {
            usize::from(row.partition) == partition
                && Position::from_u64(row.from_position).source() == source as u16 + 1
        })
    }

    /// The frontier of a partition of a source, as far as it is known to be at least `from`.
    pub fn frontier(
        &self,
        source: usize,
        partition: usize,
        from: Option<Position>,
        protocol: &Protocol,
    ) -> Position {
        let rules = &protocol.rules;
        let start = from.unwrap_or(position(source, 0));
        let of_partition = |row: &&BatchRow| {
            let is_of_source = row.interval().0.source() == source as u16 + 1;
            is_of_source && (usize::from(row.partition) == partition || !rules.frontier_is_of_one_partition)
        };
        let intervals = self.batches.iter().filter(of_partition).map(BatchRow::interval);
        if rules.frontier_is_gap_free {
            warehouse::frontier(start, intervals)
        } else {
            intervals.map(|(_, to)| to).fold(start, Position::max)
        }
    }

    /// Merges parts of some table, or does not.
    pub fn merge(&mut self, dice: &mut Dice, protocol: &Protocol) {
        let org = dice.below(ORGS.len());
        if dice.percent(30) {
            self.merge_ledger(org, protocol);
        } else {
            let level = dice.one_of(&Level::ALL);
            self.merge_rollup(level, org, protocol);
        }
    }

    /// Rows of the same key become the one that was inserted last.
    fn merge_ledger(&mut self, org: usize, protocol: &Protocol) {
        let is_same = |a: &LedgerRow, b: &LedgerRow| match protocol.rules.ledger_key_holds_the_position {
            true => a.key() == b.key(),
            false => a.identity() == b.identity(),
        };
        self.ledger[org].dedup_by(|next, kept| {
            let merges = is_same(next, kept);
            if merges && next.written > kept.written {
                *kept = *next;
            }
            merges
        });
    }

    /// Of the versions of a row the highest stays, of equal ones the last.
    fn merge_rollup(&mut self, level: Level, org: usize, protocol: &Protocol) {
        let rows = &mut self.rollups[level as usize][org];
        let mut merged: Vec<Row> = Vec::with_capacity(rows.len());
        for row in rows.iter() {
            match merged.iter_mut().find(|kept| kept.bucket == row.bucket) {
                Some(kept) if row.version(protocol) >= kept.version(protocol) => *kept = *row,
                Some(_) => {}
                None => merged.push(*row),
            }
        }
        *rows = merged;
    }
}
