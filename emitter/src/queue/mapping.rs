//! A file in memory, shared with the kernel's page cache: what is stored here survives the death of the process.
//!
//! All unsafe code of the queue stands in this file. Words are only ever touched atomically; plain bytes are written
//! once, by the thread that claimed them, and read after that thread has sealed them with a release store.

use memmap2::{MmapOptions, MmapRaw};
use std::fs::File;
use std::io;
use std::sync::atomic::AtomicU64;

/// A whole file, mapped shared and writable.
///
/// The file must keep its length while it is mapped: reading behind the end of a file that somebody truncated ends
/// the process. The directory's lock keeps other emitters away, and its mode other users.
pub(super) struct Mapping(MmapRaw);

impl Mapping {
    /// Maps the file as long as it is now.
    pub fn new(file: &File) -> io::Result<Self> {
        MmapOptions::new().map_raw(file).map(Self)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The word at `offset`.
    ///
    /// # Panics
    /// If it is not aligned, or not inside the file: callers check what they read from a file before they go there.
    pub fn word(&self, offset: usize) -> &AtomicU64 {
        assert!(offset.is_multiple_of(8) && offset + 8 <= self.len(), "no word lies at {offset}");
        // SAFETY: the mapping is page-aligned, so the pointer is aligned and inside it; the borrow keeps it alive;
        // claims, seals and cursors are never accessed in another way than through this method.
        unsafe { AtomicU64::from_ptr(self.0.as_mut_ptr().add(offset).cast()) }
    }

    /// Copies `bytes` to `offset`.
    ///
    /// # Safety
    /// The range must have been claimed by the calling thread, and not be sealed: then nobody else touches it.
    ///
    /// # Panics
    /// If the range is not inside the file.
    pub unsafe fn write(&self, offset: usize, bytes: &[u8]) {
        assert!(offset + bytes.len() <= self.len(), "no room at {offset} for {} bytes", bytes.len());
        // SAFETY: in bounds by the check above; exclusive by the caller's promise.
        unsafe { self.0.as_mut_ptr().add(offset).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) }
    }

    /// The bytes of a range.
    ///
    /// # Safety
    /// Nobody may write there any more: the range is sealed (and the caller has seen the seal), or the file belongs
    /// to an earlier process.
    ///
    /// # Panics
    /// If the range is not inside the file.
    pub unsafe fn bytes(&self, offset: usize, length: usize) -> &[u8] {
        assert!(offset + length <= self.len(), "no {length} bytes lie at {offset}");
        // SAFETY: in bounds by the check above; not written to by the caller's promise.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().add(offset), length) }
    }

    /// Makes all pages present and writable now, so that the first write to each does not wait for the file system.
    /// Only an optimisation: kernels before 5.14 refuse it, and then the pages come one by one.
    pub fn prefault(&self) {
        #[cfg(target_os = "linux")]
        let _refused_by_old_kernels = self.0.advise(memmap2::Advice::PopulateWrite);
    }

    /// Writes changed pages to the disk and waits for it (`msync`).
    pub fn sync(&self) -> io::Result<()> {
        self.0.flush()
    }
}
