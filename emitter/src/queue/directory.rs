//! The queue's folder: its lock, the names of its files, and how a segment file comes into being.
//!
//! ```text
//! lock                             held (flock) by the process that owns the folder; names it
//! 00000000000000000042.segment     records, in the order of the numbers
//! 00000000000000000041.damaged     a segment with unreadable stretches; all else in it has been published
//! 00000000000000000043.new         a segment in the making; removed at the next start
//! refused.jsonl                    messages that Kafka will never take, with the reason
//! ```

use super::segment::Segment;
use rustix::fs::FallocateFlags;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A folder that this process, and no other, may use as a queue.
pub(super) struct Directory {
    path: PathBuf,
    /// Unlocked by the kernel when the process dies.
    lock: File,
}

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum DirectoryError {
    #[error("is in use by {holder}")]
    Locked { holder: String },
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Directory {
    /// Creates the folder if it is missing (for its owner only: messages name organisations and members), locks it
    /// and removes files that were never finished.
    pub fn open(path: &Path) -> Result<Self, DirectoryError> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        let lock = lock(&path.join("lock"))?;
        let directory = Self { path: path.to_owned(), lock };
        for unfinished in directory.files("new")? {
            fs::remove_file(directory.file(unfinished, "new"))?;
        }
        Ok(directory)
    }

    /// Numbers of the segment files, rising.
    pub fn segments(&self) -> io::Result<Vec<u64>> {
        self.files("segment")
    }

    /// The highest number ever given to a file that is still here.
    pub fn highest(&self) -> io::Result<u64> {
        Ok(self.files("segment")?.into_iter().chain(self.files("damaged")?).max().unwrap_or(0))
    }

    /// Opens a segment file and maps it.
    pub fn open_segment(&self, sequence: u64) -> io::Result<Segment> {
        let file = OpenOptions::new().read(true).write(true).open(self.file(sequence, "segment"))?;
        Segment::open(&file, sequence)
    }

    /// Makes a segment file of `bytes` zeros behind its header, all of it allocated on the disk, so that a full disk
    /// is an error here and never a signal (`SIGBUS`) to the thread that writes into the mapping later.
    ///
    /// With `sync` the file survives a power loss once this has returned. That takes as long as the disk is busy.
    pub fn create_segment(&self, sequence: u64, bytes: u64, sync: bool) -> io::Result<Segment> {
        let unfinished = self.file(sequence, "new");
        let made = self.make_segment(&unfinished, sequence, bytes, sync);
        if made.is_err() {
            let _still_there = fs::remove_file(&unfinished);
        }
        made
    }

    fn make_segment(&self, unfinished: &Path, sequence: u64, bytes: u64, sync: bool) -> io::Result<Segment> {
        let mut file =
            OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(unfinished)?;
        allocate(&mut file, bytes)?;
        file.write_all_at(&Segment::header(sequence), 0)?;
        if sync {
            file.sync_all()?;
        }
        fs::rename(unfinished, self.file(sequence, "segment"))?;
        if sync {
            File::open(&self.path)?.sync_all()?;
        }
        let segment = Segment::open(&file, sequence)?;
        // After the sync, which would make the pages read-only again.
        segment.prefault();
        Ok(segment)
    }

    /// Cuts a file of an earlier process behind its last record, which gives its free room back to the disk.
    pub fn truncate_segment(&self, sequence: u64, bytes: u64) -> io::Result<()> {
        OpenOptions::new().write(true).open(self.file(sequence, "segment"))?.set_len(bytes)
    }

    /// Removes a segment file; one that somebody else has removed is fine too.
    pub fn remove_segment(&self, sequence: u64) -> io::Result<()> {
        match fs::remove_file(self.file(sequence, "segment")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            outcome => outcome,
        }
    }

    /// Keeps a damaged file as evidence, out of the way; returns its new path.
    pub fn set_aside(&self, sequence: u64) -> io::Result<PathBuf> {
        let aside = self.file(sequence, "damaged");
        fs::rename(self.file(sequence, "segment"), &aside)?;
        Ok(aside)
    }

    fn file(&self, sequence: u64, extension: &str) -> PathBuf {
        self.path.join(format!("{sequence:020}.{extension}"))
    }

    fn files(&self, extension: &str) -> io::Result<Vec<u64>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let path = entry?.path();
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            if path.extension().is_some_and(|of_file| of_file == extension)
                && let Some(sequence) = stem.and_then(|stem| stem.parse().ok())
            {
                found.push(sequence);
            }
        }
        found.sort_unstable();
        Ok(found)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Closing is not enough: a child that this process is just starting holds a copy until it has started.
        let _closing_unlocks_too = self.lock.unlock();
    }
}

fn lock(path: &Path) -> Result<File, DirectoryError> {
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    match file.try_lock() {
        Ok(()) => {
            file.set_len(0)?;
            let command = std::env::args_os().next().unwrap_or_default();
            // A courtesy to whoever finds the folder locked; a full disk may have no room for it.
            let _named = write!(file, "process {} ({})", std::process::id(), command.to_string_lossy());
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            file.read_to_string(&mut holder)?;
            if holder.is_empty() {
                holder = "another process".to_owned();
            }
            Err(DirectoryError::Locked { holder })
        }
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// Reserves the blocks of the whole file.
fn allocate(file: &mut File, bytes: u64) -> io::Result<()> {
    match rustix::fs::fallocate(&*file, FallocateFlags::empty(), 0, bytes) {
        // Some file systems cannot reserve: then the zeros are written.
        Err(rustix::io::Errno::OPNOTSUPP) => {
            let zeros = vec![0; 1 << 16];
            let mut left = bytes;
            while left > 0 {
                let step = left.min(zeros.len() as u64);
                file.write_all(&zeros[..step as usize])?;
                left -= step;
            }
        }
        outcome => outcome?,
    }
    // Not every system makes a file longer by allocating behind its end.
    file.set_len(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_owner_and_the_next_one_is_told_who_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let first = Directory::open(folder.path()).unwrap();
        let Err(DirectoryError::Locked { holder }) = Directory::open(folder.path()) else {
            panic!("the folder was given away twice");
        };
        assert!(holder.starts_with(&format!("process {} (", std::process::id())), "{holder}");
        drop(first);
        Directory::open(folder.path()).unwrap();
    }

    #[test]
    fn files_are_listed_in_the_order_of_their_numbers_and_unfinished_ones_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::open(folder.path()).unwrap();
        for sequence in [10, 9, 100] {
            directory.create_segment(sequence, 8192, true).unwrap();
        }
        fs::write(folder.path().join("00000000000000000101.new"), "").unwrap();
        fs::write(folder.path().join("notes.segment"), "").unwrap();
        drop(directory);
        let directory = Directory::open(folder.path()).unwrap();
        assert_eq!(directory.segments().unwrap(), [9, 10, 100]);
        assert!(!folder.path().join("00000000000000000101.new").exists());
        directory.set_aside(100).unwrap();
        assert_eq!(directory.highest().unwrap(), 100);
    }

    #[test]
    fn a_file_that_cannot_be_allocated_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::open(folder.path()).unwrap();
        // No file system has so much; it is more than a file may have.
        assert!(directory.create_segment(1, 1 << 63, false).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "only the lock may be there");
    }
}
