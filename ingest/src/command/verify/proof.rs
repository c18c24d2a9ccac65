//! What one partition says of itself in four places (batches, ledger, dead letters, log), and whether they agree. Pure.

use super::letters::Letters;
use super::log::{Suspect, Suspects};
use super::promises::Promises;
use super::slice::{End, Slice};
use crate::cluster::LogBounds;
use proto::Position;
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

impl Difference {
    /// One of a kind.
    pub fn new(kind: &'static str, text: String) -> Self {
        Self { kind, text }
    }
}

/// One partition of the open source.
pub struct Partition {
    /// Its batches, without overlap and gap as far as they lead.
    pub chain: Vec<BatchRow>,
    /// Where the source began.
    pub start: Position,
    /// How far the batches cover it.
    pub frontier: Position,
    /// What they say of time.
    pub promises: Promises,
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
            found.push(Difference::new("gap", format!("no batch covers {frontier} to {from}")));
        }
        let wrong = rows.iter().filter(|row| !row.adds_up());
        found.extend(wrong.map(|row| {
            Difference::new(
                "batch_does_not_add_up",
                format!("{}: {:?} do not make its offsets", shown(row), ends(row)),
            )
        }));
        if frontier.next_offset() > log.end {
            let text =
                format!("the ledger goes to offset {}, the log ends at {}", frontier.next_offset(), log.end);
            found.push(Difference::new("log_ends_before_ledger", text));
        }
        if frontier.next_offset() < log.start {
            let text = format!(
                "the ledger goes to offset {}, the log starts at {}",
                frontier.next_offset(),
                log.start
            );
            found.push(Difference::new("deleted_unread", text));
        }
        (Self { chain: chain(start, rows), start, frontier, promises: Promises::of(rows) }, found)
    }

    /// The sums of the chain.
    pub fn counts(&self) -> Counts {
        let mut sums = Counts::default();
        for row in &self.chain {
            sums.ends.iter_mut().zip(ends(row)).for_each(|(sum, count)| *sum += count);
        }
        sums
    }
}

/// What was found of a partition's batches so far, slice by slice.
pub struct Proof<'a> {
    partition: &'a Partition,
    letters: &'a Letters,
    /// Letters of an earlier topic of the same name are among them.
    letters_may_be_older: bool,
    /// For each batch of the chain the ledger rows, and what the log holds.
    rows: Vec<u64>,
    log: Vec<[u64; 4]>,
    /// Of the offsets before this one the log was not read, or is gone.
    pub logged_from: i64,
}

impl<'a> Proof<'a> {
    /// Nothing is compared yet.
    pub fn new(partition: &'a Partition, letters: &'a Letters, letters_may_be_older: bool) -> Self {
        Self {
            partition,
            letters,
            letters_may_be_older,
            rows: vec![0; partition.chain.len()],
            log: vec![[0; 4]; partition.chain.len()],
            logged_from: partition.start.next_offset(),
        }
    }

    /// Takes the next slice: compares offset by offset where the log is known, and counts for the batches.
    pub fn take(&mut self, number: u16, slice: &Slice, suspects: &mut Suspects) -> Vec<Difference> {
        let mut found = Vec::new();
        if slice.logged_from > slice.offsets.start {
            self.logged_from = slice.logged_from;
        }
        let first = self.partition.chain.partition_point(|row| offsets(row).end <= slice.offsets.start);
        let mut at = first;
        for (index, row) in self.partition.chain.iter().enumerate().skip(first) {
            if offsets(row).start >= slice.offsets.end {
                break;
            }
            self.rows[index] += slice.count(&offsets(row));
        }
        for offset in slice.logged_from..slice.offsets.end {
            let Some((end, digest)) = slice.logged(offset) else { continue };
            while self.partition.chain.get(at).is_some_and(|row| offsets(row).end <= offset) {
                at += 1;
            }
            if self.partition.chain.get(at).is_some_and(|row| offsets(row).contains(&offset)) {
                self.log[at][index_of(end)] += 1;
            }
            let letters = self.letters.within(&(offset..offset + 1));
            let places = [
                (End::Row, slice.has(offset), "ledger row"),
                (End::DeadLetter, !letters.is_empty(), "dead letter"),
            ];
            for (wanted, is_there, name) in places.iter().filter(|place| (end == place.0) != place.1) {
                // A letter of an earlier topic of this name says nothing about this one.
                if *is_there && *wanted == End::DeadLetter && self.letters_may_be_older {
                    continue;
                }
                let (kind, what) = if *is_there { ("unexpected", "a") } else { ("missing", "no") };
                found.push(Difference::new(
                    kind,
                    format!("offset {offset}, {}: there is {what} {name}", described(end)),
                ));
            }
            if end == End::DeadLetter {
                let is_right = |parts| super::content::digest(parts) == digest;
                let wrong: Vec<_> = letters.iter().filter(|letter| !is_right(letter.parts)).collect();
                if wrong.len() == letters.len() || !self.letters_may_be_older {
                    let wrong = wrong.into_iter().map(|letter| Suspect::Letter(letter.parts));
                    wrong.for_each(|letter| suspects.entry((number, offset)).or_default().push(letter));
                }
            }
        }
        found
    }

    /// Compares each batch with what was counted, now that all slices were taken.
    pub fn finish(self) -> Vec<Difference> {
        let mut found = Vec::new();
        for ((row, ledger), seen) in self.partition.chain.iter().zip(self.rows).zip(self.log) {
            let span = offsets(row);
            if ledger != row.ledger_rows {
                let text = format!("{}: {} ledger rows, found {ledger}", shown(row), row.ledger_rows);
                found.push(Difference::new("ledger_rows", text));
            }
            let dead = self.letters.count(&span);
            // Of what is recorded as lost, some may have become dead letters before their worker was killed.
            let dead_max = row.dead_letters + row.lost;
            if dead < row.dead_letters || (dead > dead_max && !self.letters_may_be_older) {
                let text = format!("{}: {} dead letters, found {dead}", shown(row), row.dead_letters);
                found.push(Difference::new("dead_letters", text));
            }
            let [rows, dead, rerouted, empty, _] = ends(row);
            // What is recorded as lost was gone: a batch of which the log has everything has lost nothing.
            let is_known = span.start >= self.logged_from;
            if is_known && seen != [rows, dead, rerouted, empty] {
                let text = format!("{} says {:?}, the log has {seen:?}", shown(row), &ends(row)[..4]);
                found.push(Difference::new("batch_and_log_differ", text));
            }
        }
        found
    }
}

/// What is reported of a message that was to be sent on.
pub fn never_arrived(offset: i64) -> Difference {
    let text = format!("offset {offset}, {}: there is no message in its partition", described(End::Rerouted));
    Difference::new("missing", text)
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

fn shown(row: &BatchRow) -> String {
    let span = offsets(row);
    format!("batch of offsets {} to {}", span.start, span.end)
}

#[cfg(test)]
mod tests {
    use super::super::content::digest;
    use super::super::letters::Letter;
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

    /// Kinds of differences and suspects, compared in slices of so many offsets, the log known from one on.
    fn compared_in(
        size: i64,
        batches: &[BatchRow],
        rows: &[i64],
        letters: &[(i64, u64)],
        logged_from: i64,
    ) -> (Vec<&'static str>, usize) {
        let (partition, found) = partition(batches);
        assert!(found.is_empty());
        let letter = |(offset, payload): &(i64, u64)| Letter { offset: *offset, parts: [0, *payload, 0, 0] };
        let letters = Letters::new(letters.iter().map(letter).collect());
        let mut proof = Proof::new(&partition, &letters, false);
        let (mut found, mut suspects) = (Vec::new(), Suspects::new());
        let mut from = 0;
        while from < 5 {
            let offsets = from..(from + size).min(5);
            let mut slice = Slice::new(offsets.clone(), logged_from);
            for offset in offsets.clone() {
                slice.note(offset, HELD[offset as usize], digest([0u64, 7, 0, 0]));
            }
            rows.iter().for_each(|offset| slice.see(*offset));
            found.extend(kinds(&proof.take(0, &slice, &mut suspects)));
            from = offsets.end;
        }
        found.extend(kinds(&proof.finish()));
        (found, suspects.len())
    }

    fn compared(rows: &[i64], letters: &[i64]) -> Vec<&'static str> {
        let batches = [batch(0, 3, [1, 1, 1, 0]), batch(3, 5, [1, 0, 0, 1])];
        let letters: Vec<(i64, u64)> = letters.iter().map(|offset| (*offset, 7)).collect();
        let (found, suspects) = compared_in(9, &batches, rows, &letters, 0);
        for size in 1..5 {
            assert_eq!(
                compared_in(size, &batches, rows, &letters, 0),
                (found.clone(), suspects),
                "in slices of {size}"
            );
        }
        assert_eq!(suspects, 0);
        found
    }

    #[test]
    fn four_places_that_agree_have_no_difference() {
        assert!(compared(&[0, 4], &[1]).is_empty());
    }

    #[test]
    fn every_offset_that_is_missing_in_one_place_is_found() {
        assert_eq!(compared(&[0], &[1]), ["missing", "ledger_rows"]);
        assert_eq!(compared(&[0, 4], &[]), ["missing", "dead_letters"]);
        assert_eq!(compared(&[0, 3, 4], &[1]), ["unexpected", "ledger_rows"]);
        assert_eq!(compared(&[0, 4], &[1, 4]), ["unexpected", "dead_letters"]);
        // The sums alone would not see it.
        assert_eq!(compared(&[0, 3], &[1]), ["unexpected", "missing"]);
    }

    #[test]
    fn a_dead_letter_with_another_content_is_a_suspect_also_beside_a_right_one() {
        let batches = [batch(0, 5, [2, 1, 1, 1])];
        assert_eq!(compared_in(9, &batches, &[0, 4], &[(1, 7), (1, 7)], 0), (vec![], 0), "written twice");
        assert_eq!(compared_in(9, &batches, &[0, 4], &[(1, 8)], 0), (vec![], 1));
        assert_eq!(compared_in(9, &batches, &[0, 4], &[(1, 7), (1, 8)], 0), (vec![], 1));
    }

    #[test]
    fn batches_that_do_not_say_what_the_log_holds_are_found() {
        assert_eq!(partition(&[batch(0, 5, [4, 0, 0, 0])]).1, ["batch_does_not_add_up"]);
        assert_eq!(partition(&[batch(0, 5, [5, 0, 0, 0]), batch(7, 9, [2, 0, 0, 0])]).1, ["gap"]);
        assert_eq!(partition(&[batch(0, 31, [31, 0, 0, 0])]).1, ["log_ends_before_ledger"]);
        let shifted = [batch(0, 5, [2, 1, 0, 2])];
        for size in 1..6 {
            let found = compared_in(size, &shifted, &[0, 4], &[(1, 7)], 0);
            assert_eq!(found, (vec!["batch_and_log_differ"], 0));
        }
    }

    #[test]
    fn a_log_that_starts_behind_the_ledger_is_found() {
        let log = LogBounds { start: 9, end: 30 };
        let (_, found) = Partition::new(Position::before(1, 0).unwrap(), &[batch(0, 5, [5, 0, 0, 0])], log);
        assert_eq!(kinds(&found), ["deleted_unread"]);
    }

    #[test]
    fn of_a_log_whose_beginning_is_gone_the_rest_is_compared() {
        let batches = [batch(0, 3, [0, 1, 2, 0]), batch(3, 5, [1, 0, 0, 1])];
        for size in 1..6 {
            assert_eq!(compared_in(size, &batches, &[4], &[(1, 7)], 3), (vec![], 0), "in slices of {size}");
            let found = compared_in(size, &batches, &[3, 4], &[(1, 7)], 3);
            assert_eq!(found, (vec!["unexpected", "ledger_rows"], 0), "in slices of {size}");
        }
    }
}
