//! What an emitter has done, in numbers.

use crate::clock;
use crate::queue::Recovered;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// A snapshot. At every quiet moment `recovered + accepted = acknowledged + kafka_refused + queued_records`, as long
/// as nothing is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Calls for which `emit()` returned `Ok`.
    pub accepted: u64,
    /// Calls refused because the queue was full.
    pub refused_full: u64,
    /// Calls refused because no segment was ready: the disk was full or too slow.
    pub refused_not_ready: u64,
    /// Calls refused for what they are: out of bounds, too large, or after `shutdown()`.
    pub refused_invalid: u64,
    /// Calls found in the queue at the start.
    pub recovered: u64,
    /// Unreadable stretches found in the queue at the start, and records that became unreadable while they waited.
    /// Must stay 0, unless a power loss hit the machine.
    pub damaged: u64,
    /// Messages given to Kafka's client, those given again included.
    pub published: u64,
    /// Messages that were given to Kafka's client again, as the first try did not come through.
    pub retried: u64,
    /// Calls that Kafka has acknowledged (and every call before them).
    pub acknowledged: u64,
    /// Calls that Kafka will never take, moved to `refused.jsonl` in the queue's folder; should stay 0.
    pub kafka_refused: u64,
    /// Calls that wait to be acknowledged.
    pub queued_records: u64,
    /// Room that they take on the disk, in bytes.
    pub queued_bytes: u64,
    /// How long the oldest of them has been waiting; zero if none waits.
    pub oldest_age: Duration,
}

/// The numbers as they are counted.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub accepted: AtomicU64,
    pub refused_full: AtomicU64,
    pub refused_not_ready: AtomicU64,
    pub refused_invalid: AtomicU64,
    pub published: AtomicU64,
    pub retried: AtomicU64,
    pub kafka_refused: AtomicU64,
    pub unreadable: AtomicU64,
    recovered: Recovered,
    accepted_bytes: AtomicU64,
    settled: AtomicU64,
    settled_bytes: AtomicU64,
    /// Unix milliseconds; 0 while nothing waits.
    oldest_accepted_at_ms: AtomicI64,
}

impl Tally {
    pub fn new(recovered: Recovered) -> Self {
        Self { recovered, ..Self::default() }
    }

    /// Counts one.
    pub fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub fn accept(&self, bytes: usize) {
        self.accepted_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        Self::count(&self.accepted);
    }

    /// Counts records that need not be kept any more.
    pub fn settle(&self, records: u64, bytes: u64) {
        self.settled_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.settled.fetch_add(records, Ordering::Relaxed);
    }

    pub fn set_oldest(&self, accepted_at_ms: Option<i64>) {
        self.oldest_accepted_at_ms.store(accepted_at_ms.unwrap_or(0), Ordering::Relaxed);
    }

    pub fn snapshot(&self) -> Counters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        // Settled before accepted: a call that comes between must not make the difference negative.
        let (settled, settled_bytes) = (read(&self.settled), read(&self.settled_bytes));
        let (accepted, accepted_bytes) = (read(&self.accepted), read(&self.accepted_bytes));
        let (kafka_refused, unreadable) = (read(&self.kafka_refused), read(&self.unreadable));
        let oldest = self.oldest_accepted_at_ms.load(Ordering::Relaxed);
        let waiting_ms = if oldest == 0 { 0 } else { clock::now_ms().saturating_sub(oldest).max(0) };
        Counters {
            accepted,
            refused_full: read(&self.refused_full),
            refused_not_ready: read(&self.refused_not_ready),
            refused_invalid: read(&self.refused_invalid),
            recovered: self.recovered.records,
            damaged: self.recovered.damaged + unreadable,
            published: read(&self.published),
            retried: read(&self.retried),
            acknowledged: settled.saturating_sub(kafka_refused + unreadable),
            kafka_refused,
            queued_records: (self.recovered.records + accepted).saturating_sub(settled),
            queued_bytes: (self.recovered.record_bytes + accepted_bytes).saturating_sub(settled_bytes),
            oldest_age: Duration::from_millis(waiting_ms as u64),
        }
    }
}
