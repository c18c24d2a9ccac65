//! Days and times of an organisation's zone. Months in letters: 03/04 means two things.

use crate::as_of::rfc3339;
use chrono::{DateTime, Datelike, MappedLocalTime, NaiveDate, Offset, TimeZone};
use warehouse::calendar::{Tz, wall_clock};

/// An instant as the zone's clock shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// `14 Nov 2026`.
    pub date: String,
    /// `13:04:59`; with its offset where the clock shows this time twice.
    pub time: String,
    /// For programs: RFC 3339, UTC, milliseconds.
    pub datetime: String,
    /// The exact instant for people: `2026-11-14 12:04:59.123 UTC`.
    pub utc: String,
}

impl Moment {
    /// An instant in Unix milliseconds.
    pub fn of(zone: Tz, unix_ms: i64) -> Self {
        let seconds = unix_ms.div_euclid(1000);
        let wall = wall_clock(zone, seconds);
        let twice = matches!(zone.from_local_datetime(&wall), MappedLocalTime::Ambiguous(..));
        let time = wall.format("%H:%M:%S").to_string();
        let utc = DateTime::from_timestamp_millis(unix_ms).unwrap_or_default();
        let offset = zone.offset_from_utc_datetime(&utc.naive_utc()).fix();
        Self {
            date: day(wall.date()),
            time: if twice { format!("{time} {offset}") } else { time },
            datetime: rfc3339(unix_ms),
            utc: utc.format("%Y-%m-%d %H:%M:%S%.3f UTC").to_string(),
        }
    }
}

/// `14 Nov 2026`.
pub fn day(date: NaiveDate) -> String {
    date.format("%-d %b %Y").to_string()
}

/// Both inclusive: `1 Nov – 14 Nov 2026`, `28 Dec 2025 – 3 Jan 2026`, `14 Nov 2026`.
pub fn days(since: NaiveDate, until: NaiveDate) -> String {
    range(since, until, "–")
}

/// As [`days`], for those who hear it.
pub fn days_spoken(since: NaiveDate, until: NaiveDate) -> String {
    range(since, until, "to")
}

/// `1 Oct – 14 Oct`, where the year is clear.
pub fn days_of_one_year(since: NaiveDate, until: NaiveDate) -> String {
    format!("{} – {}", since.format("%-d %b"), until.format("%-d %b"))
}

fn range(since: NaiveDate, until: NaiveDate, to: &str) -> String {
    if since == until {
        day(since)
    } else if since.year() == until.year() {
        format!("{} {to} {}", since.format("%-d %b"), day(until))
    } else {
        format!("{} {to} {}", day(since), day(until))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn days_name_their_year_once() {
        assert_eq!(day(date("2026-11-04")), "4 Nov 2026");
        assert_eq!(days(date("2026-11-01"), date("2026-11-14")), "1 Nov – 14 Nov 2026");
        assert_eq!(days(date("2025-12-28"), date("2026-01-03")), "28 Dec 2025 – 3 Jan 2026");
        assert_eq!(days(date("2026-11-14"), date("2026-11-14")), "14 Nov 2026");
        assert_eq!(days_spoken(date("2026-11-01"), date("2026-11-14")), "1 Nov to 14 Nov 2026");
    }

    #[test]
    fn a_moment_is_that_of_the_zones_clock() {
        let moment = Moment::of(Tz::Europe__Berlin, 1_794_657_899_123);
        assert_eq!((moment.date.as_str(), moment.time.as_str()), ("14 Nov 2026", "13:04:59"));
        assert_eq!(moment.datetime, "2026-11-14T12:04:59.123Z");
        assert_eq!(moment.utc, "2026-11-14 12:04:59.123 UTC");
        assert_eq!(Moment::of(Tz::Asia__Kathmandu, 1_794_657_899_123).time, "17:49:59");
    }

    #[test]
    fn a_time_that_comes_twice_names_its_offset() {
        // On 25 October 2026 Berlin's clocks went from 03:00 back to 02:00.
        let first = "2026-10-25T00:30:00Z".parse::<DateTime<chrono::Utc>>().unwrap().timestamp_millis();
        assert_eq!(Moment::of(Tz::Europe__Berlin, first).time, "02:30:00 +02:00");
        assert_eq!(Moment::of(Tz::Europe__Berlin, first + 3_600_000).time, "02:30:00 +01:00");
        assert_eq!(Moment::of(Tz::Europe__Berlin, first + 7_200_000).time, "03:30:00");
    }
}
