//! First write wins: which row of an identity counts.
//!
//! A call's identity is `(org_id, occurred_at, event_id)`, and the ledger's key ends with the position. So where rows
//! stream in key order, all rows of an identity are neighbours, lowest position first, and the one that counts is found
//! without remembering anything but the row before. Rows after the cut do not exist for the answer; they are judged
//! here too, because a reader that forgot them would let a later message win when the stream runs backwards.
//!
//! SQL that must deduplicate inside a statement (`WHERE position <= A … ORDER BY key LIMIT 1 BY identity`) follows the
//! same rule; scenarios on the real engine hold it to a naive reading (`query-api/tests/it/answers.rs`). Whatever else
//! narrows the rows, a member or a model, comes after it: otherwise a conflict would count where the first write does
//! not match.

use proto::Position;

/// What a row is to its identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The first write, the one that counts.
    Counts,
    /// The row before once more: a message that was delivered again and that the engine has not merged yet.
    Copy,
    /// A later message, which changes no number: a repeat if its content is that of the first write, else a conflict.
    Later,
    /// After the cut: for this answer it does not exist.
    AfterCut,
}

/// Judges rows in ascending key order.
#[derive(Debug, Clone)]
pub struct Ascending<I> {
    at: Position,
    before: Option<(I, Position)>,
}

impl<I: PartialEq> Ascending<I> {
    /// Rows up to `at`, including it, exist.
    pub fn cut_at(at: Position) -> Self {
        Self { at, before: None }
    }

    /// What the next row is. `identity` need only tell neighbours apart: where all rows are of one organisation, it may
    /// leave that out.
    pub fn judge(&mut self, identity: I, position: Position) -> Verdict {
        if position > self.at {
            return Verdict::AfterCut;
        }
        match &mut self.before {
            Some((last_identity, last_position)) if *last_identity == identity => {
                debug_assert!(
                    *last_position <= position,
                    "rows of one identity must come with ascending positions"
                );
                let is_copy = *last_position == position;
                *last_position = position;
                if is_copy { Verdict::Copy } else { Verdict::Later }
            }
            before => {
                *before = Some((identity, position));
                Verdict::Counts
            }
        }
    }
}

/// Finds the rows that count where rows come in descending key order: of neighbours the last. So each row is held back
/// until the next identity begins.
#[derive(Debug, Clone)]
pub struct Descending<I, R> {
    at: Position,
    held: Option<(I, R)>,
}

impl<I: PartialEq, R> Descending<I, R> {
    /// Rows up to `at`, including it, exist.
    pub fn cut_at(at: Position) -> Self {
        Self { at, held: None }
    }

    /// Takes the next row; returns the one that counts of the identity before, if this row begins another one.
    pub fn push(&mut self, identity: I, position: Position, row: R) -> Option<R> {
        if position > self.at {
            return None;
        }
        let continues = self.held.as_ref().is_some_and(|(held, _)| *held == identity);
        let before = self.held.replace((identity, row));
        before.filter(|_| !continues).map(|(_, row)| row)
    }

    /// The row that counts of the last identity. Only where the rows truly ended: where a limit ended the reading, the
    /// identity may go on behind it, and its row is not known yet.
    pub fn finish(self) -> Option<R> {
        self.held.map(|(_, row)| row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const AT: u64 = 50;

    fn verdicts(rows: &[(u8, u64)]) -> Vec<Verdict> {
        let mut judge = Ascending::cut_at(Position::from_u64(AT));
        rows.iter()
            .map(|(identity, position)| judge.judge(*identity, Position::from_u64(*position)))
            .collect()
    }

    fn counted_backwards(rows: &[(u8, u64)]) -> Vec<(u8, u64)> {
        let mut judge = Descending::cut_at(Position::from_u64(AT));
        let mut counted: Vec<_> =
            (rows.iter()).filter_map(|row| judge.push(row.0, Position::from_u64(row.1), *row)).collect();
        counted.extend(judge.finish());
        counted
    }

    #[test]
    fn the_lowest_position_of_an_identity_counts() {
        use Verdict::{AfterCut, Copy, Counts, Later};
        assert_eq!(verdicts(&[(1, 7), (1, 9), (2, 3), (3, 51)]), [Counts, Later, Counts, AfterCut]);
        assert_eq!(
            verdicts(&[(1, 7), (1, 7), (1, 9), (1, 9), (1, 51)]),
            [Counts, Copy, Later, Copy, AfterCut]
        );
    }

    #[test]
    fn backwards_the_last_neighbour_counts() {
        assert_eq!(counted_backwards(&[(3, 51), (2, 3), (1, 9), (1, 7), (1, 7)]), [(2, 3), (1, 7)]);
        assert_eq!(counted_backwards(&[]), []);
    }

    #[test]
    fn a_row_after_the_cut_hides_no_row_before_it() {
        assert_eq!(verdicts(&[(1, 50), (1, 51)]), [Verdict::Counts, Verdict::AfterCut]);
        assert_eq!(counted_backwards(&[(1, 51), (1, 50)]), [(1, 50)]);
    }

    proptest! {
        /// Against the definition: of each identity the lowest position up to the cut, whichever way the rows stream
        /// and however often each was delivered; and every message has exactly one name.
        #[test]
        fn both_directions_agree_with_the_definition(
            mut rows in proptest::collection::vec((0u8..6, 40u64..60), 0..40),
        ) {
            let mut expected: BTreeMap<u8, u64> = BTreeMap::new();
            for (identity, position) in rows.iter().filter(|(_, position)| *position <= AT) {
                let lowest = expected.entry(*identity).or_insert(*position);
                *lowest = (*lowest).min(*position);
            }
            let expected: Vec<(u8, u64)> = expected.into_iter().collect();

            rows.sort_unstable();
            let verdicts = verdicts(&rows);
            let of = |verdict: Verdict| -> Vec<(u8, u64)> {
                rows.iter().zip(&verdicts).filter(|(_, found)| **found == verdict).map(|(row, _)| *row).collect()
            };
            prop_assert_eq!(&of(Verdict::Counts), &expected);

            let mut messages = [of(Verdict::Counts), of(Verdict::Later), of(Verdict::AfterCut)].concat();
            messages.sort_unstable();
            messages.dedup();
            let mut distinct = rows.clone();
            distinct.dedup();
            prop_assert_eq!(messages, distinct);

            rows.reverse();
            let mut backwards = counted_backwards(&rows);
            backwards.reverse();
            prop_assert_eq!(backwards, expected);
        }
    }
}
