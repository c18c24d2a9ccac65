//! How far the command is, told on stderr now and then.

use std::time::{Duration, Instant};

/// How often.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// Counts the steps of something that takes long.
pub struct Told {
    what: &'static str,
    total: u64,
    count: u64,
    at: Instant,
}

impl Told {
    /// Nothing is done yet of so many steps.
    pub fn new(what: &'static str, total: u64) -> Self {
        Self { what, total, count: 0, at: Instant::now() }
    }

    /// One more is done.
    pub fn step(&mut self) {
        self.count += 1;
        // A clock costs more than most steps.
        if self.count.is_multiple_of(1024) && self.at.elapsed() >= LINE_INTERVAL {
            self.at = Instant::now();
            eprintln!("{} {} of {}", self.what, self.count, self.total);
        }
    }
}
