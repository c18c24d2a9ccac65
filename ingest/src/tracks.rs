//! What the consumer's loop knows of each assigned partition: whether its start is known, where it is, and what the open
//! batch covers of it. No Kafka in here.

use crate::assignment::{Start, Wanted};
use crate::batch::Run;
use crate::topic::{Kind, Partition};
use proto::{Position, PositionError};
use std::collections::BTreeMap;
use std::time::Instant;

/// The assigned partitions, and those that leave.
#[derive(Debug, Default)]
pub struct Tracks {
    table: BTreeMap<Partition, Track>,
    epoch: u64,
}

/// An assigned partition, or one that leaves.
#[derive(Debug)]
struct Track {
    epoch: u64,
    /// `None` until its start is known.
    reading: Option<Reading>,
    /// Since when it leaves: the group took it away, and it is read on until its next worker has begun.
    leaving_since: Option<Instant>,
}

/// A partition whose start is known.
#[derive(Debug)]
pub struct Reading {
    /// Number of partitions of its source.
    pub partitions: u16,
    /// What the open batch covers of it.
    pub run: Run,
    next_offset: i64,
    /// Whether the client's position is of this assignment and not of an earlier one, see [`Reading::observe`].
    position_is_fresh: bool,
}

impl Tracks {
    /// Partitions were assigned, or must begin anew. Returns the question where they start.
    pub fn expect(&mut self, partitions: Vec<Partition>) -> Wanted {
        self.epoch += 1;
        for partition in &partitions {
            let track = Track { epoch: self.epoch, reading: None, leaving_since: None };
            self.table.insert(*partition, track);
        }
        Wanted { epoch: self.epoch, partitions }
    }

    /// A start is known. Returns whether the partition is still waiting for this very answer.
    pub fn begin(&mut self, start: &Start) -> bool {
        let Some(track) = self.table.get_mut(&start.partition).filter(|track| track.epoch == start.epoch)
        else {
            return false;
        };
        track.reading = Some(Reading {
            partitions: start.partitions,
            run: Run::starting_at(start.partition, start.position),
            next_offset: start.position.next_offset(),
            position_is_fresh: false,
        });
        true
    }

    /// A partition was taken away, and leaves from now on. Returns whether it is read at all; there is nothing to read
    /// on else.
    pub fn leaves(&mut self, partition: Partition, now: Instant) -> bool {
        let reading = self.table.get_mut(&partition).filter(|track| track.reading.is_some());
        reading.map(|track| track.leaving_since.get_or_insert(now)).is_some()
    }

    /// A partition was assigned. Returns whether it was leaving: then it is simply read on.
    pub fn stays(&mut self, partition: Partition) -> bool {
        self.table.get_mut(&partition).is_some_and(|track| track.leaving_since.take().is_some())
    }

    /// The partitions that leave, and since when each does.
    pub fn leaving(&self) -> Vec<(Partition, Instant)> {
        self.table.iter().filter_map(|(partition, track)| Some((*partition, track.leaving_since?))).collect()
    }

    /// Forgets a partition. Returns what the open batch covers of it.
    pub fn let_go(&mut self, partition: Partition) -> Option<Run> {
        let reading = self.table.remove(&partition)?.reading?;
        Some(reading.run).filter(|run| !run.is_empty())
    }

    /// A partition that is read.
    pub fn reading(&mut self, partition: Partition) -> Option<&mut Reading> {
        self.table.get_mut(&partition)?.reading.as_mut()
    }

    /// All partitions that are read, with the next offset of each.
    pub fn next_offsets(&self) -> Vec<(Partition, i64)> {
        let reading = self
            .table
            .iter()
            .filter_map(|(partition, track)| Some((*partition, track.reading.as_ref()?.next_offset)));
        reading.collect()
    }

    /// All partitions, those that leave among them.
    pub fn all(&self) -> Vec<Partition> {
        self.table.keys().copied().collect()
    }

    /// The partitions that are ours.
    pub fn ours(&self) -> Vec<Partition> {
        let ours = self.table.iter().filter(|(_, track)| track.leaving_since.is_none());
        ours.map(|(partition, _)| *partition).collect()
    }

    /// How many partitions of a kind are ours.
    pub fn count(&self, kind: Kind) -> usize {
        self.ours().iter().filter(|partition| partition.kind == kind).count()
    }

    /// Whether all partitions of all kinds are ours, so that no other worker has any.
    pub fn are_all_ours(&self) -> bool {
        Kind::ALL.into_iter().all(|kind| {
            let mut reading = self.table.iter().filter(|(partition, _)| partition.kind == kind);
            let partitions = reading.find_map(|(_, track)| Some(track.reading.as_ref()?.partitions));
            partitions.is_some_and(|partitions| self.count(kind) == usize::from(partitions))
        })
    }

    /// How many wait for their start.
    pub fn waiting(&self) -> usize {
        self.table.values().filter(|track| track.reading.is_none()).count()
    }

    /// Closes what the open batch covers; the next batch begins where it ends.
    pub fn take_runs(&mut self) -> Vec<Run> {
        let reading = self.table.values_mut().filter_map(|track| track.reading.as_mut());
        let runs = reading.map(|reading| {
            let next = Run::starting_at(reading.run.partition, reading.run.to);
            std::mem::replace(&mut reading.run, next)
        });
        runs.filter(|run| !run.is_empty()).collect()
    }
}

impl Reading {
    /// A message came. Returns its position; `None` if it came before.
    ///
    /// Within one assignment the client delivers all that the broker has from the offset it was given on; an error would
    /// have come first. So what is missing in between was never there: a transaction's marker, or compacted.
    ///
    /// # Errors
    /// If the offset is beyond what a position can hold.
    pub fn advance(&mut self, offset: i64) -> Result<Option<Position>, PositionError> {
        if offset < self.next_offset {
            return Ok(None);
        }
        let position = Position::of_message(self.run.from.source(), offset)?;
        self.run.empty_offsets += self.missing_before(offset);
        (self.run.to, self.next_offset) = (position, offset + 1);
        self.position_is_fresh = true;
        Ok(Some(position))
    }

    /// The client says where it is; `None` if it says nothing. Returns whether that was further than the last message.
    ///
    /// Offsets at the end of a log that carry no message show in nothing else. Without this, a partition whose log ends
    /// with a transaction's marker would never count as read to its end.
    ///
    /// The client sets its position back when it has finished an *earlier* assignment of the partition, a moment after
    /// this one began. A position from before would skip messages; so it counts only after it was seen unset, or after
    /// a message.
    ///
    /// # Errors
    /// If the offset is beyond what a position can hold.
    pub fn observe(&mut self, next_offset: Option<i64>) -> Result<bool, PositionError> {
        let Some(next_offset) = next_offset else {
            self.position_is_fresh = true;
            return Ok(false);
        };
        if !self.position_is_fresh || next_offset <= self.next_offset {
            return Ok(false);
        }
        self.run.to = Position::before(self.run.from.source(), next_offset)?;
        self.run.empty_offsets += self.missing_before(next_offset);
        self.next_offset = next_offset;
        Ok(true)
    }

    /// The client begins anew at our next offset.
    pub fn distrust_position(&mut self) {
        self.position_is_fresh = false;
    }

    fn missing_before(&self, offset: i64) -> u64 {
        u64::try_from(offset - self.next_offset).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    const CALLS_3: Partition = Partition { kind: Kind::Calls, number: 3 };

    fn at(offset: i64) -> Position {
        Position::before(7, offset).unwrap()
    }

    fn tracks_from(offset: i64) -> Tracks {
        let mut tracks = Tracks::default();
        let Wanted { epoch, .. } = tracks.expect(vec![CALLS_3]);
        assert!(tracks.begin(&Start { epoch, partition: CALLS_3, partitions: 4, position: at(offset) }));
        tracks
    }

    #[test]
    fn an_answer_to_an_older_assignment_is_ignored() {
        let mut tracks = Tracks::default();
        let old = tracks.expect(vec![CALLS_3]).epoch;
        let new = tracks.expect(vec![CALLS_3]).epoch;
        let start = |epoch| Start { epoch, partition: CALLS_3, partitions: 4, position: at(5) };
        assert!(!tracks.begin(&start(old)));
        assert_eq!(tracks.waiting(), 1);
        assert!(tracks.begin(&start(new)));
        assert_eq!((tracks.waiting(), tracks.next_offsets()), (0, vec![(CALLS_3, 5)]));
        tracks.let_go(CALLS_3);
        assert!(!tracks.begin(&start(new)), "taken away meanwhile");
    }

    #[test]
    fn what_was_read_of_a_partition_that_is_taken_away_stays() {
        let mut tracks = tracks_from(5);
        tracks.reading(CALLS_3).unwrap().advance(5).unwrap();
        let run = tracks.let_go(CALLS_3).unwrap();
        assert_eq!((run.from, run.to), (at(5), at(6)));
        assert!(tracks.reading(CALLS_3).is_none());
        assert_eq!(tracks_from(5).let_go(CALLS_3), None, "nothing was read");
    }

    #[test]
    fn a_partition_that_leaves_is_read_on_and_not_ours() {
        let (mut tracks, now) = (tracks_from(5), Instant::now());
        assert!(tracks.leaves(CALLS_3, now) && tracks.leaves(CALLS_3, now + Duration::from_secs(1)));
        assert_eq!(tracks.leaving(), [(CALLS_3, now)], "since it was taken away for the first time");
        assert_eq!((tracks.ours(), tracks.count(Kind::Calls)), (vec![], 0));
        assert!(tracks.reading(CALLS_3).unwrap().advance(5).unwrap().is_some());
        assert!(tracks.stays(CALLS_3) && !tracks.stays(CALLS_3));
        assert_eq!(tracks.ours(), [CALLS_3]);
        assert_eq!(tracks.next_offsets(), [(CALLS_3, 6)], "read on where it was");
        tracks.expect(vec![CALLS_3]);
        assert!(!tracks.leaves(CALLS_3, now), "its start is not known yet");
    }

    #[test]
    fn a_worker_with_every_partition_of_every_kind_is_alone() {
        let mut tracks = Tracks::default();
        assert!(!tracks.are_all_ours(), "nobody knows");
        let directory = Partition { kind: Kind::Directory, number: 0 };
        for partition in [CALLS_3, Partition { number: 0, ..CALLS_3 }, directory] {
            assert!(!tracks.are_all_ours());
            let Wanted { epoch, .. } = tracks.expect(vec![partition]);
            let partitions = if partition == directory { 1 } else { 2 };
            assert!(tracks.begin(&Start { epoch, partition, partitions, position: at(0) }));
        }
        assert!(tracks.are_all_ours());
        tracks.leaves(CALLS_3, Instant::now());
        assert!(!tracks.are_all_ours(), "another worker is to have it");
    }

    #[test]
    fn a_position_from_before_the_assignment_skips_nothing() {
        let mut tracks = tracks_from(5);
        let reading = tracks.reading(CALLS_3).unwrap();
        assert!(!reading.observe(Some(9)).unwrap(), "may be of an earlier assignment");
        assert!(!reading.observe(None).unwrap());
        assert!(reading.observe(Some(6)).unwrap(), "set since");
        assert_eq!((reading.run.to, reading.run.empty_offsets), (at(6), 1));
        reading.distrust_position();
        assert!(!reading.observe(Some(20)).unwrap());
        assert!(reading.advance(8).unwrap().is_some());
        assert!(reading.observe(Some(10)).unwrap(), "there was a message since");
        assert_eq!((reading.run.to, reading.run.empty_offsets), (at(10), 4));
    }

    proptest! {
        /// However messages, gaps, repetitions and batches follow one another: runs connect, and every offset of a run
        /// is a message or an empty offset.
        #[test]
        fn runs_connect_and_add_up(
            steps in proptest::collection::vec((0i64..4, 0u8..4), 1..60), start in 0i64..100,
        ) {
            let mut tracks = tracks_from(start);
            let (mut offset, mut runs, mut messages) = (start, Vec::new(), 0u64);
            for (gap, what) in steps {
                match what {
                    0 => runs.extend(tracks.take_runs()),
                    1 if offset > start => {
                        let again = tracks.reading(CALLS_3).unwrap().advance(offset - 1).unwrap();
                        prop_assert_eq!(again, None);
                    }
                    _ => {
                        let reading = tracks.reading(CALLS_3).unwrap();
                        prop_assert!(reading.advance(offset + gap).unwrap().is_some());
                        reading.run.rows += 1;
                        messages += 1;
                        offset += gap + 1;
                    }
                }
            }
            runs.extend(tracks.take_runs());
            let mut end = at(start);
            for run in &runs {
                prop_assert_eq!(run.from, end);
                prop_assert!(run.row().adds_up());
                end = run.to;
            }
            prop_assert_eq!(end, at(offset));
            prop_assert_eq!(runs.iter().map(Run::messages).sum::<u64>(), messages);
        }
    }
}
