//! The three levels of rollups, and the buckets they consist of.

use warehouse::calendar::{self, Interval, Tz};

/// A level: how long its buckets are, and which table holds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Quarter hours, in UTC.
    Quarter,
    /// Days of the organisation's zone.
    Day,
    /// Months of the organisation's zone.
    Month,
}

impl Level {
    /// All levels, each after the one it is computed from.
    pub const ALL: [Self; 3] = [Self::Quarter, Self::Day, Self::Month];

    /// The table of the level.
    pub const fn table(self) -> &'static str {
        match self {
            Self::Quarter => "usage_quarter_hourly",
            Self::Day => "usage_daily",
            Self::Month => "usage_monthly",
        }
    }

    /// For labels of metrics, reports and progress.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Quarter => "quarter_hour",
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    /// The bucket of the level that holds the quarter hour beginning at `quarter` (Unix seconds), in a zone.
    pub fn interval(self, zone: Tz, quarter: u32) -> Interval {
        let unix_ms = i64::from(quarter) * 1000;
        match self {
            Self::Quarter => calendar::quarter_of(unix_ms),
            Self::Day => calendar::day(zone, calendar::date_of(zone, unix_ms)),
            Self::Month => calendar::month(zone, calendar::date_of(zone, unix_ms)),
        }
    }
}

/// The days of a month of a zone, in order, those without any time left out. `month` is what
/// [`Level::interval`] gave for [`Level::Month`] in that zone.
pub fn days_of(zone: Tz, month: Interval) -> Vec<Interval> {
    let mut days = Vec::with_capacity(31);
    let mut next = month.starts_at;
    while next < month.ends_at {
        let day = calendar::day(zone, calendar::date_of(zone, next * 1000));
        days.push(day);
        next = day.ends_at;
    }
    days
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// In any zone, over twenty years: a quarter hour lies in its day, the day in its month, and the days of the
        /// month are the month.
        #[test]
        fn levels_nest_without_gap_in_any_zone(
            zone in proptest::sample::select(chrono_tz_all()), quarter in 1_300_000_000u32 / 900..2_000_000_000 / 900,
        ) {
            let quarter = quarter * 900;
            let [inner, day, month] = Level::ALL.map(|level| level.interval(zone, quarter));
            prop_assert!(day.starts_at <= inner.starts_at && inner.ends_at <= day.ends_at);
            let days = days_of(zone, month);
            prop_assert!(days.contains(&day));
            prop_assert_eq!(days.first().map(|day| day.starts_at), Some(month.starts_at));
            prop_assert_eq!(days.last().map(|day| day.ends_at), Some(month.ends_at));
            prop_assert!(days.windows(2).all(|pair| pair[0].ends_at == pair[1].starts_at));
            prop_assert!(days.iter().all(|day| day.starts_at % 900 == 0));
        }
    }

    fn chrono_tz_all() -> Vec<Tz> {
        [
            "UTC",
            "Europe/Berlin",
            "Asia/Kathmandu",
            "Australia/Lord_Howe",
            "America/Havana",
            "Pacific/Apia",
            "America/Sao_Paulo",
            "Africa/Cairo",
            "Asia/Gaza",
            "Pacific/Chatham",
            "America/St_Johns",
            "Antarctica/Troll",
        ]
        .map(|name| name.parse().unwrap())
        .to_vec()
    }
}
