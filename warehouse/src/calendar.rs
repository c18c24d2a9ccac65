//! Calendar days and months of an organisation's zone, as UTC instants.
//!
//! A day begins at the first instant that shows its date on a wall clock: at midnight, at the earlier midnight
//! where it comes twice, and where midnight does not exist at the end of the gap. It ends where the next begins. A
//! date that a zone skipped is an empty day. Every offset since 1980 is a multiple of 15 minutes (the last
//! other one was that of Kiritimati, 10:40 until October 1979), so days and months are whole quarter hours.

use chrono::{
    DateTime, Datelike, Days, MappedLocalTime, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeZone,
};
pub use chrono_tz::Tz;

/// Length of the smallest bucket, in seconds.
pub const QUARTER_SECONDS: i64 = 900;

/// A span of time `[starts_at, ends_at)`, in Unix seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interval {
    /// First second inside.
    pub starts_at: i64,
    /// First second outside.
    pub ends_at: i64,
}

impl Interval {
    /// Whether an instant in Unix milliseconds lies inside.
    pub fn contains_ms(&self, unix_ms: i64) -> bool {
        (self.starts_at * 1000..self.ends_at * 1000).contains(&unix_ms)
    }
}

/// The quarter hour of an instant in Unix milliseconds.
pub fn quarter_of(unix_ms: i64) -> Interval {
    let starts_at = unix_ms.div_euclid(QUARTER_SECONDS * 1000) * QUARTER_SECONDS;
    Interval { starts_at, ends_at: starts_at + QUARTER_SECONDS }
}

/// The day of a date in a zone.
pub fn day(zone: Tz, date: NaiveDate) -> Interval {
    Interval { starts_at: day_start(zone, date), ends_at: day_start(zone, next(date)) }
}

/// The month of a date in a zone.
pub fn month(zone: Tz, date: NaiveDate) -> Interval {
    let first = first_of_month(date);
    Interval { starts_at: day_start(zone, first), ends_at: day_start(zone, first_of_next_month(first)) }
}

/// Whole days from `since` to `until`, both inclusive.
pub fn days(zone: Tz, since: NaiveDate, until: NaiveDate) -> Interval {
    Interval { starts_at: day_start(zone, since), ends_at: day_start(zone, next(until)) }
}

/// The date whose [`day`] holds an instant in Unix milliseconds.
pub fn date_of(zone: Tz, unix_ms: i64) -> NaiveDate {
    let shown = wall_clock(zone, unix_ms.div_euclid(1000)).date();
    // Where a clock is set back across midnight it shows the former date once more; the day has begun all the same.
    let following = next(shown);
    if unix_ms >= day_start(zone, following) * 1000 { following } else { shown }
}

/// The first date of a date's month.
pub fn first_of_month(date: NaiveDate) -> NaiveDate {
    date.with_day(1).unwrap_or(date)
}

/// The first date of the month after a date's.
pub fn first_of_next_month(date: NaiveDate) -> NaiveDate {
    first_of_month(first_of_month(date) + Days::new(31))
}

/// The first date of the month before a date's.
pub fn first_of_previous_month(date: NaiveDate) -> NaiveDate {
    first_of_month(first_of_month(date) - Days::new(1))
}

/// Unix seconds of the first instant at which a zone's wall clock shows this time or a later one: the earlier of the
/// two where it comes twice, the end of the gap where it does not exist.
pub fn first_instant(zone: Tz, wall: NaiveDateTime) -> i64 {
    match zone.from_local_datetime(&wall) {
        MappedLocalTime::Single(instant) | MappedLocalTime::Ambiguous(instant, _) => instant.timestamp(),
        MappedLocalTime::None => {
            // No gap is longer than a day and a bit, and around it the wall clock only runs forward: search for the
            // first second that shows this time or a later one.
            let (mut before, mut after) =
                (wall.and_utc().timestamp() - 2 * 86_400, wall.and_utc().timestamp() + 2 * 86_400);
            while after - before > 1 {
                let middle = before + (after - before) / 2;
                if wall_clock(zone, middle) < wall { before = middle } else { after = middle }
            }
            after
        }
    }
}

/// What a zone's wall clock shows at an instant in Unix seconds.
pub fn wall_clock(zone: Tz, unix_seconds: i64) -> NaiveDateTime {
    let utc = DateTime::from_timestamp(unix_seconds, 0).unwrap_or_default().naive_utc();
    utc + zone.offset_from_utc_datetime(&utc).fix()
}

fn next(date: NaiveDate) -> NaiveDate {
    date + Days::new(1)
}

/// Unix seconds at which a date begins in a zone.
fn day_start(zone: Tz, date: NaiveDate) -> i64 {
    first_instant(zone, date.and_time(NaiveTime::MIN))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(zone: Tz, date: &str, starts_at: &str, hours_times_4: i64) {
        let day = day(zone, date.parse().unwrap());
        let expected: DateTime<chrono::Utc> = starts_at.parse().unwrap();
        assert_eq!(day.starts_at, expected.timestamp(), "{zone} {date}");
        assert_eq!((day.ends_at - day.starts_at) / QUARTER_SECONDS, hours_times_4, "{zone} {date}");
    }

    #[test]
    fn a_day_begins_when_the_wall_clock_first_shows_its_date() {
        check(Tz::UTC, "2026-11-23", "2026-11-23T00:00:00Z", 96);
        check(Tz::Europe__Berlin, "2026-03-29", "2026-03-28T23:00:00Z", 92);
        check(Tz::Europe__Berlin, "2026-10-25", "2026-10-24T22:00:00Z", 100);
        check(Tz::Asia__Kathmandu, "2026-05-01", "2026-04-30T18:15:00Z", 96);
        check(Tz::Australia__Lord_Howe, "2026-04-05", "2026-04-04T13:00:00Z", 98);
        // Midnight does not exist.
        check(Tz::America__Sao_Paulo, "2018-11-04", "2018-11-04T03:00:00Z", 92);
        // Midnight comes twice.
        check(Tz::America__Havana, "2026-11-01", "2026-11-01T04:00:00Z", 100);
        // The date was skipped.
        check(Tz::Pacific__Apia, "2011-12-30", "2011-12-30T10:00:00Z", 0);
        check(Tz::Pacific__Apia, "2011-12-31", "2011-12-30T10:00:00Z", 96);
    }

    #[test]
    fn a_month_is_all_of_its_days() {
        let month = month(Tz::Europe__Berlin, "2026-10-17".parse().unwrap());
        assert_eq!(
            month,
            days(Tz::Europe__Berlin, "2026-10-01".parse().unwrap(), "2026-10-31".parse().unwrap())
        );
        assert_eq!((month.ends_at - month.starts_at) / 3600, 31 * 24 + 1);
    }

    #[test]
    fn months_follow_one_another_over_the_turn_of_the_year() {
        let december: NaiveDate = "2026-12-31".parse().unwrap();
        assert_eq!(first_of_next_month(december).to_string(), "2027-01-01");
        assert_eq!(first_of_previous_month("2027-01-31".parse().unwrap()).to_string(), "2026-12-01");
        assert_eq!(first_of_next_month("2027-01-31".parse().unwrap()).to_string(), "2027-02-01");
    }

    const FROM_1980_MS: i64 = 315_532_800_000;

    #[test]
    fn every_offset_since_1980_is_a_multiple_of_a_quarter_hour() {
        const WEEK_MS: usize = 7 * 86_400_000;
        for zone in chrono_tz::TZ_VARIANTS {
            for unix_ms in (FROM_1980_MS..2_500_000_000_000).step_by(WEEK_MS) {
                let seconds = unix_ms / 1000;
                let offset = wall_clock(zone, seconds).and_utc().timestamp() - seconds;
                assert_eq!(offset % QUARTER_SECONDS, 0, "{zone} {unix_ms}");
            }
        }
    }

    proptest::proptest! {
        /// In every zone of the database: days join without gap or overlap on whole quarter hours, and each instant
        /// belongs to the day that holds it.
        #[test]
        fn every_instant_lies_in_the_day_of_its_date(
            zone in 0..chrono_tz::TZ_VARIANTS.len(), unix_ms in 0i64..4_000_000_000_000,
        ) {
            let zone = chrono_tz::TZ_VARIANTS[zone];
            let date = date_of(zone, unix_ms);
            let day = day(zone, date);
            proptest::prop_assert!(day.contains_ms(unix_ms), "{zone} {date} {day:?} {unix_ms}");
            if unix_ms >= FROM_1980_MS {
                proptest::prop_assert_eq!(day.starts_at % QUARTER_SECONDS, 0, "{} {}", zone, date);
            }
            proptest::prop_assert_eq!(day.ends_at, super::day(zone, next(date)).starts_at);
        }
    }
}
