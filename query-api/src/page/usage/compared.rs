//! The days of a page and those they are compared with, in words.

use crate::ask::{Point, Series};
use crate::page::words::{Moment, count, days};
use crate::period::Span;
use crate::snapshot::Snapshot;
use warehouse::calendar;

/// Both periods in words.
#[derive(Debug)]
pub struct Compared {
    /// The days that have begun: `1 Nov – 14 Nov 2026`.
    pub shown: String,
    /// How many: `14 days`.
    pub length: String,
    /// Whether more are to come, or the last is not over.
    pub so_far: bool,
    /// The days before: `1 Oct – 14 Oct 2026, until 14:05`.
    pub previous: String,
}

impl Compared {
    /// As a snapshot sees them.
    pub fn of(series: &Series, snapshot: &Snapshot) -> Self {
        let (zone, now_ms) = (snapshot.as_of.zone, snapshot.as_of.now_ms);
        let (period, previous) = (series.period, series.previous);
        let last = period.until.min(calendar::date_of(zone, now_ms)).max(period.since);
        let length = u64::try_from((last - period.since).num_days() + 1).unwrap_or_default();
        let whole = Span::from(calendar::day(zone, previous.until));
        let mut previous_days = days(previous.since, previous.until);
        if previous.span.to_ms < whole.to_ms {
            let time = Moment::of(zone, previous.span.to_ms).time;
            previous_days.push_str(&format!(", until {}", time.get(..5).unwrap_or(&time)));
        }
        Self {
            shown: days(period.since, last),
            length: count(length, "day"),
            so_far: now_ms < period.span.to_ms,
            previous: previous_days,
        }
    }
}

/// The points that have begun: those to come are blank, not zero.
pub fn begun(points: &[Point], now_ms: i64) -> &[Point] {
    let count = points.iter().take_while(|point| point.span.from_ms <= now_ms).count();
    points.get(..count).unwrap_or_default()
}
