//! Rows of the small tables, by the names of their columns.

use clickhouse::Row;
use proto::{Amount, Position};
use serde::{Deserialize, Serialize};
use std::ops::AddAssign;

/// A `Decimal(38, 12)` on the wire: units of 10^−12.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DecimalUnits(pub i128);

/// One call's amount is below 10^24 units, so the sum of 10^14 calls still fits.
impl AddAssign for DecimalUnits {
    fn add_assign(&mut self, added: Self) {
        self.0 = self.0.saturating_add(added.0);
    }
}

impl From<DecimalUnits> for Amount {
    fn from(units: DecimalUnits) -> Self {
        Self::from_units(units.0)
    }
}

/// One partition of one source.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct SourceRow {
    /// The source's number.
    pub source: u16,
    /// The partition's.
    pub partition: u16,
    /// `calls` or `directory`.
    pub kind: String,
    /// Of the Kafka cluster.
    pub cluster_id: String,
    /// The topic's name.
    pub topic: String,
    /// The topic's id, as the broker gave it at creation.
    pub topic_id: String,
    /// Number of partitions of the source.
    pub partitions: u16,
    /// Consumer position before the first message.
    pub start_position: u64,
    /// Consumer position after the last message; 0 while the source is open.
    pub end_position: u64,
}

/// One interval of one partition that is in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct BatchRow {
    /// The partition.
    pub partition: u16,
    /// Consumer position before the first message of the batch.
    pub from_position: u64,
    /// Consumer position after its last message.
    pub to_position: u64,
    /// Messages that became ledger rows.
    pub ledger_rows: u64,
    /// Messages that went to the dead-letter topic.
    pub dead_letters: u64,
    /// Messages sent on to their right partition.
    pub rerouted: u64,
    /// Offsets without a message.
    pub empty_offsets: u64,
    /// Messages recorded as gone by an operator.
    pub lost: u64,
    /// Highest append time, in Unix milliseconds.
    pub appended_at: i64,
}

impl BatchRow {
    /// The interval `(from, to]`.
    pub fn interval(&self) -> (Position, Position) {
        (Position::from_u64(self.from_position), Position::from_u64(self.to_position))
    }

    /// Whether every offset of the interval has a named end.
    pub fn adds_up(&self) -> bool {
        let ends = [self.ledger_rows, self.dead_letters, self.rerouted, self.empty_offsets, self.lost];
        self.to_position.checked_sub(self.from_position)
            == ends.iter().try_fold(0u64, |sum, count| sum.checked_add(*count))
    }
}

/// The positions that changed one quarter hour of one organisation.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct TouchRow {
    /// The organisation.
    pub org_id: String,
    /// Start of the quarter hour, in Unix seconds.
    pub quarter: u32,
    /// Lowest position in it.
    pub first_position: u64,
    /// Highest position in it.
    pub last_position: u64,
}

/// An organisation, as the directory last told.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct OrganisationRow {
    /// Which one.
    pub org_id: String,
    /// Position of the message in the directory topic.
    pub position: u64,
    /// For file names.
    pub short_name: String,
    /// For people.
    pub display_name: String,
    /// IANA time zone.
    pub time_zone: String,
}

/// A member, as the directory last told.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct MemberRow {
    /// Of which organisation.
    pub org_id: String,
    /// Which one.
    pub member_id: String,
    /// Position of the message in the directory topic.
    pub position: u64,
    /// Name.
    pub name: String,
    /// E-mail.
    pub email: String,
    /// Has left.
    pub removed: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_names_the_end_of_every_offset() {
        let batch = BatchRow {
            partition: 0,
            from_position: 10,
            to_position: 20,
            ledger_rows: 6,
            dead_letters: 1,
            rerouted: 1,
            empty_offsets: 1,
            lost: 1,
            appended_at: 0,
        };
        assert!(batch.adds_up());
        assert!(!BatchRow { lost: 0, ..batch }.adds_up());
        assert!(!BatchRow { from_position: 21, ..batch }.adds_up());
    }
}
