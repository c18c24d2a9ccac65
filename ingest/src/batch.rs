//! The batch that fills while the one before is written.

use crate::classify::Refusal;
use crate::forward::Forward;
use crate::topic::Partition;
use proto::{CallView, DirectoryChange, Position};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use warehouse::{BatchRow, LedgerBlock, MemberRow, OrganisationRow};

/// What one batch covers of one partition: everything of `(from, to]`, with how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Of which partition.
    pub partition: Partition,
    /// Consumer position before its first message.
    pub from: Position,
    /// Consumer position after its last message.
    pub to: Position,
    /// Messages that became rows.
    pub rows: u64,
    /// Messages for the dead-letter topic.
    pub dead_letters: u64,
    /// Messages for another partition.
    pub rerouted: u64,
    /// Offsets without a message.
    pub empty_offsets: u64,
    /// Highest append time, in Unix milliseconds; 0 if there was no message.
    pub appended_at_ms: i64,
}

impl Run {
    /// Nothing yet, from a position on.
    pub fn starting_at(partition: Partition, from: Position) -> Self {
        Self {
            partition,
            from,
            to: from,
            rows: 0,
            dead_letters: 0,
            rerouted: 0,
            empty_offsets: 0,
            appended_at_ms: 0,
        }
    }

    /// Whether it covers nothing.
    pub fn is_empty(&self) -> bool {
        self.from == self.to
    }

    /// Messages in it.
    pub fn messages(&self) -> u64 {
        self.rows + self.dead_letters + self.rerouted
    }

    /// Its row in `batches`.
    pub fn row(&self) -> BatchRow {
        BatchRow {
            partition: self.partition.number,
            from_position: self.from.as_u64(),
            to_position: self.to.as_u64(),
            ledger_rows: self.rows,
            dead_letters: self.dead_letters,
            rerouted: self.rerouted,
            empty_offsets: self.empty_offsets,
            lost: 0,
            appended_at: self.appended_at_ms,
        }
    }
}

/// Why a batch was closed; a metric's label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// Enough rows.
    Rows,
    /// Enough bytes to send on.
    Bytes,
    /// Calls of as many months as one insert may hold.
    Months,
    /// Its first message has waited long enough.
    Age,
    /// The process ends.
    Shutdown,
}

impl Trigger {
    /// The label's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Bytes => "bytes",
            Self::Months => "months",
            Self::Age => "age",
            Self::Shutdown => "shutdown",
        }
    }
}

/// Months in one insert. A month is a partition of the table, and the engine refuses an insert into more than 100
/// (`max_partitions_per_insert_block`). Only a topic that is read again from years ago comes near it.
const MONTHS_MAX: usize = 90;

/// When a batch is full or due.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Rows.
    pub rows_max: usize,
    /// Bytes of messages to send on.
    pub forward_bytes_max: usize,
    /// Age of the first message, when all that Kafka had was read.
    pub age_max: Duration,
    /// Age of the first message, when there is more to read.
    pub age_max_behind: Duration,
}

/// The contents of a batch, over all partitions.
#[derive(Default)]
pub struct Batch {
    /// Calls for the ledger, with their touches.
    pub ledger: LedgerBlock,
    /// Organisations that appeared or changed.
    pub organisations: Vec<OrganisationRow>,
    /// Members that appeared or changed.
    pub members: Vec<MemberRow>,
    /// Dead letters and rerouted messages.
    pub forwards: Vec<Forward>,
    /// Dead letters by code.
    pub refusals: BTreeMap<&'static str, u64>,
    /// What of each partition it covers. A partition that was taken away and came back has two.
    pub runs: Vec<Run>,
    forward_bytes: usize,
    opened: Option<Instant>,
    is_caught_up: bool,
}

impl Batch {
    /// A call becomes a row.
    pub fn add_call(&mut self, call: &CallView<'_>, position: Position, partition: u16, appended_at_ms: i64) {
        self.ledger.push(call, position, partition, appended_at_ms);
    }

    /// A directory change becomes a row.
    pub fn add_directory_change(&mut self, change: DirectoryChange, position: Position) {
        let position = position.as_u64();
        match change {
            DirectoryChange::Organisation(state) => self.organisations.push(OrganisationRow {
                org_id: state.org_id.to_string(),
                position,
                short_name: state.short_name,
                display_name: state.display_name,
                time_zone: state.time_zone.name().to_owned(),
            }),
            DirectoryChange::Member(state) => self.members.push(MemberRow {
                org_id: state.org_id.to_string(),
                member_id: state.member_id.to_string(),
                position,
                name: state.name,
                email: state.email,
                removed: state.removed,
            }),
        }
    }

    /// A message goes to another topic or partition.
    pub fn add_forward(&mut self, forward: Forward) {
        self.forward_bytes += forward.memory_bytes();
        self.forwards.push(forward);
    }

    /// Counts a dead letter.
    pub fn count_refusal(&mut self, refusal: &Refusal) {
        *self.refusals.entry(refusal.code()).or_default() += 1;
    }

    /// Notes when the first message came.
    pub fn open(&mut self, now: Instant) {
        self.opened.get_or_insert(now);
    }

    /// Notes that there was nothing more to read for a moment.
    pub fn caught_up(&mut self) {
        self.is_caught_up = true;
    }

    /// Whether there is something to write.
    pub fn is_open(&self) -> bool {
        self.opened.is_some()
    }

    /// Age of the first message.
    pub fn age(&self, now: Instant) -> Duration {
        self.opened.map_or(Duration::ZERO, |opened| now.saturating_duration_since(opened))
    }

    /// Whether it must not grow any more, and why.
    pub fn is_full(&self, limits: &Limits) -> Option<Trigger> {
        let rows = self.ledger.rows() + self.organisations.len() + self.members.len();
        if rows >= limits.rows_max {
            Some(Trigger::Rows)
        } else if self.forward_bytes >= limits.forward_bytes_max {
            Some(Trigger::Bytes)
        } else if self.ledger.months() >= MONTHS_MAX {
            Some(Trigger::Months)
        } else {
            None
        }
    }

    /// Whether it should be written, and why. While there is a backlog, what is read is not fresh anyway, and large
    /// batches cost the engine half as much as small ones: so a batch waits longer then.
    pub fn is_due(&self, limits: &Limits, now: Instant) -> Option<Trigger> {
        let age_max = if self.is_caught_up { limits.age_max } else { limits.age_max_behind };
        let is_old = self.is_open() && self.age(now) >= age_max;
        self.is_full(limits).or(is_old.then_some(Trigger::Age))
    }
}
