//! Topics: logs of messages, one a partition. What a message is, and where it belongs.

use crate::rules::Rules;
use proto::Position;

/// The organisations. `stark` and `hooli` move to another partition with the second topic.
pub const ORGS: [&str; 3] = ["acme", "stark", "hooli"];

/// Partitions of the first topic, and of the one that takes its place.
pub const PARTITIONS: [u32; 2] = [2, 3];

/// Calls that lie on the edge of what is allowed count from this many messages of a partition on: the rules of what a
/// call is changed there.
const ALLOWED_SINCE: i64 = 8;

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A call.
    Call,
    /// A call that older rules refuse and newer ones allow.
    EdgeOfAllowed,
    /// Bytes that are no call.
    Garbage,
}

/// A message in a log.
#[derive(Clone, Copy, Debug)]
pub struct Message {
    /// Whose call, as an index of [`ORGS`].
    pub org: usize,
    /// Which call; with the slot, its identity.
    pub event: u16,
    /// When it happened.
    pub slot: u8,
    /// Who made it.
    pub member: u8,
    /// What it cost.
    pub credits: u32,
    /// What it is.
    pub kind: Kind,
    /// Partition and position where it was found first, if it was rerouted.
    pub origin: Option<(usize, Position)>,
    /// The broker's append time.
    pub appended_at_ms: i64,
    /// Deleted by Kafka before it was read, and recorded as lost.
    pub lost: bool,
}

/// A partition's log.
#[derive(Clone, Default)]
pub struct Log {
    /// All messages ever appended.
    pub messages: Vec<Message>,
    /// Offset of the oldest message that is still there.
    pub starts_at: usize,
    /// The offset that workers committed last, for people's eyes.
    pub committed: usize,
}

/// The broker.
#[derive(Clone)]
pub struct Kafka {
    /// Logs by source and partition.
    pub logs: [Vec<Log>; 2],
    /// What the dead-letter topic has: source, partition and position of each.
    pub dead_letters: Vec<(usize, usize, Position)>,
    /// The source that emitters publish to.
    pub emitted_to: usize,
}

impl Kafka {
    /// Empty topics.
    pub fn new() -> Self {
        let logs = PARTITIONS.map(|partitions| vec![Log::default(); partitions as usize]);
        Self { logs, dead_letters: Vec::new(), emitted_to: 0 }
    }
}

/// The end of a message, which must not depend on who reads it or when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// A row of the ledger.
    Row,
    /// To another partition.
    Reroute(usize),
    /// To the dead-letter topic.
    DeadLetter,
}

/// The consumer position after `count` messages of a source.
pub fn position(source: usize, count: usize) -> Position {
    #[expect(clippy::expect_used, reason = "runs have two sources and a hundred messages")]
    Position::before(source as u16 + 1, count as i64).expect("small")
}

/// The index of a position's source.
pub fn source_of(position: Position) -> usize {
    usize::from(position.source().saturating_sub(1))
}

/// The partition of an organisation in a source.
pub fn home_of(source: usize, org: usize) -> usize {
    proto::partition_of(ORGS[org].as_bytes(), PARTITIONS[source]) as usize
}

/// What becomes of a message. `is_newer` is the version of the worker that reads it, which must not matter. A rerouted
/// message is judged by where it was found first: it may be sent more than once, and must be the same each time.
pub fn fate_of(
    message: &Message,
    partition: usize,
    position: Position,
    is_newer: bool,
    rules: &Rules,
) -> Fate {
    let first = message.origin.map_or(position, |(_, first)| first);
    let is_allowed =
        if rules.fate_depends_on_position_alone { first.next_offset() > ALLOWED_SINCE } else { is_newer };
    let is_call = match message.kind {
        Kind::Call => true,
        Kind::EdgeOfAllowed => is_allowed,
        Kind::Garbage => false,
    };
    let home = home_of(source_of(position), message.org);
    match (is_call, home == partition, message.origin) {
        (false, _, _) => Fate::DeadLetter,
        (true, true, _) => Fate::Row,
        (true, false, _) if !rules.misrouted_calls_are_rerouted => Fate::Row,
        (true, false, None) => Fate::Reroute(home),
        (true, false, Some(_)) => Fate::DeadLetter,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn organisations_lie_in_several_partitions_and_some_move() {
        let homes: Vec<[usize; 2]> = (0..ORGS.len()).map(|org| [home_of(0, org), home_of(1, org)]).collect();
        assert_eq!(homes, [[0, 0], [0, 2], [1, 0]]);
    }
}
