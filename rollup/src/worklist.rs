//! What is left to do: buckets that were touched, until each was computed after it had passed.

use crate::frontier::{Frontier, Frontiers};
use crate::level::Level;
use crate::organisations::{OrgNumber, Organisations};
use hashbrown::HashMap;
use proto::Position;
use warehouse::calendar::Interval;

/// An interval of an organisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket {
    /// Whose.
    pub org: OrgNumber,
    /// When.
    pub interval: Interval,
}

/// A bucket whose time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// Which.
    pub bucket: Bucket,
    /// Its last touch. A row that goes at least through there needs no work.
    pub last_touch: Position,
}

/// The buckets that wait, about 64 bytes each. Running ones wait for their end; passed ones are computed when they are
/// quiet, that is when the last look at the touches found nothing new: a replay that pours old calls into a bucket
/// would have it computed at every step otherwise.
#[derive(Debug, Default)]
pub struct Worklist {
    look: u64,
    waiting: [HashMap<Bucket, Waiting>; 3],
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    last_touch: Position,
    touched_in_look: u64,
}

impl Worklist {
    /// Begins a new look at the touches.
    pub fn begin_look(&mut self) {
        self.look += 1;
    }

    /// Takes note of a touch found in this look.
    pub fn touch(&mut self, level: Level, bucket: Bucket, last_touch: Position) {
        let look = self.look;
        let waiting = self.waiting[level as usize]
            .entry(bucket)
            .or_insert(Waiting { last_touch: Position::ZERO, touched_in_look: look });
        if last_touch > waiting.last_touch {
            *waiting = Waiting { last_touch, touched_in_look: look };
        }
    }

    /// The buckets of a level that can be computed at these frontiers: passed (ended `grace_ms` before the append time
    /// there), quiet, and not touched behind the frontier.
    pub fn due(
        &self,
        level: Level,
        organisations: &Organisations,
        frontiers: &Frontiers,
        grace_ms: i64,
    ) -> Vec<Due> {
        self.waiting[level as usize]
            .iter()
            .filter(|(_, waiting)| waiting.touched_in_look < self.look)
            .filter(|(bucket, waiting)| {
                frontier_of(bucket, organisations, frontiers).is_some_and(|frontier| {
                    has_passed(bucket, frontier, grace_ms) && waiting.last_touch <= frontier.at
                })
            })
            .map(|(bucket, waiting)| Due { bucket: *bucket, last_touch: waiting.last_touch })
            .collect()
    }

    /// The buckets of a level that have passed and wait, due or not.
    pub fn passed<'a>(
        &'a self,
        level: Level,
        organisations: &'a Organisations,
        frontiers: &'a Frontiers,
        grace_ms: i64,
    ) -> impl Iterator<Item = &'a Bucket> {
        self.waiting[level as usize].keys().filter(move |bucket| {
            frontier_of(bucket, organisations, frontiers)
                .is_some_and(|frontier| has_passed(bucket, frontier, grace_ms))
        })
    }

    /// Takes a bucket off the list: its row goes through the last touch.
    pub fn done(&mut self, level: Level, bucket: &Bucket) {
        self.waiting[level as usize].remove(bucket);
    }

    /// Forgets the days and months of an organisation: its zone has changed.
    pub fn forget_days_and_months(&mut self, org: OrgNumber) {
        for level in [Level::Day, Level::Month] {
            self.waiting[level as usize].retain(|bucket, _| bucket.org != org);
        }
    }

    /// How many buckets of a level wait.
    pub fn len(&self, level: Level) -> usize {
        self.waiting[level as usize].len()
    }

    /// For each partition the position up to which all work is done, given how far its touches were looked at: just
    /// before the first last touch that waits. A scan of the touches behind it finds every bucket that waits now, by
    /// the very quarter hour that has its last touch.
    pub fn bookmarks(&self, organisations: &Organisations, looked_at: &[Position]) -> Vec<Position> {
        let mut bookmarks = looked_at.to_vec();
        for (bucket, waiting) in self.waiting.iter().flatten() {
            let partition = organisations.partition(bucket.org, looked_at.len() as u32);
            let before = Position::from_u64(waiting.last_touch.as_u64().saturating_sub(1));
            bookmarks[partition] = bookmarks[partition].min(before);
        }
        bookmarks
    }
}

fn frontier_of<'a>(
    bucket: &Bucket,
    organisations: &Organisations,
    frontiers: &'a Frontiers,
) -> Option<&'a Frontier> {
    frontiers.partitions.get(organisations.partition(bucket.org, frontiers.count()))
}

fn has_passed(bucket: &Bucket, frontier: &Frontier, grace_ms: i64) -> bool {
    bucket.interval.ends_at * 1000 + grace_ms <= frontier.appended_at_ms
}
