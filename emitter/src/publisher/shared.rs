//! What the publisher shares with the emitter: counts, trouble, how far it has come, and whether to end.

use crate::counters::Tally;
use crate::queue::Position;
use crate::trouble::TroubleCell;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What the publisher shares with the emitter.
#[derive(Debug)]
pub(crate) struct Shared {
    pub tally: Tally,
    pub trouble: Arc<TroubleCell>,
    progress: Mutex<Progress>,
    moved: Condvar,
}

#[derive(Debug)]
struct Progress {
    /// Every record before is settled.
    settled: Position,
    stop: bool,
}

impl Shared {
    pub fn new(tally: Tally) -> Self {
        let settled = Position { sequence: 0, offset: 0 };
        Self {
            tally,
            trouble: Arc::default(),
            progress: Mutex::new(Progress { settled, stop: false }),
            moved: Condvar::new(),
        }
    }

    /// Waits until every record before `place` is settled; `false` if that takes longer than `timeout`.
    pub fn wait_for(&self, place: Position, timeout: Duration) -> bool {
        let progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .moved
            .wait_timeout_while(progress, timeout, |progress| progress.settled < place && !progress.stop);
        waited.unwrap_or_else(PoisonError::into_inner).0.settled >= place
    }

    /// Tells the publisher to end.
    pub fn stop(&self) {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).stop = true;
        self.moved.notify_all();
    }

    /// Whether the end has been asked for.
    pub fn stopped(&self) -> bool {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).stop
    }

    /// Tells how far records are settled.
    pub fn set_settled(&self, place: Position) {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        if progress.settled != place {
            progress.settled = place;
            self.moved.notify_all();
        }
    }

    /// Waits for `delay`, or until the end.
    pub fn pause(&self, delay: Duration) {
        let until = Instant::now() + delay;
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        while !progress.stop && Instant::now() < until {
            let left = until.saturating_duration_since(Instant::now());
            progress = self.moved.wait_timeout(progress, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
