//! Telling a message that is too large from a batch that is too large.
//!
//! A broker whose topic allows less than the client's batch size refuses the whole batch, with the same error as for
//! a single message. So what was refused is tried again in ever smaller batches, in the end one message a batch: what
//! is refused then is refused for itself.

/// Largest batch of each level: bytes, and messages.
const LEVELS: [Batch; 4] = [
    Batch { bytes: 1_000_000, messages: 10_000 },
    Batch { bytes: 100_000, messages: 10_000 },
    Batch { bytes: 10_000, messages: 10_000 },
    Batch { bytes: 10_000, messages: 1 },
];

/// How large a batch may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Batch {
    pub bytes: u32,
    pub messages: u32,
}

/// What a refusal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The batch was too large: all is to be sent again, in smaller ones.
    OfBatch,
    /// The message was alone.
    OfMessage,
}

/// The present limit.
#[derive(Debug, Default)]
pub(super) struct BatchLimit {
    level: usize,
    /// The largest that is known to work.
    home: usize,
    /// Behind the last message that was, or could have been, in a refused batch.
    suspects_end: Option<u64>,
    /// A message was found that is too large by itself.
    found: bool,
}

impl BatchLimit {
    /// The limit, or `None` while the client's own settings hold.
    pub fn batch(&self) -> Option<Batch> {
        (self.level > 0).then(|| LEVELS[self.level])
    }

    /// A batch was refused while messages up to `end` (excluded) were on their way.
    pub fn refuse(&mut self, end: u64) -> Refusal {
        if self.level + 1 == LEVELS.len() {
            self.found = true;
            return Refusal::OfMessage;
        }
        self.level += 1;
        self.suspects_end = self.suspects_end.max(Some(end));
        Refusal::OfBatch
    }

    /// Everything before message `first` is done. Returns whether the limit has changed.
    pub fn advance(&mut self, first: u64) -> bool {
        if self.suspects_end.is_none_or(|end| first < end) {
            return false;
        }
        self.suspects_end = None;
        if std::mem::take(&mut self.found) {
            // It was the message's fault: larger batches are fine for the others.
            let changed = self.level != self.home;
            self.level = self.home;
            changed
        } else {
            self.home = self.level;
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_refused_only_when_it_was_alone() {
        let mut limit = BatchLimit::default();
        assert_eq!(limit.batch(), None);
        for level in &LEVELS[1..] {
            assert_eq!(limit.refuse(10), Refusal::OfBatch);
            assert_eq!(limit.batch(), Some(*level));
        }
        assert_eq!(limit.batch().unwrap().messages, 1);
        assert_eq!(limit.refuse(10), Refusal::OfMessage);
    }

    #[test]
    fn batches_grow_again_behind_a_message_that_was_too_large() {
        let mut limit = BatchLimit::default();
        for _ in 0..4 {
            limit.refuse(10);
        }
        assert!(!limit.advance(9));
        assert!(limit.advance(10));
        assert_eq!(limit.batch(), None);
    }

    #[test]
    fn batches_stay_small_where_the_broker_takes_no_larger_ones() {
        let mut limit = BatchLimit::default();
        limit.refuse(10);
        assert!(!limit.advance(10));
        assert_eq!(limit.batch(), Some(LEVELS[1]));
        // A message too large, later: back to what worked, not to what did not.
        for _ in 0..3 {
            limit.refuse(20);
        }
        assert!(limit.advance(20));
        assert_eq!(limit.batch(), Some(LEVELS[1]));
    }
}
