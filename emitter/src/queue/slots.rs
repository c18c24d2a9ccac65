//! The segment that writers append to, and those that stand ready to follow it.

use super::segment::Segment;
use super::{AppendError, Position};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Shared by all writers and the keeper. The lock is held for a few instructions only, never during input or output,
/// and never while a record is copied.
pub(super) struct Slots {
    line: RwLock<Line>,
    /// Why no spare may be there: the queue's limit.
    full: AtomicBool,
}

struct Line {
    /// Where writers append; `None` before the first spare has come.
    active: Option<Arc<Segment>>,
    /// What follows, in order.
    spares: VecDeque<Arc<Segment>>,
    /// Number of the segment that follows the active one.
    next_sequence: u64,
}

impl Slots {
    pub fn new(first_sequence: u64) -> Self {
        let line = Line { active: None, spares: VecDeque::new(), next_sequence: first_sequence };
        Self { line: RwLock::new(line), full: AtomicBool::new(false) }
    }

    pub fn active(&self) -> Option<Arc<Segment>> {
        self.read().active.clone()
    }

    pub fn active_sequence(&self) -> Option<u64> {
        self.read().active.as_ref().map(|active| active.sequence())
    }

    pub fn spares(&self) -> usize {
        self.read().spares.len()
    }

    /// Puts a new segment at the end of the line.
    pub fn offer_spare(&self, segment: Segment) {
        self.write().spares.push_back(Arc::new(segment));
    }

    /// Says whether the queue's limit keeps spares from being made.
    pub fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::Relaxed);
    }

    /// Puts the next spare in the place of `ended`, unless another writer has done it. Returns the segment that was
    /// replaced: whoever drops it last unmaps it, which takes too long for a writer.
    pub fn roll(&self, ended: Option<Arc<Segment>>) -> Result<Option<Arc<Segment>>, AppendError> {
        if self.spares() > 0 {
            let mut line = self.write();
            let sequence =
                |segment: &Option<Arc<Segment>>| segment.as_ref().map(|segment| segment.sequence());
            if sequence(&line.active) != sequence(&ended) {
                return Ok(None);
            }
            if let Some(spare) = line.spares.pop_front() {
                line.next_sequence = spare.sequence() + 1;
                line.active = Some(spare);
                return Ok(ended);
            }
        }
        Err(if self.full.load(Ordering::Relaxed) { AppendError::Full } else { AppendError::NotReady })
    }

    /// Behind every record that was accepted so far.
    pub fn tail(&self) -> Position {
        let line = self.read();
        match &line.active {
            Some(active) => Position { sequence: active.sequence(), offset: active.tail() },
            None => Position { sequence: line.next_sequence, offset: 0 },
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Line> {
        self.line.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Line> {
        self.line.write().unwrap_or_else(PoisonError::into_inner)
    }
}
