//! What one partition says of itself in four places (batches, ledger, dead letters, log), and whether they agree. Pure.

use crate::cluster::LogBounds;
use proto::Position;
use std::collections::BTreeSet;
use std::ops::Range;
use warehouse::{BatchRow, chain, frontier};

/// One thing that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// A stable code of what is wrong.
    pub kind: &'static str,
    /// Where, what should be there and what is.
    pub text: String,
}

/// What the log holds at an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum End {
    /// No message: a transaction's marker, or compacted.
    #[default]
    None,
    /// A message that must be a ledger row.
    Row,
    /// A message that must be a dead letter.
    DeadLetter,
    /// A message that must have been sent on.
    Rerouted,
}

/// One partition of the open source.
pub struct Partition {
    /// Its batches, without overlap and gap as far as they lead.
    pub chain: Vec<BatchRow>,
    /// Where the source began.
    pub start: Position,
    /// How far the batches cover it.
    pub frontier: Position,
}

/// The sums of the chain of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Ledger rows, dead letters, rerouted, empty and lost offsets.
    pub ends: [u64; 5],
}

impl Partition {
    /// Looks at the batches alone, and at the log's bounds.
    pub fn new(start: Position, rows: &[BatchRow], log: LogBounds) -> (Self, Vec<Difference>) {
        let mut found = Vec::new();
        let frontier = frontier(start, rows.iter().map(BatchRow::interval));
        let behind = rows.iter().map(|row| row.interval().0).filter(|from| *from > frontier).min();
        if let Some(from) = behind {
            found.push(difference("gap", format!("no batch covers {frontier} to {from}")));
        }
        let wrong = rows.iter().filter(|row| !row.adds_up());
        found.extend(wrong.map(|row| {
            difference(
                "batch_does_not_add_up",
                format!("{}: {:?} do not make its offsets", shown(row), ends(row)),
            )
        }));
        if frontier.next_offset() > log.end {
            let text =
                format!("the ledger goes to offset {}, the log ends at {}", frontier.next_offset(), log.end);
            found.push(difference("log_ends_before_ledger", text));
        }
        if frontier.next_offset() < log.start {
            let text = format!(
                "the ledger goes to offset {}, the log starts at {}",
                frontier.next_offset(),
                log.start
            );
            found.push(difference("deleted_unread", text));
        }
        (Self { chain: chain(start, rows), start, frontier }, found)
    }

    /// The sums of the chain.
    pub fn counts(&self) -> Counts {
        let mut sums = Counts::default();
        for row in &self.chain {
            sums.ends.iter_mut().zip(ends(row)).for_each(|(sum, count)| *sum += count);
        }
        sums
    }

    /// Compares the batches with the offsets that the ledger has rows of, and with those that the dead-letter topic has
    /// letters of, both ascending. `letters_may_be_older`: letters of an earlier topic of the same name are among them.
    pub fn compare_counts(
        &self,
        rows: &[i64],
        letters: &[i64],
        letters_may_be_older: bool,
    ) -> Vec<Difference> {
        let mut found = Vec::new();
        for row in &self.chain {
            let span = offsets(row);
            let (ledger, dead) = (count_in(rows, &span), count_in(letters, &span));
            if ledger != row.ledger_rows {
                let text = format!("{}: {} ledger rows, found {ledger}", shown(row), row.ledger_rows);
                found.push(difference("ledger_rows", text));
            }
            if dead < row.dead_letters || (dead > row.dead_letters && !letters_may_be_older) {
                let text = format!("{}: {} dead letters, found {dead}", shown(row), row.dead_letters);
                found.push(difference("dead_letters", text));
            }
        }
        found
    }

    /// Compares what the log holds, from the offset `first` on, with all the others: offset by offset, and batch by batch.
    pub fn compare_log(
        &self,
        first: i64,
        log: &[End],
        rows: &[i64],
        letters: &[i64],
        sent_on: &BTreeSet<i64>,
    ) -> Vec<Difference> {
        let mut found = Vec::new();
        let has = |sorted: &[i64], offset: i64| sorted.binary_search(&offset).is_ok();
        for (offset, end) in (first..).zip(log) {
            let places = [
                (End::Row, has(rows, offset), "row", "ledger row"),
                (End::DeadLetter, has(letters, offset), "dead_letter", "dead letter"),
                (End::Rerouted, sent_on.contains(&offset), "rerouted", "message in its partition"),
            ];
            for (wanted, is_there, _, name) in places.iter().filter(|place| (*end == place.0) != place.1) {
                // A letter or a mark of an earlier topic of this name says nothing about this one.
                if *is_there && *wanted != End::Row {
                    continue;
                }
                let (kind, what) = if *is_there { ("unexpected", "a") } else { ("missing", "no") };
                found.push(difference(
                    kind,
                    format!("offset {offset}, {}: there is {what} {name}", described(*end)),
                ));
            }
        }
        for row in self.chain.iter().filter(|row| offsets(row).start >= first) {
            let mut seen = [0u64; 4];
            for offset in offsets(row) {
                let end = log.get((offset - first) as usize).copied().unwrap_or_default();
                seen[index_of(end)] += 1;
            }
            let [rows, dead, rerouted, empty, lost] = ends(row);
            if lost == 0 && seen != [rows, dead, rerouted, empty] {
                let text = format!("{} says {:?}, the log has {seen:?}", shown(row), &ends(row)[..4]);
                found.push(difference("batch_and_log_differ", text));
            }
        }
        found
    }
}

/// Offsets of a batch.
fn offsets(row: &BatchRow) -> Range<i64> {
    let (from, to) = row.interval();
    from.next_offset()..to.next_offset()
}

fn ends(row: &BatchRow) -> [u64; 5] {
    [row.ledger_rows, row.dead_letters, row.rerouted, row.empty_offsets, row.lost]
}

fn index_of(end: End) -> usize {
    match end {
        End::Row => 0,
        End::DeadLetter => 1,
        End::Rerouted => 2,
        End::None => 3,
    }
}

fn described(end: End) -> &'static str {
    match end {
        End::Row => "a call",
        End::DeadLetter => "which cannot be counted",
        End::Rerouted => "a call of another partition",
        End::None => "which carries no message",
    }
}

fn count_in(sorted: &[i64], span: &Range<i64>) -> u64 {
    let below = |limit: i64| sorted.partition_point(|offset| *offset < limit);
    (below(span.end) - below(span.start)) as u64
}

fn shown(row: &BatchRow) -> String {
    let span = offsets(row);
    format!("batch of offsets {} to {}", span.start, span.end)
}

fn difference(kind: &'static str, text: String) -> Difference {
    Difference { kind, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: LogBounds = LogBounds { start: 0, end: 30 };

    fn batch(from: i64, to: i64, [rows, dead, rerouted, empty]: [u64; 4]) -> BatchRow {
        let position = |offset| Position::before(1, offset).unwrap().as_u64();
        BatchRow {
            partition: 0,
            from_position: position(from),
            to_position: position(to),
            ledger_rows: rows,
            dead_letters: dead,
            rerouted,
            empty_offsets: empty,
            lost: 0,
            appended_at: 0,
        }
    }

    fn partition(rows: &[BatchRow]) -> (Partition, Vec<&'static str>) {
        let (partition, found) = Partition::new(Position::before(1, 0).unwrap(), rows, LOG);
        (partition, kinds(&found))
    }

    fn kinds(found: &[Difference]) -> Vec<&'static str> {
        found.iter().map(|difference| difference.kind).collect()
    }

    /// Offsets 0 to 5: a row, a dead letter, one sent on, nothing, a row.
    const HELD: [End; 5] = [End::Row, End::DeadLetter, End::Rerouted, End::None, End::Row];

    fn compared(rows: &[i64], letters: &[i64], sent_on: &[i64]) -> Vec<&'static str> {
        let (partition, found) = partition(&[batch(0, 3, [1, 1, 1, 0]), batch(3, 5, [1, 0, 0, 1])]);
        assert!(found.is_empty());
        let sent_on = sent_on.iter().copied().collect();
        let mut found = kinds(&partition.compare_counts(rows, letters, false));
        found.extend(kinds(&partition.compare_log(0, &HELD, rows, letters, &sent_on)));
        found
    }

    #[test]
    fn four_places_that_agree_have_no_difference() {
        assert!(compared(&[0, 4], &[1], &[2]).is_empty());
    }

    #[test]
    fn every_offset_that_is_missing_in_one_place_is_found() {
        assert_eq!(compared(&[0], &[1], &[2]), ["ledger_rows", "missing"]);
        assert_eq!(compared(&[0, 4], &[], &[2]), ["dead_letters", "missing"]);
        assert_eq!(compared(&[0, 4], &[1], &[]), ["missing"]);
        assert_eq!(compared(&[0, 3, 4], &[1], &[2]), ["ledger_rows", "unexpected"]);
        // The sums alone would not see it.
        assert_eq!(compared(&[0, 3], &[1], &[2]), ["unexpected", "missing"]);
    }

    #[test]
    fn batches_that_do_not_say_what_the_log_holds_are_found() {
        assert_eq!(partition(&[batch(0, 5, [4, 0, 0, 0])]).1, ["batch_does_not_add_up"]);
        assert_eq!(partition(&[batch(0, 5, [5, 0, 0, 0]), batch(7, 9, [2, 0, 0, 0])]).1, ["gap"]);
        assert_eq!(partition(&[batch(0, 31, [31, 0, 0, 0])]).1, ["log_ends_before_ledger"]);
        let (shifted, found) = partition(&[batch(0, 5, [2, 1, 0, 2])]);
        assert!(found.is_empty());
        let found = shifted.compare_log(0, &HELD, &[0, 4], &[1], &BTreeSet::from([2]));
        assert_eq!(kinds(&found), ["batch_and_log_differ"]);
    }

    #[test]
    fn a_log_that_starts_behind_the_ledger_is_found() {
        let log = LogBounds { start: 9, end: 30 };
        let (_, found) = Partition::new(Position::before(1, 0).unwrap(), &[batch(0, 5, [5, 0, 0, 0])], log);
        assert_eq!(kinds(&found), ["deleted_unread"]);
    }

    #[test]
    fn of_a_log_whose_beginning_is_gone_the_rest_is_compared() {
        let (partition, _) = partition(&[batch(0, 3, [1, 1, 1, 0]), batch(3, 5, [1, 0, 0, 1])]);
        assert!(partition.compare_log(3, &HELD[3..], &[0, 4], &[1], &BTreeSet::new()).is_empty());
    }
}
