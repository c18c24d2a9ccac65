//! Periods: whole days of an organisation's zone, as instants.

use chrono::{Days, NaiveDate, Timelike};
use warehouse::calendar::{self, Interval, Tz};

/// A span of time `[from_ms, to_ms)`, in Unix milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// First millisecond inside.
    pub from_ms: i64,
    /// First millisecond outside.
    pub to_ms: i64,
}

impl Span {
    /// Whether nothing lies inside.
    pub fn is_empty(self) -> bool {
        self.from_ms >= self.to_ms
    }

    /// What lies in both.
    pub fn intersect(self, other: Self) -> Self {
        Self { from_ms: self.from_ms.max(other.from_ms), to_ms: self.to_ms.min(other.to_ms) }
    }

    /// Whether all of an interval lies inside.
    pub fn holds(self, interval: Interval) -> bool {
        let interval = Self::from(interval);
        self.from_ms <= interval.from_ms && interval.to_ms <= self.to_ms
    }
}

impl From<Interval> for Span {
    fn from(interval: Interval) -> Self {
        Self { from_ms: interval.starts_at * 1000, to_ms: interval.ends_at * 1000 }
    }
}

/// What a reader asked for, relative to the present day of the organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// The whole calendar month of today.
    ThisMonth,
    /// The whole calendar month before.
    LastMonth,
    /// Today and the 29 days before.
    Last30Days,
    /// Both days inclusive.
    Custom {
        /// First day.
        since: NaiveDate,
        /// Last day, not before the first.
        until: NaiveDate,
    },
}

/// Whole days of a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// First day.
    pub since: NaiveDate,
    /// Last day, inclusive.
    pub until: NaiveDate,
    /// The same as instants.
    pub span: Span,
}

impl Period {
    /// From the first day to the last, both inclusive.
    pub fn of_days(zone: Tz, since: NaiveDate, until: NaiveDate) -> Self {
        Self { since, until, span: calendar::days(zone, since, until).into() }
    }

    /// Number of days on the calendar.
    pub fn days(&self) -> u64 {
        u64::try_from((self.until - self.since).num_days() + 1).unwrap_or(0)
    }

    fn month_of(zone: Tz, date: NaiveDate) -> Self {
        let since = calendar::first_of_month(date);
        Self::of_days(zone, since, calendar::first_of_next_month(date) - Days::new(1))
    }
}

impl Range {
    /// The period in a zone, `now_ms` being the present.
    pub fn resolve(self, zone: Tz, now_ms: i64) -> Period {
        let today = calendar::date_of(zone, now_ms);
        match self {
            Self::ThisMonth => Period::month_of(zone, today),
            Self::LastMonth => Period::month_of(zone, calendar::first_of_previous_month(today)),
            Self::Last30Days => Period::of_days(zone, today - Days::new(29), today),
            Self::Custom { since, until } => Period::of_days(zone, since, until),
        }
    }

    /// The period to compare with. This month is compared with the same days of last month, up to the minute of the same
    /// local time, so that a month that has just begun is not measured against a whole one; last month with the
    /// month before; anything else with as many days just before.
    pub fn previous(self, zone: Tz, now_ms: i64) -> Period {
        let period = self.resolve(zone, now_ms);
        match self {
            Self::ThisMonth => same_days_of_last_month(zone, now_ms),
            Self::LastMonth => Period::month_of(zone, period.since - Days::new(1)),
            Self::Last30Days | Self::Custom { .. } => {
                Period::of_days(zone, period.since - Days::new(period.days()), period.since - Days::new(1))
            }
        }
    }
}

/// The days of last month up to today's, the last one up to the whole minute of the present local time of day: a card says
/// "until 14:05" and means it. Where last month is shorter, all of it.
pub fn same_days_of_last_month(zone: Tz, now_ms: i64) -> Period {
    let last_month = Range::LastMonth.resolve(zone, now_ms);
    let today = calendar::date_of(zone, now_ms);
    let this_month = calendar::first_of_month(today);
    let until = last_month.since + (today - this_month);
    if until > last_month.until {
        return last_month;
    }
    let time_of_day = calendar::wall_clock(zone, now_ms.div_euclid(1000)).time();
    let minute = time_of_day.with_second(0).unwrap_or(time_of_day);
    let same_time_ms = calendar::first_instant(zone, until.and_time(minute)) * 1000;
    let whole = Period::of_days(zone, last_month.since, until);
    let to_ms = same_time_ms.clamp(Span::from(calendar::day(zone, until)).from_ms, whole.span.to_ms);
    Period { span: Span { to_ms, ..whole.span }, ..whole }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;

    fn ms(instant: &str) -> i64 {
        instant.parse::<DateTime<chrono::Utc>>().unwrap().timestamp_millis()
    }

    fn check(period: Period, since: &str, until: &str, from: &str, to: &str) {
        let expected = Period {
            since: since.parse().unwrap(),
            until: until.parse().unwrap(),
            span: Span { from_ms: ms(from), to_ms: ms(to) },
        };
        assert_eq!(period, expected);
    }

    #[test]
    fn presets_are_whole_days_of_the_organisations_zone() {
        // 23:30 UTC is already the next month in Berlin.
        let now = ms("2026-10-31T23:30:00Z");
        let zone = Tz::Europe__Berlin;
        let check_range =
            |range: Range, since, until, from, to| check(range.resolve(zone, now), since, until, from, to);
        check_range(
            Range::ThisMonth,
            "2026-11-01",
            "2026-11-30",
            "2026-10-31T23:00:00Z",
            "2026-11-30T23:00:00Z",
        );
        check_range(
            Range::LastMonth,
            "2026-10-01",
            "2026-10-31",
            "2026-09-30T22:00:00Z",
            "2026-10-31T23:00:00Z",
        );
        check_range(
            Range::Last30Days,
            "2026-10-03",
            "2026-11-01",
            "2026-10-02T22:00:00Z",
            "2026-11-01T23:00:00Z",
        );
    }

    #[test]
    fn the_same_days_end_at_the_minute_of_the_same_local_time_of_day() {
        check(
            same_days_of_last_month(Tz::Europe__Berlin, ms("2026-11-14T13:05:07.250Z")),
            "2026-10-01",
            "2026-10-14",
            "2026-09-30T22:00:00Z",
            "2026-10-14T12:05:00Z",
        );
    }

    #[test]
    fn a_shorter_last_month_is_taken_whole() {
        check(
            same_days_of_last_month(Tz::UTC, ms("2026-03-30T09:00:00Z")),
            "2026-02-01",
            "2026-02-28",
            "2026-02-01T00:00:00Z",
            "2026-03-01T00:00:00Z",
        );
    }

    #[test]
    fn a_time_of_day_that_did_not_exist_last_month_is_the_end_of_its_gap() {
        // On 29 March 2026 Berlin's clocks went from 02:00 to 03:00.
        check(
            same_days_of_last_month(Tz::Europe__Berlin, ms("2026-04-29T00:30:00.250Z")),
            "2026-03-01",
            "2026-03-29",
            "2026-02-28T23:00:00Z",
            "2026-03-29T01:00:00Z",
        );
    }

    #[test]
    fn each_range_has_its_period_before() {
        let now = ms("2026-11-14T13:05:00Z");
        let custom =
            Range::Custom { since: "2026-11-10".parse().unwrap(), until: "2026-11-12".parse().unwrap() };
        check(
            custom.previous(Tz::UTC, now),
            "2026-11-07",
            "2026-11-09",
            "2026-11-07T00:00:00Z",
            "2026-11-10T00:00:00Z",
        );
        check(
            Range::LastMonth.previous(Tz::UTC, now),
            "2026-09-01",
            "2026-09-30",
            "2026-09-01T00:00:00Z",
            "2026-10-01T00:00:00Z",
        );
        assert_eq!(Range::ThisMonth.previous(Tz::UTC, now), same_days_of_last_month(Tz::UTC, now));
    }

    proptest::proptest! {
        #[test]
        fn in_every_zone_the_present_lies_in_this_month_and_the_same_days_in_the_last(
            zone in 0..chrono_tz::TZ_VARIANTS.len(), now_ms in 946_684_800_000i64..4_000_000_000_000,
        ) {
            let zone = chrono_tz::TZ_VARIANTS[zone];
            let this = Range::ThisMonth.resolve(zone, now_ms).span;
            let last = Range::LastMonth.resolve(zone, now_ms).span;
            proptest::prop_assert!(this.from_ms <= now_ms && now_ms < this.to_ms, "{zone} {now_ms}");
            proptest::prop_assert_eq!(last.to_ms, this.from_ms);
            let same = same_days_of_last_month(zone, now_ms).span;
            proptest::prop_assert_eq!(same.from_ms, last.from_ms);
            proptest::prop_assert!(same.from_ms <= same.to_ms && same.to_ms <= last.to_ms, "{zone} {now_ms}");
        }
    }
}
