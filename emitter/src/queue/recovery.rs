//! Reading what an earlier process left behind: nobody writes to these files any more, so every word is final.

use super::OpenError;
use super::directory::Directory;
use super::record::Record;
use super::segment::{Header, Segment, Slot};
use std::io;

/// What was found at the start.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Recovered {
    /// Records that are not acknowledged.
    pub records: u64,
    /// The room they take.
    pub record_bytes: u64,
    /// Stretches that cannot be read.
    pub damaged: u64,
}

/// A file with something to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LeftBehind {
    pub sequence: u64,
    /// Its length.
    pub bytes: u64,
}

/// Surveys all segments, in order. Those with nothing to read are removed, the others are cut behind their last
/// record, or a process that restarts often would fill the queue with free room.
pub(super) fn recover(directory: &Directory) -> Result<(Vec<LeftBehind>, Recovered), OpenError> {
    let mut left_behind = Vec::new();
    let mut recovered = Recovered::default();
    for sequence in directory.segments()? {
        let segment = match directory.open_segment(sequence) {
            Ok(segment) => segment,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                recovered.damaged += 1;
                let file = directory.set_aside(sequence)?;
                tracing::error!(file = %file.display(), %error, "a file of the queue is no segment: it is kept aside");
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let header = segment.check_header();
        if let Header::Newer(version) = header {
            return Err(OpenError::Newer { file: format!("{sequence:020}.segment"), version });
        }
        let contents = survey(&segment);
        let damaged = contents.damaged + u64::from(header == Header::Damaged);
        recovered.records += contents.records;
        recovered.record_bytes += contents.record_bytes;
        recovered.damaged += damaged;
        let bytes = if damaged > 0 {
            let records = contents.records;
            tracing::error!(
                sequence,
                damaged,
                records,
                "a segment has unreadable stretches; its records are published"
            );
            segment.bytes()
        } else {
            contents.end
        };
        if damaged == 0 && contents.records == 0 {
            directory.remove_segment(sequence)?;
            continue;
        }
        drop(segment);
        let bytes = bytes as u64;
        directory.truncate_segment(sequence, bytes)?;
        left_behind.push(LeftBehind { sequence, bytes });
    }
    Ok((left_behind, recovered))
}

/// What comes next in a segment of an earlier process.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step<'a> {
    /// An accepted record, whole.
    Record { record: Record<'a>, end: usize },
    /// A place whose writer died before the record was accepted: nobody was told that it would arrive.
    Unaccepted { end: usize },
    /// Bytes that were changed or lost after they were written; `end` is where reading goes on.
    Damaged { end: usize },
    /// Nothing.
    End,
}

/// Reads the place at `offset`, which is the cursor or the end of the step before.
pub(super) fn step(segment: &Segment, offset: usize) -> Step<'_> {
    match segment.slot(offset) {
        Slot::Whole { record, end } => Step::Record { record, end },
        Slot::Claimed { end } => Step::Unaccepted { end },
        Slot::Broken { end } => Step::Damaged { end },
        Slot::End => Step::End,
        // The chain is complete when a process dies. After a power loss a page in its middle may be missing.
        slot @ (Slot::Free | Slot::Unreadable) => match segment.find_whole(offset) {
            Some(end) => Step::Damaged { end },
            None if slot == Slot::Free => Step::End,
            None => Step::Damaged { end: segment.bytes() },
        },
    }
}

/// What a segment of an earlier process holds behind its cursor.
#[derive(Debug, Default, PartialEq, Eq)]
struct Contents {
    /// Accepted records that are not acknowledged.
    pub records: u64,
    /// The room they take in the file.
    pub record_bytes: u64,
    /// Unreadable stretches.
    pub damaged: u64,
    /// Behind the last of all these.
    pub end: usize,
}

/// Walks over everything behind the cursor.
fn survey(segment: &Segment) -> Contents {
    let mut contents = Contents { end: segment.cursor(), ..Contents::default() };
    loop {
        let from = contents.end;
        contents.end = match step(segment, from) {
            Step::Record { end, .. } => {
                contents.records += 1;
                contents.record_bytes += (end - from) as u64;
                end
            }
            Step::Unaccepted { end } => end,
            Step::Damaged { end } => {
                contents.damaged += 1;
                end
            }
            Step::End => return contents,
        };
    }
}
