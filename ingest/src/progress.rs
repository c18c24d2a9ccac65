//! How far each partition of this worker is in the ledger: written by the writer, read by idle rows and metrics.

use crate::topic::Partition;
use proto::Position;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The durable position of each partition that this worker reads. Cloning gives another handle to the same table.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Mutex<BTreeMap<Partition, Point>>>);

/// How far one partition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// Everything up to here is in the ledger, and `batches` says so.
    pub position: Position,
    /// Everything that the broker appended before this instant is too; Unix milliseconds, 0 if not known.
    pub complete_until_ms: i64,
    /// Whether the group took the partition away, and it is only read until its next worker has begun.
    pub is_leaving: bool,
}

impl Progress {
    /// A partition is read from here on.
    pub fn begin(&self, partition: Partition, position: Position) {
        self.table().insert(partition, Point { position, complete_until_ms: 0, is_leaving: false });
    }

    /// A partition leaves, or stays after all.
    pub fn set_leaving(&self, partition: Partition, is_leaving: bool) {
        if let Some(point) = self.table().get_mut(&partition) {
            point.is_leaving = is_leaving;
        }
    }

    /// A partition is no longer read.
    pub fn forget(&self, partition: Partition) {
        self.table().remove(&partition);
    }

    /// A batch row of a partition is durable. Changes nothing if the partition is no longer read.
    pub fn advance(&self, partition: Partition, position: Position, complete_until_ms: i64) {
        if let Some(point) = self.table().get_mut(&partition) {
            point.position = point.position.max(position);
            point.complete_until_ms = point.complete_until_ms.max(complete_until_ms);
        }
    }

    /// Whether a partition is ours: read, and not leaving.
    pub fn is_ours(&self, partition: Partition) -> bool {
        self.table().get(&partition).is_some_and(|point| !point.is_leaving)
    }

    /// All partitions.
    pub fn points(&self) -> BTreeMap<Partition, Point> {
        self.table().clone()
    }

    fn table(&self) -> MutexGuard<'_, BTreeMap<Partition, Point>> {
        // A panic elsewhere leaves the table as valid as before.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
