//! One file of the queue.
//!
//! ```text
//! offset  bytes  field          (all numbers little-endian)
//! 0       8      magic          "AIUQUEUE"
//! 8       4      version        1
//! 12      4      zero
//! 16      8      sequence       the file's number, as in its name
//! 24      8      checksum       crc32 of the 24 bytes before
//! 32      8      cursor         low half: offset up to which Kafka has acknowledged every record; high half:
//!                               crc32(sequence, offset). Zero: none yet
//! 4096           records        see `record.rs`, one behind the other; a zero word, an end mark or the end of the
//!                               file follows the last
//! ```
//!
//! Writers need no lock: the one whose compare-and-swap turns the zero word behind the last record into its claim
//! owns that place. As the claim names the length, the chain of records is complete in the file at every instant,
//! also when a writer dies between claim and seal.

use super::mapping::Mapping;
use super::record::{ALIGNMENT, Claim, FRAME_BYTES, Record, seal, size_of_body};
use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Where records begin. The cursor has a page of its own, which acknowledgements may dirty without touching the
/// pages that `emit()` writes to.
pub(super) const RECORDS_AT: usize = 4096;

const MAGIC: [u8; 8] = *b"AIUQUEUE";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 32;
const CURSOR_AT: usize = 32;
/// Room that stays free behind the last record, so that the end mark always finds a place.
const END_BYTES: usize = ALIGNMENT;

/// A mapped segment file.
pub(super) struct Segment {
    sequence: u64,
    mapping: Mapping,
    /// Behind the last claim that this process knows of: where the search for a free place begins.
    tail: AtomicUsize,
}

/// The record does not fit any more, and no later one will: the segment has been ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ended;

/// What stands at one place of a segment. `end` is where the next record begins.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Slot<'a> {
    /// Nothing, so far.
    Free,
    /// A claim whose record is not sealed.
    Claimed { end: usize },
    /// An accepted record.
    Whole { record: Record<'a>, end: usize },
    /// A sealed record whose bytes are not those that were sealed.
    Broken { end: usize },
    /// A word that is no claim of this place.
    Unreadable,
    /// Nothing, for ever.
    End,
}

/// What the header says about the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Header {
    Valid,
    /// Written by a version of this crate that came later.
    Newer(u32),
    /// Damaged. The records have checksums of their own and can be read all the same.
    Damaged,
}

impl Segment {
    /// The largest record that fits a segment of this length.
    pub fn record_bytes_max(segment_bytes: usize) -> usize {
        segment_bytes.saturating_sub(RECORDS_AT + END_BYTES)
    }

    /// The bytes at the beginning of a new file.
    pub fn header(sequence: u64) -> [u8; HEADER_BYTES] {
        let mut header = [0; HEADER_BYTES];
        header[..8].copy_from_slice(&MAGIC);
        header[8..12].copy_from_slice(&VERSION.to_le_bytes());
        header[16..24].copy_from_slice(&sequence.to_le_bytes());
        let checksum = u64::from(crc32fast::hash(&header[..24]));
        header[24..].copy_from_slice(&checksum.to_le_bytes());
        header
    }

    /// Maps a file, which must be longer than its header page.
    pub fn open(file: &File, sequence: u64) -> io::Result<Self> {
        let mapping = Mapping::new(file)?;
        if mapping.len() < RECORDS_AT {
            let text = format!("{} bytes are less than a header", mapping.len());
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        Ok(Self { sequence, mapping, tail: AtomicUsize::new(RECORDS_AT) })
    }

    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Length of the file.
    pub fn bytes(&self) -> usize {
        self.mapping.len()
    }

    /// Behind the last claim that this process made here.
    pub fn tail(&self) -> usize {
        self.tail.load(Ordering::Acquire)
    }

    pub fn check_header(&self) -> Header {
        // SAFETY: the header is written before the file gets its name, and never after.
        let found = unsafe { self.mapping.bytes(0, HEADER_BYTES) };
        let version = u32::from_le_bytes([found[8], found[9], found[10], found[11]]);
        if found == Self::header(self.sequence) {
            Header::Valid
        } else if found[..8] == MAGIC && version > VERSION {
            Header::Newer(version)
        } else {
            Header::Damaged
        }
    }

    /// Takes the next place, copies the record there and seals it; returns where it ends. Lock-free.
    ///
    /// The record must not be larger than [`Self::record_bytes_max`].
    pub fn append(&self, record: &Record<'_>) -> Result<usize, Ended> {
        let body = Claim::Record { body_bytes: record.body_bytes() };
        let mut offset = self.tail();
        loop {
            let end = offset + record.size();
            let fits = end + END_BYTES <= self.mapping.len();
            let claim = if fits { body } else { Claim::End }.encode(self.sequence, offset);
            let place = self.mapping.word(offset);
            let found = match place.compare_exchange(0, claim.to_le(), Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) if !fits => return Err(Ended),
                Ok(_) => {
                    self.tail.fetch_max(end, Ordering::AcqRel);
                    self.fill(offset, claim, record);
                    return Ok(end);
                }
                Err(found) => u64::from_le(found),
            };
            // Somebody else was here first: behind them, then. An unreadable word ends the segment for writers.
            match self.decode(found, offset) {
                Some((Claim::Record { .. }, next)) => offset = next,
                Some((Claim::End, _)) | None => return Err(Ended),
            }
        }
    }

    /// Copies a record into the place that this thread has claimed, and seals it.
    fn fill(&self, offset: usize, claim: u64, record: &Record<'_>) {
        let (header, key, value, padding) = record.parts();
        let parts = [header.as_slice(), key, value, padding];
        let mut at = offset + FRAME_BYTES;
        for part in parts {
            // SAFETY: the claim is ours and not sealed yet; `append` checked that the record fits.
            unsafe { self.mapping.write(at, part) };
            at += part.len();
        }
        self.mapping.word(offset + 8).store(seal(claim, parts).to_le(), Ordering::Release);
    }

    /// What stands at `offset`, which is [`RECORDS_AT`], the end of a record, or any multiple of 8 of a file that
    /// nobody writes to.
    pub fn slot(&self, offset: usize) -> Slot<'_> {
        if offset + FRAME_BYTES > self.mapping.len() {
            return Slot::End;
        }
        let word = u64::from_le(self.mapping.word(offset).load(Ordering::Acquire));
        if word == 0 {
            return Slot::Free;
        }
        let (body_bytes, end) = match self.decode(word, offset) {
            None => return Slot::Unreadable,
            Some((Claim::End, _)) => return Slot::End,
            Some((Claim::Record { body_bytes }, end)) => (body_bytes, end),
        };
        let found = u64::from_le(self.mapping.word(offset + 8).load(Ordering::Acquire));
        if found == 0 {
            return Slot::Claimed { end };
        }
        // SAFETY: the seal has been seen, so the writer is done with the body.
        let padded = unsafe { self.mapping.bytes(offset + FRAME_BYTES, end - offset - FRAME_BYTES) };
        match Record::from_body(&padded[..body_bytes]) {
            Some(record) if found == seal(word, [padded]) => Slot::Whole { record, end },
            _ => Slot::Broken { end },
        }
    }

    /// The next place at or behind `from` where a record proves itself, in a file that nobody writes to: how
    /// reading goes on behind damage.
    pub fn find_whole(&self, from: usize) -> Option<usize> {
        (from..self.mapping.len()).step_by(ALIGNMENT).find(|&at| matches!(self.slot(at), Slot::Whole { .. }))
    }

    /// Up to where every record is acknowledged; the beginning if the cursor does not prove itself, which repeats
    /// records and loses none.
    pub fn cursor(&self) -> usize {
        let word = u64::from_le(self.mapping.word(CURSOR_AT).load(Ordering::Acquire));
        let offset = word as u32 as usize;
        let valid = word == self.cursor_word(offset) && offset.is_multiple_of(ALIGNMENT);
        if valid && (RECORDS_AT..=self.mapping.len()).contains(&offset) { offset } else { RECORDS_AT }
    }

    pub fn set_cursor(&self, offset: usize) {
        self.mapping.word(CURSOR_AT).store(self.cursor_word(offset).to_le(), Ordering::Release);
    }

    pub fn prefault(&self) {
        self.mapping.prefault();
    }

    pub fn sync(&self) -> io::Result<()> {
        self.mapping.sync()
    }

    /// The claim in a word, and where the record behind it ends, if that is inside the file.
    fn decode(&self, word: u64, offset: usize) -> Option<(Claim, usize)> {
        let claim = Claim::decode(word, self.sequence, offset)?;
        let end = match claim {
            Claim::Record { body_bytes } => offset + size_of_body(body_bytes),
            Claim::End => offset + END_BYTES,
        };
        (end <= self.mapping.len()).then_some((claim, end))
    }

    fn cursor_word(&self, offset: usize) -> u64 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.sequence.to_le_bytes());
        hasher.update(&(offset as u64).to_le_bytes());
        u64::from(hasher.finalize()) << 32 | offset as u64
    }
}
