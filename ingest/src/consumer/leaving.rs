//! Partitions that leave: the group took them away, and they are read on until another worker has begun.
//!
//! A change of the group takes a second or more: each member hears of it, joins anew, and joins once more when others
//! have let go; a member that comes or goes meanwhile makes that begin again. Nobody would read a partition all that
//! time. That two workers read it for a moment instead is no more than what a frozen worker does that wakes up.

use super::ConsumerLoop;
use crate::topic::Partition;
use rdkafka::consumer::Consumer;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// How often it is looked whether somebody has begun.
const LOOK_EVERY: Duration = Duration::from_millis(250);

impl ConsumerLoop {
    /// Leaves the group and reads on until others have begun, if there are others.
    ///
    /// A worker with a name keeps its partitions while it is away: nobody else would begin.
    pub(super) fn leave(&mut self, runtime: &Handle) -> anyhow::Result<()> {
        if self.parts.has_name || self.tracks.are_all_ours() {
            return Ok(());
        }
        let left_at = Instant::now();
        self.consumer.unsubscribe();
        while !self.tracks.all().is_empty() && left_at.elapsed() < self.parts.read_on_max {
            if !self.turn(runtime)? {
                break;
            }
        }
        Ok(())
    }

    /// The group took a partition away.
    pub(super) fn read_on(&mut self, partition: Partition) {
        if self.tracks.leaves(partition, Instant::now()) {
            self.parts.progress.set_leaving(partition, true);
        } else {
            self.let_go(partition);
        }
    }

    /// Lets go of partitions that another worker reads now, and of those that nobody took for too long.
    pub(super) fn look_who_has_begun(&mut self) -> anyhow::Result<()> {
        let leaving = self.tracks.leaving();
        if leaving.is_empty() || self.looked_at.elapsed() < LOOK_EVERY {
            return Ok(());
        }
        self.looked_at = Instant::now();
        let partitions: Vec<Partition> = leaving.iter().map(|(partition, _)| *partition).collect();
        let begun = self.parts.client.begun_by_others(&partitions).unwrap_or_else(|error| {
            tracing::debug!("cannot ask who has begun to read: {error}");
            Vec::new()
        });
        let read_on_max = self.parts.read_on_max;
        for (partition, since) in leaving {
            if begun.contains(&partition) {
                tracing::info!("{partition} is read by another worker now");
            } else if since.elapsed() >= read_on_max {
                tracing::info!(
                    "{partition} was taken away, and nobody has begun to read it for {read_on_max:?}"
                );
            } else {
                continue;
            }
            self.unassign(&[partition])?;
            self.let_go(partition);
        }
        Ok(())
    }
}
