//! When calls happen: in bursts, most reported at once, some late.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

/// Length of a stretch with one pace, in milliseconds.
const STRETCH_MS: i64 = 20_000;

/// Spreads a number of calls over a span of time: each stretch of 20 s has a pace of its own, up to eight times that
/// of its neighbour.
#[derive(Debug)]
pub struct Timeline {
    from_ms: i64,
    calls: u64,
    /// Calls before the end of each stretch.
    ends: Vec<u64>,
}

impl Timeline {
    /// `calls` calls from `from_ms` until before `to_ms`, both in Unix milliseconds.
    ///
    /// # Panics
    /// If the span is empty.
    pub fn new(seed: u64, (from_ms, to_ms): (i64, i64), calls: u64) -> Self {
        assert!(from_ms < to_ms, "the span of a timeline must not be empty");
        const PACES: [u64; 8] = [1, 1, 2, 2, 2, 3, 5, 8];
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed ^ 0x7173);
        let stretches = (to_ms - from_ms + STRETCH_MS - 1) / STRETCH_MS;
        let mut paced = 0;
        let sums: Vec<u64> = (0..stretches)
            .map(|_| {
                paced += PACES[rng.random_range(0..PACES.len())];
                paced
            })
            .collect();
        let share = |sum| u128::from(calls) * u128::from(sum) / u128::from(paced.max(1));
        let ends = sums.into_iter().map(|sum| share(sum) as u64).collect();
        Self { from_ms, calls, ends }
    }

    /// When the n-th call (from 0) happened; the order of numbers is the order of messages, so some are late: two
    /// seconds at most for 97 of 100, a minute for nearly all, up to twenty minutes for one of 1,000.
    pub fn at(&self, n: u64, rng: &mut Xoshiro256PlusPlus) -> i64 {
        let n = n.min(self.calls.saturating_sub(1));
        let stretch = self.ends.partition_point(|end| *end <= n);
        let first = stretch.checked_sub(1).map_or(0, |before| self.ends[before]);
        let length = (self.ends.get(stretch).copied().unwrap_or(self.calls) - first).max(1);
        let within = STRETCH_MS * (n - first) as i64 / length as i64;
        let late = match rng.random_range(0..1_000u32) {
            0 => 1_200_000,
            1..30 => 60_000,
            _ => 2_000,
        };
        let at = self.from_ms + STRETCH_MS * stretch as i64 + within - rng.random_range(0..late);
        at.max(self.from_ms)
    }
}
