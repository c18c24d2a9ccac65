//! A period as whole months, days and quarter hours, and what is left of it for the ledger.

use crate::period::Span;
use warehouse::calendar::{self, Interval, QUARTER_SECONDS, Tz};

/// The rollup levels, from fine to coarse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// 15 minutes.
    Quarter,
    /// A calendar day of the organisation's zone.
    Day,
    /// A calendar month of the organisation's zone.
    Month,
}

impl Level {
    /// All of them, from coarse to fine.
    pub const ALL: [Self; 3] = [Self::Month, Self::Day, Self::Quarter];

    /// The level's table.
    pub fn table(self) -> &'static str {
        match self {
            Self::Quarter => "usage_quarter_hourly",
            Self::Day => "usage_daily",
            Self::Month => "usage_monthly",
        }
    }
}

/// A whole bucket and the sum it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket {
    /// What it covers.
    pub interval: Interval,
    /// Number of the sum; what numbers mean is up to who asks.
    pub slot: u32,
}

/// A piece of the ledger and the sum it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Piece {
    /// What it covers.
    pub span: Span,
    /// As in [`Bucket`].
    pub slot: u32,
}

/// Disjoint buckets of all levels and pieces of the ledger, to be asked side by side.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cover {
    /// Months.
    pub months: Vec<Bucket>,
    /// Days.
    pub days: Vec<Bucket>,
    /// Quarter hours.
    pub quarters: Vec<Bucket>,
    /// What no bucket can answer.
    pub pieces: Vec<Piece>,
}

/// How far before the present a bucket counts as running. The worker computes a bucket some seconds after it has
/// passed; asking for it earlier would cost a second round. Nothing but speed depends on the number.
const SETTLING_MS: i64 = 15_000;

/// Cuts periods into buckets for one organisation at one present.
#[derive(Debug, Clone, Copy)]
pub struct Cutter {
    /// Whose days and months.
    pub zone: Tz,
    /// The present, in Unix milliseconds.
    pub now_ms: i64,
}

impl Cutter {
    /// Adds a span to a cover, in buckets no coarser than `coarsest`.
    ///
    /// Nothing is asked before 1970, where an event id cannot lie: the period before a very long one may begin there. A
    /// bucket that is running now has no row yet, so its parts are taken at once. Buckets to come are taken whole:
    /// nearly always nothing has touched them, which costs nothing.
    pub fn add(&self, cover: &mut Cover, span: Span, slot: u32, coarsest: Level) {
        let span = Span { from_ms: span.from_ms.max(0), ..span };
        if span.is_empty() {
            return;
        }
        let mut date = calendar::first_of_month(calendar::date_of(self.zone, span.from_ms));
        loop {
            let month = calendar::month(self.zone, date);
            if month.starts_at * 1000 >= span.to_ms {
                return;
            }
            self.descend(cover, Level::Month, Bucket { interval: month, slot }, span, coarsest);
            date = calendar::first_of_next_month(date);
        }
    }

    /// The parts of a bucket one level below; a quarter hour's is a piece of the ledger.
    pub fn split(&self, cover: &mut Cover, level: Level, bucket: Bucket) {
        let span = bucket.interval.into();
        for part in self.parts(level, bucket.interval) {
            let bucket = Bucket { interval: part, ..bucket };
            match level {
                Level::Month => cover.push(Level::Day, bucket),
                Level::Day => cover.push(Level::Quarter, bucket),
                Level::Quarter => {}
            }
        }
        if level == Level::Quarter {
            cover.pieces.push(Piece { span, slot: bucket.slot });
        }
    }

    fn descend(&self, cover: &mut Cover, level: Level, bucket: Bucket, span: Span, coarsest: Level) {
        let common = span.intersect(bucket.interval.into());
        if common.is_empty() {
            return;
        }
        if level <= coarsest && span.holds(bucket.interval) && !self.is_running(bucket.interval) {
            cover.push(level, bucket);
            return;
        }
        let below = match level {
            Level::Month => Level::Day,
            Level::Day => Level::Quarter,
            Level::Quarter => {
                cover.pieces.push(Piece { span: common, slot: bucket.slot });
                return;
            }
        };
        for interval in self.parts(level, bucket.interval) {
            self.descend(cover, below, Bucket { interval, ..bucket }, span, coarsest);
        }
    }

    fn is_running(&self, interval: Interval) -> bool {
        interval.starts_at * 1000 <= self.now_ms && interval.ends_at * 1000 > self.now_ms - SETTLING_MS
    }

    fn parts(&self, level: Level, whole: Interval) -> Vec<Interval> {
        match level {
            Level::Month => {
                let first = calendar::date_of(self.zone, whole.starts_at * 1000);
                first
                    .iter_days()
                    .map(|date| calendar::day(self.zone, date))
                    .take_while(|day| day.starts_at < whole.ends_at)
                    .filter(|day| day.starts_at < day.ends_at)
                    .collect()
            }
            Level::Day => (whole.starts_at..whole.ends_at)
                .step_by(QUARTER_SECONDS as usize)
                .map(|starts_at| Interval { starts_at, ends_at: starts_at + QUARTER_SECONDS })
                .collect(),
            Level::Quarter => Vec::new(),
        }
    }
}

impl Cover {
    /// The buckets of a level.
    pub fn buckets(&self, level: Level) -> &[Bucket] {
        match level {
            Level::Month => &self.months,
            Level::Day => &self.days,
            Level::Quarter => &self.quarters,
        }
    }

    /// Adds a bucket.
    pub fn push(&mut self, level: Level, bucket: Bucket) {
        match level {
            Level::Month => self.months.push(bucket),
            Level::Day => self.days.push(bucket),
            Level::Quarter => self.quarters.push(bucket),
        }
    }

    /// From the beginning of its first part to the end of its last.
    pub fn span(&self) -> Span {
        let buckets = Level::ALL.into_iter().flat_map(|level| self.buckets(level));
        let spans =
            buckets.map(|bucket| bucket.interval.into()).chain(self.pieces.iter().map(|piece| piece.span));
        let hull = |hull: Span, span: Span| Span {
            from_ms: hull.from_ms.min(span.from_ms),
            to_ms: hull.to_ms.max(span.to_ms),
        };
        spans.reduce(hull).unwrap_or(Span { from_ms: 0, to_ms: 0 })
    }

    /// Whether nothing is left to ask.
    pub fn is_empty(&self) -> bool {
        self.months.is_empty() && self.days.is_empty() && self.quarters.is_empty() && self.pieces.is_empty()
    }
}

#[cfg(test)]
#[path = "cover/tests.rs"]
mod tests;
