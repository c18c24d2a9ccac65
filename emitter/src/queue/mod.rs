//! A queue of byte records on disk that any number of threads append to without waiting, and one thread reads.
//!
//! * `record.rs` and `segment.rs` document the format; `directory.rs` the files.
//! * An append that returned is in the kernel's page cache: the death of the process, at any instruction, loses
//!   none of them. After a power loss the last seconds may be missing (see [`Settings::sync_interval`]); what is
//!   damaged is detected by checksums, and reading goes on behind it.
//! * No append waits for a disk or for a lock under which somebody does: segments are made ahead by the keeper's
//!   thread, and if none is ready the append is refused.
//! * Records are read in the order of their places. An acknowledged prefix is remembered in the file, a segment
//!   without unacknowledged records is removed.

mod directory;
mod keeper;
mod mapping;
mod reader;
mod record;
mod recovery;
mod segment;
mod slots;
#[cfg(test)]
mod tests;

pub(crate) use reader::{Entry, Reader};
pub(crate) use record::Record;
pub(crate) use recovery::Recovered;

use crate::trouble::TroubleCell;
use directory::{Directory, DirectoryError};
use keeper::{Keeper, Released, Work};
use segment::{Ended, Segment};
use slots::Slots;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How a queue uses its folder.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The folder.
    pub directory: PathBuf,
    /// Length of a segment file.
    pub segment_bytes: u64,
    /// Most room that all segment files together may take.
    pub queue_bytes_max: u64,
    /// How often pages are written back to the disk; `None` leaves it to the kernel (about 30 s).
    pub sync_interval: Option<Duration>,
}

/// A place in the queue. Places are ordered as records are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    /// Number of the segment.
    pub sequence: u64,
    /// Byte in the segment.
    pub offset: usize,
}

/// Why a queue cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("is in use by {holder}")]
    Locked { holder: String },
    #[error("holds `{file}` of format version {version}, which a later version of this library wrote")]
    Newer { file: String, version: u32 },
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Why a record was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AppendError {
    /// It does not fit a segment.
    TooLarge { bytes: usize, bytes_max: usize },
    /// The queue takes all the room it may.
    Full,
    /// The next segment is not ready: the disk is full, or slower than the writers.
    NotReady,
}

/// An open queue. Its folder is locked as long as it or its reader lives.
pub(crate) struct Queue {
    shared: Arc<Shared>,
    keeper: Option<JoinHandle<()>>,
}

/// What writers, reader and keeper share.
struct Shared {
    directory: Directory,
    segment_bytes: u64,
    queue_bytes_max: u64,
    sync_interval: Option<Duration>,
    slots: Slots,
    /// Held for a few instructions only, never during input or output.
    work: Mutex<Work>,
    wake_keeper: Condvar,
    disk_trouble: TroubleCell,
}

impl Queue {
    /// Locks the folder, reads what an earlier process left there, and prepares the first segment, if there is room.
    pub fn open(settings: &Settings) -> Result<(Self, Reader, Recovered), OpenError> {
        let directory = Directory::open(&settings.directory).map_err(|error| match error {
            DirectoryError::Locked { holder } => OpenError::Locked { holder },
            DirectoryError::Io(error) => OpenError::Io(error),
        })?;
        let first_sequence = directory.highest()? + 1;
        let (left_behind, recovered) = recovery::recover(&directory)?;
        let shared = Arc::new(Shared {
            directory,
            segment_bytes: settings.segment_bytes,
            queue_bytes_max: settings.queue_bytes_max,
            sync_interval: settings.sync_interval,
            slots: Slots::new(first_sequence),
            work: Mutex::default(),
            wake_keeper: Condvar::new(),
            disk_trouble: TroubleCell::default(),
        });
        let bytes_on_disk = left_behind.iter().map(|file| file.bytes).sum::<u64>();
        let mut keeper = Keeper::new(Arc::clone(&shared), first_sequence, bytes_on_disk);
        // Here and now, so that a folder that cannot be written to is an error of the start. A disk without room is
        // none: what waits there goes out, which makes room.
        if let Err(error) = keeper.prepare_spares() {
            if !matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
                return Err(error.into());
            }
            shared.disk_trouble.begin(error.to_string());
        }
        let keeper =
            std::thread::Builder::new().name("emitter-disk".to_owned()).spawn(move || keeper.run())?;
        let left_behind = left_behind.into_iter().map(|file| file.sequence).collect();
        let reader = Reader::new(Arc::clone(&shared), left_behind, first_sequence);
        Ok((Self { shared, keeper: Some(keeper) }, reader, recovered))
    }

    /// Appends a record: when this returns `Ok`, the record survives the death of the process.
    pub fn append(&self, record: &Record<'_>) -> Result<(), AppendError> {
        let bytes_max = Segment::record_bytes_max(self.shared.segment_bytes as usize);
        if record.key.len() > record::KEY_BYTES_MAX || record.size() > bytes_max {
            return Err(AppendError::TooLarge { bytes: record.size(), bytes_max });
        }
        loop {
            // Cloned, not borrowed: a writer that faults on a page must not hold up the one that rolls.
            let active = self.shared.slots.active();
            match active.as_ref().map(|segment| segment.append(record)) {
                Some(Ok(_end)) => return Ok(()),
                Some(Err(Ended)) | None => {
                    let replaced = self.shared.slots.roll(active)?;
                    self.shared.ask_keeper(|work| {
                        work.rolled = true;
                        work.retired.extend(replaced);
                    });
                }
            }
        }
    }

    /// Behind every record that was accepted so far.
    pub fn tail(&self) -> Position {
        self.shared.slots.tail()
    }

    /// What the disk refuses to do, if anything.
    pub fn disk_trouble(&self) -> &TroubleCell {
        &self.shared.disk_trouble
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.shared.ask_keeper(|work| work.stop = true);
        if let Some(keeper) = self.keeper.take() {
            let _panicked = keeper.join();
        }
    }
}

impl Shared {
    /// Says that every record of a segment is acknowledged.
    fn release(&self, released: Released) {
        self.ask_keeper(|work| work.released.push(released));
    }

    fn ask_keeper(&self, what: impl FnOnce(&mut Work)) {
        what(&mut self.work.lock().unwrap_or_else(PoisonError::into_inner));
        self.wake_keeper.notify_one();
    }
}
