//! Makes something that fails small: leaves out whatever is not needed to fail.

use std::ops::Range;

/// The parts of something that fails, and the next smaller whole to try. After Zeller and Hildebrandt, "Simplifying and
/// Isolating Failure-Inducing Input" (2002): large runs of parts are left out first, single ones at last.
///
/// ```
/// let mut shrinking = system_tests::Shrinking::of(&[3, 1, 4, 1, 5, 9, 2, 6], 100);
/// while let Some(smaller) = shrinking.smaller() {
///     shrinking.judge(smaller.contains(&4) && smaller.contains(&9));
/// }
/// assert_eq!(shrinking.needed(), [4, 9]);
/// ```
#[derive(Debug)]
pub struct Shrinking<T> {
    needed: Vec<T>,
    /// What the last whole leaves out.
    left_out: Range<usize>,
    /// How many parts are left out at once.
    length: usize,
    /// Where the next run begins.
    from: usize,
    /// Whether a part was left out since the runs have this length.
    smaller: bool,
    tries: usize,
}

impl<T: Clone> Shrinking<T> {
    /// Of all parts, which together fail. Tries so many smaller wholes at most.
    pub fn of(parts: &[T], tries: usize) -> Self {
        let length = (parts.len() / 2).max(1);
        Self { needed: parts.to_vec(), left_out: 0..0, length, from: 0, smaller: false, tries }
    }

    /// The next whole to try; none when nothing more can be left out, or enough was tried.
    pub fn smaller(&mut self) -> Option<Vec<T>> {
        if self.from >= self.needed.len() {
            if self.needed.is_empty() || self.length == 1 && !self.smaller {
                return None;
            }
            (self.length, self.from, self.smaller) = ((self.length / 2).max(1), 0, false);
        }
        self.tries = self.tries.checked_sub(1)?;
        self.left_out = self.from..(self.from + self.length).min(self.needed.len());
        Some([&self.needed[..self.left_out.start], &self.needed[self.left_out.end..]].concat())
    }

    /// Whether the last whole failed, too: then what it leaves out is not needed.
    pub fn judge(&mut self, fails: bool) {
        if fails {
            self.needed.drain(self.left_out.clone());
            self.smaller = true;
        } else {
            self.from = self.left_out.end;
        }
    }

    /// The parts that are needed, as far as was tried.
    pub fn needed(self) -> Vec<T> {
        self.needed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is needed of 0..count, and how many wholes were tried.
    fn shrink(count: usize, tries: usize, fails: impl Fn(&[usize]) -> bool) -> (Vec<usize>, usize) {
        let parts: Vec<usize> = (0..count).collect();
        let mut shrinking = Shrinking::of(&parts, tries);
        let mut tried = 0;
        while let Some(smaller) = shrinking.smaller() {
            tried += 1;
            shrinking.judge(fails(&smaller));
        }
        (shrinking.needed(), tried)
    }

    #[test]
    fn only_what_is_needed_stays_in_its_order() {
        for needed in [vec![0], vec![999], vec![7, 500, 501], vec![0, 333, 666, 999]] {
            let all_of_it = |parts: &[usize]| needed.iter().all(|part| parts.contains(part));
            let (found, tried) = shrink(1_000, 10_000, all_of_it);
            assert_eq!(found, needed);
            assert!(tried < 200, "{needed:?}: {tried}");
        }
    }

    #[test]
    fn what_fails_by_itself_needs_nothing_and_what_needs_all_keeps_all() {
        assert!(shrink(100, 1_000, |_| true).0.is_empty());
        assert_eq!(shrink(0, 1_000, |_| true), (Vec::new(), 0));
        assert_eq!(shrink(5, 1_000, |parts| parts.len() == 5).0, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn no_more_is_tried_than_allowed_and_what_is_left_still_fails() {
        let (found, tried) = shrink(1_000, 3, |parts| parts.contains(&999));
        assert_eq!(tried, 3);
        assert!(found.contains(&999) && found.len() < 1_000);
    }
}
