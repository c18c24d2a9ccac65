//! The thread that does the queue's slow work, so that `emit()` never waits for a disk: it prepares segments ahead,
//! removes acknowledged ones, and writes pages back in time for a power loss, if that is asked for.

use super::Shared;
use super::segment::Segment;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// Segments that stand ready besides the one being written to: one to roll into, one for the time it takes to make
/// the next.
const SPARES: usize = 2;
/// How long after a failure the disk is asked again.
const RETRY_DELAY: Duration = Duration::from_millis(500);
/// How long writers of a full segment are given before it is looked at again.
const RETIRE_DELAY: Duration = Duration::from_millis(20);

/// What other threads leave for the keeper to do.
#[derive(Default)]
pub(super) struct Work {
    /// A segment is full, and a spare may have been taken for it.
    pub rolled: bool,
    /// Segments that are full; a writer may still be copying its last record there.
    pub retired: Vec<Arc<Segment>>,
    /// Segments of which every record is acknowledged.
    pub released: Vec<Released>,
    /// The queue is being closed.
    pub stop: bool,
}

/// A file that the queue does not need any more.
#[derive(Debug, Clone, Copy)]
pub(super) struct Released {
    pub sequence: u64,
    /// Its length.
    pub bytes: u64,
    /// Parts of it could not be read: it is kept as evidence.
    pub damaged: bool,
}

/// The keeper's own state.
pub(super) struct Keeper {
    shared: Arc<Shared>,
    next_sequence: u64,
    /// Length of all segment files together.
    bytes_on_disk: u64,
    retired: Vec<Arc<Segment>>,
    released: VecDeque<Released>,
    retry_at: Option<Instant>,
    synced_at: Instant,
}

impl Keeper {
    pub fn new(shared: Arc<Shared>, next_sequence: u64, bytes_on_disk: u64) -> Self {
        Self {
            shared,
            next_sequence,
            bytes_on_disk,
            retired: Vec::new(),
            released: VecDeque::new(),
            retry_at: None,
            synced_at: Instant::now(),
        }
    }

    /// Works until [`Work::stop`].
    pub fn run(mut self) {
        loop {
            if self.retry_at.is_none_or(|at| at <= Instant::now()) {
                self.work();
            }
            if !self.wait() {
                return;
            }
        }
    }

    fn work(&mut self) {
        // One that fails must not keep the others from being done.
        let outcomes =
            [self.remove_released(), self.prepare_spares(), self.sync_when_due(), self.drop_retired()];
        let error = outcomes.into_iter().find_map(Result::err);
        self.retry_at = error.is_some().then(|| Instant::now() + RETRY_DELAY);
        match error {
            None => self.shared.disk_trouble.end(),
            Some(error) => self.shared.disk_trouble.begin(error.to_string()),
        }
    }

    /// Waits for something to do; `false` at the end.
    fn wait(&mut self) -> bool {
        let idle = |work: &mut Work| {
            !work.rolled && work.retired.is_empty() && work.released.is_empty() && !work.stop
        };
        let patience = self.patience();
        let work = self.shared.work.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.shared.wake_keeper.wait_timeout_while(work, patience, idle);
        let mut work = waited.unwrap_or_else(PoisonError::into_inner).0;
        self.retired.append(&mut work.retired);
        self.released.extend(work.released.drain(..));
        work.rolled = false;
        !work.stop
    }

    /// How long to wait when nobody asks for anything.
    fn patience(&self) -> Duration {
        let retire = (!self.retired.is_empty()).then_some(RETIRE_DELAY);
        let retry = self.retry_at.map(|at| at.saturating_duration_since(Instant::now()));
        let sync = self.shared.sync_interval.map(|every| every.saturating_sub(self.synced_at.elapsed()));
        retry.or(retire.into_iter().chain(sync).min()).unwrap_or(Duration::MAX)
    }

    fn remove_released(&mut self) -> io::Result<()> {
        let directory = &self.shared.directory;
        while let Some(released) = self.released.front() {
            if released.damaged {
                let path =
                    directory.set_aside(released.sequence).map_err(doing("set a damaged segment aside"))?;
                tracing::error!(file = %path.display(), "a segment had unreadable stretches: it is kept");
            } else {
                directory.remove_segment(released.sequence).map_err(doing("remove a published segment"))?;
            }
            self.bytes_on_disk = self.bytes_on_disk.saturating_sub(released.bytes);
            self.released.pop_front();
        }
        Ok(())
    }

    /// Makes segments until enough stand ready or the limit is reached.
    pub fn prepare_spares(&mut self) -> io::Result<()> {
        while self.shared.slots.spares() < SPARES {
            let full = self.bytes_on_disk + self.shared.segment_bytes > self.shared.queue_bytes_max;
            self.shared.slots.set_full(full);
            if full {
                break;
            }
            let (sequence, bytes) = (self.next_sequence, self.shared.segment_bytes);
            let sync = self.shared.sync_interval.is_some();
            let made = self.shared.directory.create_segment(sequence, bytes, sync);
            self.shared.slots.offer_spare(made.map_err(doing("make a new segment"))?);
            self.next_sequence += 1;
            self.bytes_on_disk += bytes;
        }
        Ok(())
    }

    fn sync_when_due(&mut self) -> io::Result<()> {
        if self.shared.sync_interval.is_some_and(|every| self.synced_at.elapsed() >= every) {
            if let Some(active) = self.shared.slots.active() {
                active.sync().map_err(doing("write a segment to the disk"))?;
            }
            self.synced_at = Instant::now();
        }
        Ok(())
    }

    /// Unmaps full segments here, as unmapping takes too long for `emit()`.
    fn drop_retired(&mut self) -> io::Result<()> {
        while let Some(at) = self.retired.iter().position(|segment| Arc::strong_count(segment) == 1) {
            if self.shared.sync_interval.is_some() {
                self.retired[at].sync().map_err(doing("write a full segment to the disk"))?;
            }
            self.retired.swap_remove(at);
        }
        Ok(())
    }
}

/// Says what was being done when an error came.
fn doing(what: &'static str) -> impl Fn(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("cannot {what}: {error}"))
}
