//! The one reader of the queue: first what earlier processes left, then what this one appends.

use super::keeper::Released;
use super::record::Record;
use super::recovery::{self, Step};
use super::segment::{Header, Segment, Slot};
use super::{Position, Shared};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

/// Reads records in order, remembers which are settled, and releases segments of which all are.
pub(crate) struct Reader {
    shared: Arc<Shared>,
    /// Segments of earlier processes that have not been opened yet.
    left_behind: VecDeque<u64>,
    /// First segment of this process.
    first_sequence: u64,
    /// From the oldest with an unsettled record to the one being read.
    open: VecDeque<OpenSegment>,
    /// Where the next segment to open stands.
    next_sequence: u64,
}

/// A record's place and what is needed to judge it without reading it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Where it begins.
    pub at: Position,
    /// Where it ends.
    pub end: usize,
    /// When it was accepted, in Unix milliseconds.
    pub accepted_at_ms: i64,
}

impl Entry {
    /// The room it takes in the file.
    pub fn bytes(&self) -> usize {
        self.end - self.at.offset
    }
}

struct OpenSegment {
    segment: Segment,
    /// Nobody writes there any more.
    left_behind: bool,
    /// Where reading goes on.
    offset: usize,
    /// Where the last record that was returned ends.
    returned: usize,
    /// Where the last record that was settled ends.
    settled: usize,
    /// No record will come any more.
    finished: bool,
    /// Something in it could not be read.
    damaged: bool,
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>, left_behind: VecDeque<u64>, first_sequence: u64) -> Self {
        let next_sequence = left_behind.front().copied().unwrap_or(first_sequence);
        Self { shared, left_behind, first_sequence, open: VecDeque::new(), next_sequence }
    }

    /// The next record, or `None` when there is none at present.
    ///
    /// # Errors
    /// A segment cannot be opened; asking again tries again.
    pub fn next(&mut self) -> io::Result<Option<Entry>> {
        loop {
            if let Some(current) = self.open.back_mut()
                && !current.finished
            {
                if let Some(entry) = current.next(&self.shared) {
                    return Ok(Some(entry));
                }
                if !current.finished {
                    return Ok(None);
                }
                self.release_settled();
            }
            if !self.open_next()? {
                return Ok(None);
            }
        }
    }

    /// The record of an entry that is not settled yet.
    pub fn record(&self, entry: &Entry) -> Option<Record<'_>> {
        let segment = &self.open.iter().find(|open| open.segment.sequence() == entry.at.sequence)?.segment;
        match segment.slot(entry.at.offset) {
            Slot::Whole { record, .. } => Some(record),
            _ => None,
        }
    }

    /// Keeps the file of an entry as evidence when it is done.
    pub fn mark_damaged(&mut self, entry: &Entry) {
        for open in self.open.iter_mut().filter(|open| open.segment.sequence() == entry.at.sequence) {
            open.damaged = true;
        }
    }

    /// Notes in the file that this record and all before it need not be read again.
    pub fn settle(&mut self, through: &Entry) {
        for open in &mut self.open {
            let sequence = open.segment.sequence();
            if sequence > through.at.sequence {
                break;
            }
            open.settled = if sequence == through.at.sequence { through.end } else { open.returned };
            open.segment.set_cursor(open.settled);
        }
        self.release_settled();
    }

    /// Where reading goes on: every record before has been returned by [`Self::next`].
    pub fn position(&self) -> Position {
        match self.open.back() {
            Some(current) if !current.finished => {
                Position { sequence: current.segment.sequence(), offset: current.offset }
            }
            _ => Position { sequence: self.next_sequence, offset: 0 },
        }
    }

    /// Opens the segment behind the last one, if there is one yet.
    fn open_next(&mut self) -> io::Result<bool> {
        let sequence = self.next_sequence;
        let left_behind = sequence < self.first_sequence;
        if !left_behind && self.shared.slots.active_sequence().is_none_or(|active| sequence > active) {
            return Ok(false);
        }
        let segment = self.shared.directory.open_segment(sequence)?;
        self.open.push_back(OpenSegment::new(segment, left_behind));
        self.left_behind.pop_front();
        self.next_sequence = match self.left_behind.front() {
            Some(sequence) => *sequence,
            None => self.first_sequence.max(sequence + 1),
        };
        Ok(true)
    }

    /// Gives finished segments without unsettled records to the keeper, who removes them.
    fn release_settled(&mut self) {
        while let Some(oldest) =
            self.open.pop_front_if(|oldest| oldest.finished && oldest.settled >= oldest.returned)
        {
            self.shared.release(Released {
                sequence: oldest.segment.sequence(),
                bytes: oldest.segment.bytes() as u64,
                damaged: oldest.damaged,
            });
        }
    }
}

impl OpenSegment {
    fn new(segment: Segment, left_behind: bool) -> Self {
        let start = segment.cursor();
        let damaged = segment.check_header() != Header::Valid;
        Self {
            segment,
            left_behind,
            offset: start,
            returned: start,
            settled: start,
            finished: false,
            damaged,
        }
    }

    /// The next record; sets `finished` when none will come any more.
    fn next(&mut self, shared: &Shared) -> Option<Entry> {
        loop {
            let step = if self.left_behind {
                recovery::step(&self.segment, self.offset)
            } else {
                match self.segment.slot(self.offset) {
                    Slot::Whole { record, end } => Step::Record { record, end },
                    Slot::Broken { end } => Step::Damaged { end },
                    Slot::End => Step::End,
                    Slot::Free | Slot::Claimed { .. } => return None,
                    // Somebody else wrote into the file. What stands behind is read once the writers have left.
                    Slot::Unreadable => {
                        self.left_behind = shared.slots.active_sequence() > Some(self.segment.sequence());
                        if self.left_behind {
                            continue;
                        }
                        return None;
                    }
                }
            };
            let offset = self.offset;
            match step {
                Step::Record { record, end } => {
                    let at = Position { sequence: self.segment.sequence(), offset };
                    let entry = Entry { at, end, accepted_at_ms: record.accepted_at_ms };
                    self.offset = end;
                    self.returned = end;
                    return Some(entry);
                }
                Step::Unaccepted { end } => self.offset = end,
                Step::Damaged { end } => {
                    self.damaged = true;
                    self.offset = end;
                }
                Step::End => {
                    self.finished = true;
                    return None;
                }
            }
        }
    }
}
