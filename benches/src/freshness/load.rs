//! A steady load: so many events a second, each about now.

use crate::generator::{Generator, Message, World};
use crate::publisher::Publisher;
use anyhow::Result;
use service::clock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Between two looks at the clock.
const TICK: Duration = Duration::from_millis(10);
/// How long an event may wait for others, as a copilot's emitter has it.
const LINGER: Duration = Duration::from_millis(5);

/// Where a load goes.
pub struct Load<'a> {
    /// Whose calls.
    pub world: &'a World,
    /// Seed of the calls.
    pub seed: u64,
    /// The broker's address.
    pub brokers: &'a str,
    /// The topic.
    pub topic: &'a str,
    /// Its partitions.
    pub partitions: u32,
    /// Events a second.
    pub rate: u64,
    /// Only the largest organisation.
    pub one_organisation: bool,
}

impl Load<'_> {
    /// Publishes until `over` says so, and counts what it has sent. What cannot be sent in time is sent late, not left
    /// out.
    ///
    /// # Errors
    /// If the broker refuses.
    pub fn publish(&self, over: &AtomicBool, sent: &AtomicU64) -> Result<()> {
        let publisher = Publisher::new(self.world, self.brokers, self.topic, self.partitions, LINGER)?;
        let mut generator = Generator::new(self.world, self.seed);
        let mut message = Message::default();
        let started = Instant::now();
        let mut count = 0;
        while !over.load(Ordering::Relaxed) {
            let due = started.elapsed().as_micros() as u64 * self.rate / 1_000_000;
            while count < due {
                let now_ms = clock::now_ms();
                if self.one_organisation {
                    generator.next_by(0, now_ms, &mut message);
                } else {
                    generator.next_at(now_ms, &mut message);
                }
                publisher.send(&message)?;
                count += 1;
            }
            sent.store(count, Ordering::Relaxed);
            std::thread::sleep(TICK);
        }
        publisher.flush()
    }
}
