//! Growing, jittered delays without end.

use rand::RngExt;
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(10);

/// How long to wait after the next failure.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Something succeeded: the next delay is a short one.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// The next delay: doubled each time up to 10 s, and between half of that and all of it, so that many emitters
    /// do not come back in the same instant.
    pub fn next_delay(&mut self) -> Duration {
        let whole = FIRST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        rand::rng().random_range(whole / 2..=whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_a_bound_and_begin_anew_after_a_success() {
        let mut backoff = Backoff::default();
        for _ in 0..3 {
            for expected in [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000] {
                let whole = Duration::from_millis(expected);
                let delay = backoff.next_delay();
                assert!((whole / 2..=whole).contains(&delay), "{delay:?} for {whole:?}");
            }
            backoff.reset();
        }
    }
}
