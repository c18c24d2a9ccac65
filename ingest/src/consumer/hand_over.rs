//! From the open batch to the writer, without ever waiting for it for long.

use super::{ClosedBatch, ConsumerLoop, ConsumerParts, POLL_MAX};
use crate::batch::Trigger;
use crate::metrics;
use anyhow::bail;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, TryAcquireError};

/// How long a full batch waits for the writer before the partitions are handed back. Fetched messages are thrown away
/// then, so not for every short wait; and it must be far below the group's `max.poll.interval.ms`.
const HOLD_AFTER: Duration = Duration::from_secs(2);

impl ConsumerLoop {
    /// Hands the batch to the writer if it is due. Returns false when the writer has ended.
    pub(super) fn hand_over(&mut self, runtime: &Handle) -> anyhow::Result<bool> {
        let now = Instant::now();
        let Some(trigger) = self.batch.is_due(&self.parts.limits, now) else { return Ok(true) };
        let room = Arc::clone(&self.parts.room);
        match Arc::clone(&room).try_acquire_owned() {
            Ok(room) => return self.send(room, trigger),
            Err(TryAcquireError::Closed) => return Ok(false),
            Err(TryAcquireError::NoPermits) => {}
        }
        if self.held || self.batch.is_full(&self.parts.limits).is_none() {
            return Ok(true);
        }
        if now.duration_since(*self.full_since.get_or_insert(now)) >= HOLD_AFTER {
            tracing::warn!("the writer is behind: reading stops until it has room");
            self.hold()?;
            return Ok(true);
        }
        match runtime.block_on(async { tokio::time::timeout(POLL_MAX, room.acquire_owned()).await }) {
            Ok(Ok(room)) => self.send(room, trigger),
            Ok(Err(_)) => Ok(false),
            // Polled again without taking more than a few messages: the batch's limits are soft.
            Err(_) => Ok(true),
        }
    }

    fn send(&mut self, room: OwnedSemaphorePermit, trigger: Trigger) -> anyhow::Result<bool> {
        let closed = self.close(trigger, room)?;
        if self.parts.batches.send(closed).is_err() {
            return Ok(false);
        }
        self.full_since = None;
        if self.held {
            self.release()?;
        }
        Ok(true)
    }

    fn close(&mut self, trigger: Trigger, room: OwnedSemaphorePermit) -> anyhow::Result<ClosedBatch> {
        let mut batch = std::mem::take(&mut self.batch);
        batch.runs.extend(self.tracks.take_runs());
        for run in &batch.runs {
            if !run.row().adds_up() {
                metrics::broken_sum();
                bail!("a batch does not add up and is not written: {run:?}; this is a defect of ingest");
            }
        }
        Ok(ClosedBatch { batch, trigger, room })
    }

    /// The last batch. Waits for the writer's room, which is there soon, or never when ClickHouse is away: then the
    /// writer ends by itself, and the messages are read again after the next start.
    pub(super) fn finish(mut self, runtime: &Handle) -> anyhow::Result<()> {
        if self.batch.is_open()
            && let Ok(room) = runtime.block_on(Arc::clone(&self.parts.room).acquire_owned())
        {
            self.send(room, Trigger::Shutdown)?;
        }
        // The writer commits its last offsets before the consumer leaves the group.
        let ConsumerParts { client, batches, writer_ended, .. } = self.parts;
        drop(batches);
        let _ = runtime.block_on(writer_ended);
        client.end(self.consumer);
        Ok(())
    }
}
