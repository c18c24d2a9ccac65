//! How far a partition is in the ledger without a gap.

use proto::Position;

/// The highest position to which the intervals `(from, to]` cover without a gap from `start` on. Intervals may
/// overlap, repeat, and come in any order: two workers may have written them.
pub fn frontier(start: Position, intervals: impl IntoIterator<Item = (Position, Position)>) -> Position {
    let mut intervals: Vec<_> = intervals.into_iter().collect();
    intervals.sort_unstable();
    let mut frontier = start;
    for (from, to) in intervals {
        if from > frontier {
            break;
        }
        frontier = frontier.max(to);
    }
    frontier
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: u64, intervals: &[(u64, u64)]) -> u64 {
        let position = Position::from_u64;
        frontier(position(start), intervals.iter().map(|(a, b)| (position(*a), position(*b)))).as_u64()
    }

    #[test]
    fn it_stands_at_the_first_gap() {
        assert_eq!(at(0, &[]), 0);
        assert_eq!(at(5, &[(5, 9), (9, 12)]), 12);
        assert_eq!(at(0, &[(0, 4), (5, 9)]), 4);
        assert_eq!(at(0, &[(1, 9)]), 0);
    }

    #[test]
    fn order_overlap_and_repetition_do_not_matter() {
        assert_eq!(at(0, &[(10, 20), (0, 10), (5, 15), (0, 10)]), 20);
        assert_eq!(at(0, &[(0, 100), (10, 20), (100, 110)]), 110);
        assert_eq!(at(7, &[(0, 5), (3, 9), (9, 9)]), 9);
    }

    proptest::proptest! {
        /// Against the definition: a position is covered if some interval holds it, and the frontier is the end of
        /// the unbroken run from the start.
        #[test]
        fn it_is_the_end_of_the_unbroken_run(
            start in 0u64..20, raw in proptest::collection::vec((0u64..40, 0u64..8), 0..12),
        ) {
            let intervals: Vec<(u64, u64)> = raw.into_iter().map(|(from, length)| (from, from + length)).collect();
            let mut expected = start;
            while intervals.iter().any(|(from, to)| *from <= expected && expected < *to) {
                expected += 1;
            }
            proptest::prop_assert_eq!(at(start, &intervals), expected);
        }
    }
}
