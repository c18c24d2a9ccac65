//! What `batches` promise of time, "complete through" of every answer: whatever the broker appended before an instant lies
//! before some offset. A message of the log can show that one is not kept.

use warehouse::BatchRow;

/// The promises of a partition: next offset, and the latest instant that a row up to there names, in Unix milliseconds;
/// both ascend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promises(Vec<(i64, i64)>);

impl Promises {
    /// Those of all rows of a partition, signs of life among them.
    pub fn of(rows: &[BatchRow]) -> Self {
        let mut made: Vec<(i64, i64)> =
            rows.iter().map(|row| (row.interval().1.next_offset(), row.appended_at)).collect();
        made.sort_unstable();
        let mut latest = i64::MIN;
        for (_, until_ms) in &mut made {
            latest = latest.max(*until_ms);
            *until_ms = latest;
        }
        Self(made)
    }

    /// The instant before which this message was appended although it must not have been.
    pub fn broken_by(&self, offset: i64, appended_at_ms: i64) -> Option<i64> {
        let before = self.0.partition_point(|(next_offset, _)| *next_offset <= offset);
        let (_, until_ms) = self.0[..before].last()?;
        Some(*until_ms).filter(|until_ms| appended_at_ms < *until_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::Position;

    #[test]
    fn a_message_behind_a_promise_must_not_be_older_than_it_says() {
        let row = |from: i64, to: i64, appended_at| BatchRow {
            partition: 0,
            from_position: Position::before(1, from).unwrap().as_u64(),
            to_position: Position::before(1, to).unwrap().as_u64(),
            ledger_rows: 0,
            dead_letters: 0,
            rerouted: 0,
            empty_offsets: 0,
            lost: 0,
            appended_at,
        };
        // The second says less than the first, which holds on; the third is a sign of life.
        let promises = Promises::of(&[row(5, 9, 40), row(0, 5, 50), row(9, 9, 70)]);
        assert_eq!(promises.broken_by(4, 10), None, "of what lies before it, it says nothing");
        assert_eq!(promises.broken_by(5, 49), Some(50));
        assert_eq!(promises.broken_by(5, 50), None);
        assert_eq!(promises.broken_by(8, 49), Some(50));
        assert_eq!(promises.broken_by(9, 69), Some(70));
        assert_eq!(promises.broken_by(200, 70), None);
        assert_eq!(Promises::of(&[]).broken_by(0, 0), None);
    }
}
