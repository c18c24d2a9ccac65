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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MINUTE_MS: i64 = 60_000;

    struct Setting {
        organisations: Organisations,
        frontiers: Frontiers,
        worklist: Worklist,
        bucket: Bucket,
    }

    /// The first quarter hour of 1970, of an organisation in the only partition.
    fn setting() -> Setting {
        let mut organisations = Organisations::default();
        let bucket =
            Bucket { org: organisations.number("acme"), interval: Interval { starts_at: 0, ends_at: 900 } };
        let frontiers = Frontiers { source: 1, generation: 0, partitions: vec![frontier(0, 0)] };
        Setting { organisations, frontiers, worklist: Worklist::default(), bucket }
    }

    fn frontier(at: u64, appended_at_ms: i64) -> Frontier {
        Frontier { at: Position::from_u64(at), appended_at_ms }
    }

    impl Setting {
        fn look(&mut self, touch: Option<u64>) {
            self.worklist.begin_look();
            if let Some(touch) = touch {
                self.worklist.touch(Level::Quarter, self.bucket, Position::from_u64(touch));
            }
        }

        fn is_due(&mut self, at: u64, appended_at_ms: i64) -> bool {
            self.frontiers.partitions[0] = frontier(at, appended_at_ms);
            !self.worklist.due(Level::Quarter, &self.organisations, &self.frontiers, 2_000).is_empty()
        }
    }

    #[test]
    fn a_bucket_is_due_when_it_has_passed_with_grace_and_is_quiet() {
        let mut setting = setting();
        setting.look(Some(5));
        assert!(!setting.is_due(10, 20 * MINUTE_MS), "touched in this look");
        setting.look(None);
        assert!(!setting.is_due(10, 15 * MINUTE_MS + 1_999), "in its grace");
        assert!(setting.is_due(10, 15 * MINUTE_MS + 2_000));
        assert!(!setting.is_due(4, 20 * MINUTE_MS), "touched behind the frontier");
        setting.look(Some(5));
        assert!(setting.is_due(10, 20 * MINUTE_MS), "a touch that was known is none");
        setting.look(Some(6));
        assert!(!setting.is_due(10, 20 * MINUTE_MS), "a late call");
        setting.worklist.done(Level::Quarter, &setting.bucket);
        setting.look(None);
        assert!(!setting.is_due(10, 20 * MINUTE_MS), "done");
    }

    #[test]
    fn a_bookmark_stands_before_the_first_touch_that_waits() {
        let mut setting = setting();
        let looked_at = [Position::from_u64(100)];
        let bookmark =
            |setting: &Setting| setting.worklist.bookmarks(&setting.organisations, &looked_at)[0].as_u64();
        assert_eq!(bookmark(&setting), 100);
        setting.look(Some(40));
        assert_eq!(bookmark(&setting), 39);
        setting.look(Some(70));
        assert_eq!(bookmark(&setting), 69);
        setting.worklist.done(Level::Quarter, &setting.bucket);
        assert_eq!(bookmark(&setting), 100);
    }

    proptest! {
        /// Whatever was touched and done: a scan behind the bookmark finds every bucket that waits.
        #[test]
        fn nothing_that_waits_lies_before_the_bookmark(
            steps in proptest::collection::vec((0i64..20, 1u64..100, any::<bool>()), 0..60),
        ) {
            let mut setting = setting();
            let mut waits: HashMap<i64, u64> = HashMap::new();
            for (quarter, touch, is_done) in steps {
                let interval = Interval { starts_at: quarter * 900, ends_at: quarter * 900 + 900 };
                let bucket = Bucket { interval, ..setting.bucket };
                setting.worklist.begin_look();
                if is_done {
                    setting.worklist.done(Level::Quarter, &bucket);
                    waits.remove(&quarter);
                } else {
                    setting.worklist.touch(Level::Quarter, bucket, Position::from_u64(touch));
                    let last = waits.entry(quarter).or_default();
                    *last = touch.max(*last);
                }
                let looked_at = [Position::from_u64(100)];
                let bookmark = setting.worklist.bookmarks(&setting.organisations, &looked_at)[0].as_u64();
                prop_assert!(waits.values().all(|last| *last > bookmark));
                prop_assert!(waits.is_empty() == (bookmark == 100) || waits.values().any(|last| *last == bookmark + 1));
            }
        }
    }
}
