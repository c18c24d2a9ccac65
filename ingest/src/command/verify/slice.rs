//! One partition's part of the offsets that are compared at once: what the ledger has of them, and what the log holds.

use std::ops::Range;

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

/// A bit for each offset; with the log, nine bytes more.
pub struct Slice {
    /// Its offsets.
    pub offsets: Range<i64>,
    rows: Vec<u64>,
    /// The first offset that the log still has; the end of the slice where it has none or was not read.
    pub logged_from: i64,
    ends: Vec<End>,
    digests: Vec<u64>,
}

impl Slice {
    /// Nothing is known yet. The log is known from an offset on; that may be the end.
    pub fn new(offsets: Range<i64>, logged_from: i64) -> Self {
        let size = |from: i64| usize::try_from(offsets.end - from).unwrap_or(0);
        let logged_from = logged_from.clamp(offsets.start, offsets.end.max(offsets.start));
        Self {
            rows: vec![0; size(offsets.start).div_ceil(64)],
            ends: vec![End::None; size(logged_from)],
            digests: vec![0; size(logged_from)],
            logged_from,
            offsets,
        }
    }

    /// The ledger has a row here.
    pub fn see(&mut self, offset: i64) {
        if self.offsets.contains(&offset) {
            let bit = (offset - self.offsets.start) as usize;
            self.rows[bit / 64] |= 1 << (bit % 64);
        }
    }

    /// Whether the ledger has a row here.
    pub fn has(&self, offset: i64) -> bool {
        let bit = (offset - self.offsets.start) as usize;
        self.offsets.contains(&offset) && self.rows[bit / 64] & (1 << (bit % 64)) != 0
    }

    /// How many of these offsets have a row.
    pub fn count(&self, offsets: &Range<i64>) -> u64 {
        let below = |offset: i64| {
            let bits = (offset.clamp(self.offsets.start, self.offsets.end) - self.offsets.start) as usize;
            let whole: u32 = self.rows[..bits / 64].iter().map(|word| word.count_ones()).sum();
            let rest = self.rows.get(bits / 64).map_or(0, |word| word & ((1 << (bits % 64)) - 1));
            u64::from(whole + rest.count_ones())
        };
        below(offsets.end).saturating_sub(below(offsets.start))
    }

    /// The log holds this message here. Returns whether the offset is one of the slice's.
    pub fn note(&mut self, offset: i64, end: End, digest: u64) -> bool {
        let place = usize::try_from(offset - self.logged_from).ok().filter(|place| *place < self.ends.len());
        if let Some(place) = place {
            (self.ends[place], self.digests[place]) = (end, digest);
        }
        place.is_some()
    }

    /// What the log holds here, and what it says; `None` where the log is not known.
    pub fn logged(&self, offset: i64) -> Option<(End, u64)> {
        let place = usize::try_from(offset - self.logged_from).ok()?;
        Some((*self.ends.get(place)?, *self.digests.get(place)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_between_any_two_offsets() {
        let mut slice = Slice::new(100..400, 400);
        let rows = [99, 100, 101, 163, 164, 165, 299, 399, 400];
        rows.into_iter().for_each(|offset| slice.see(offset));
        for (from, to) in [(100, 400), (0, 1000), (100, 100), (163, 165), (164, 164), (165, 399), (399, 400)]
        {
            let expected = rows.iter().filter(|row| (from.max(100)..to.min(400)).contains(*row)).count();
            assert_eq!(slice.count(&(from..to)), expected as u64, "{from} to {to}");
        }
        assert!(slice.has(163) && !slice.has(162) && !slice.has(99) && !slice.has(400));
        assert_eq!(slice.logged(150), None);
    }

    #[test]
    fn of_a_log_whose_beginning_is_gone_the_rest_is_known() {
        let mut slice = Slice::new(100..110, 105);
        assert!(slice.note(105, End::Row, 7) && slice.note(109, End::DeadLetter, 8));
        assert!(!slice.note(104, End::Row, 7) && !slice.note(110, End::Row, 7));
        assert_eq!(
            [104, 105, 106, 109, 110].map(|offset| slice.logged(offset)),
            [None, Some((End::Row, 7)), Some((End::None, 0)), Some((End::DeadLetter, 8)), None]
        );
        assert_eq!(Slice::new(100..110, 0).logged(100), Some((End::None, 0)));
        assert_eq!(Slice::new(100..100, 0).logged(100), None);
    }
}
