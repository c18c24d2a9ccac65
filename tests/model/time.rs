//! The time that runs play in: 24 quarter hours at the edges of days and months.
//!
//! Calls happen only in these "slots", which lie on both sides of every midnight of four zones in three nights of
//! spring 2026: the one before Berlin's clocks change, the one after, and the turn of the month. So every day and month
//! edge is crossed often, and Berlin and Lagos have days and months that begin together and end apart. Buckets come
//! from the calendar that the services use.

use std::sync::LazyLock;
use warehouse::calendar::{self, Interval, QUARTER_SECONDS, Tz};

/// Number of slots.
pub const SLOTS: usize = 24;

/// A set of slots, a bit each.
pub type Slots = u32;

/// The zones an organisation may have.
pub const ZONES: [Tz; 4] = [Tz::UTC, Tz::Europe__Berlin, Tz::Africa__Lagos, Tz::Asia__Kathmandu];

/// Midnights in UTC, in Unix seconds: 29 and 30 March and 1 April 2026.
const NIGHTS: [i64; 3] = [1_774_742_400, 1_774_828_800, 1_775_001_600];

/// Slots of a night, in quarter hours from midnight UTC: the last one of a day and the first one of the next, in
/// Kathmandu, in Berlin's summer, in Lagos and in Berlin's winter, in UTC.
const OF_A_NIGHT: [i64; 8] = [-24, -23, -9, -8, -5, -4, -1, 0];

/// A level of rollups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Quarter hours.
    Quarter,
    /// Days of a zone.
    Day,
    /// Months of a zone.
    Month,
}

impl Level {
    /// From fine to coarse.
    pub const ALL: [Self; 3] = [Self::Quarter, Self::Day, Self::Month];
}

/// A number of a bucket. Two buckets of one level have the same if and only if they are the same interval.
pub type BucketId = u8;

/// A bucket of a level.
pub struct Bucket {
    /// What it covers.
    pub interval: Interval,
    /// The slots in it.
    pub slots: Slots,
    level: Level,
}

struct Calendar {
    starts: [i64; SLOTS],
    buckets: Vec<Bucket>,
    by_level: [[Vec<BucketId>; 3]; ZONES.len()],
}

static CALENDAR: LazyLock<Calendar> = LazyLock::new(|| {
    let mut starts = [0; SLOTS];
    for (slot, start) in starts.iter_mut().enumerate() {
        *start = NIGHTS[slot / OF_A_NIGHT.len()] + OF_A_NIGHT[slot % OF_A_NIGHT.len()] * QUARTER_SECONDS;
    }
    let mut calendar = Calendar { starts, buckets: Vec::new(), by_level: Default::default() };
    for (zone, tz) in ZONES.into_iter().enumerate() {
        for start in starts {
            let date = calendar::date_of(tz, start * 1000);
            calendar.add(zone, Level::Quarter, calendar::quarter_of(start * 1000));
            calendar.add(zone, Level::Day, calendar::day(tz, date));
            calendar.add(zone, Level::Month, calendar::month(tz, date));
        }
    }
    calendar
});

impl Calendar {
    fn add(&mut self, zone: usize, level: Level, interval: Interval) {
        let known =
            self.buckets.iter().position(|bucket| (bucket.level, bucket.interval) == (level, interval));
        let id = known.unwrap_or_else(|| {
            let slots = slots_from(&self.starts, interval);
            self.buckets.push(Bucket { interval, slots, level });
            self.buckets.len() - 1
        });
        let ids = &mut self.by_level[zone][level as usize];
        if !ids.contains(&(id as BucketId)) {
            ids.push(id as BucketId);
        }
    }
}

fn slots_from(starts: &[i64; SLOTS], interval: Interval) -> Slots {
    let inside = |(slot, start): (usize, &i64)| u32::from(interval.contains_ms(start * 1000)) << slot;
    starts.iter().enumerate().map(inside).sum()
}

/// The bucket of a number.
pub fn bucket(id: BucketId) -> &'static Bucket {
    &CALENDAR.buckets[usize::from(id)]
}

/// The buckets of a level in a zone that hold any slot, in order of time.
pub fn buckets(level: Level, zone: usize) -> &'static [BucketId] {
    &CALENDAR.by_level[zone][level as usize]
}

/// First second of a slot.
pub fn start_of(slot: usize) -> i64 {
    CALENDAR.starts[slot]
}

/// The slots in an interval.
pub fn slots_in(interval: Interval) -> Slots {
    slots_from(&CALENDAR.starts, interval)
}

/// The slots of a set, in order of time.
pub fn each(slots: Slots) -> impl DoubleEndedIterator<Item = usize> {
    (0..SLOTS).filter(move |slot| slots >> slot & 1 == 1)
}

/// Whether one interval lies inside another.
pub fn holds(outer: Interval, inner: Interval) -> bool {
    outer.starts_at <= inner.starts_at && inner.ends_at <= outer.ends_at
}

/// An interval for people.
pub fn show(interval: Interval) -> String {
    format!("[{}, {})", instant(interval.starts_at), instant(interval.ends_at))
}

/// An instant of the played months for people, e.g. `28 Mar 23:00Z`.
fn instant(unix_seconds: i64) -> String {
    const FIRST_OF_FEBRUARY: i64 = 1_769_904_000;
    let minutes = (unix_seconds - FIRST_OF_FEBRUARY) / 60;
    let (mut day, minute) = (minutes / 1440, minutes % 1440);
    for (month, days) in [("Feb", 28), ("Mar", 31), ("Apr", 30), ("May", 31)] {
        if day < days {
            return format!("{} {month} {:02}:{:02}Z", day + 1, minute / 60, minute % 60);
        }
        day -= days;
    }
    unix_seconds.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_edge_of_a_day_has_a_slot_on_each_side() {
        for (zone, name) in ZONES.iter().enumerate() {
            let days = buckets(Level::Day, zone);
            assert!(days.len() >= 4, "{name:?} has only {} days", days.len());
            let slots: Slots = days.iter().map(|id| bucket(*id).slots).sum();
            assert_eq!(slots, (1 << SLOTS) - 1, "the days of {name:?} are all slots, each once");
            assert_eq!(buckets(Level::Month, zone).len(), 2);
        }
    }

    #[test]
    fn days_of_two_zones_begin_together_and_end_apart() {
        let of = |zone: usize| buckets(Level::Day, zone).iter().map(|id| bucket(*id).interval);
        let alike = |day: Interval| of(2).any(|other| other.starts_at == day.starts_at && other != day);
        assert!(of(1).any(alike), "Berlin and Lagos");
    }

    #[test]
    fn instants_are_shown_as_people_write_them() {
        assert_eq!(instant(start_of(7)), "29 Mar 00:00Z");
        assert_eq!(instant(start_of(16)), "31 Mar 18:00Z");
    }
}
