//! Usage over time: a sum for each day or month of a period, and for the period before.

use crate::cover::{Cover, Level};
use crate::filter::Filter;
use crate::period::{Period, Span};
use crate::queries;
use crate::reader::{AnswerRow, AskError, Reader};
use crate::sums::Sums;
use chrono::{Days, NaiveDate};
use clickhouse::Row;
use serde::Deserialize;
use warehouse::DecimalUnits;
use warehouse::calendar::{self, Tz};

/// Width of a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A calendar day.
    Day,
    /// A calendar month, cut where the period begins or ends inside it.
    Month,
}

/// One point of a series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// Its days.
    pub since: NaiveDate,
    /// Last day, inclusive.
    pub until: NaiveDate,
    /// The same as instants.
    pub span: Span,
    /// What its calls add up to.
    pub sums: Sums,
}

/// A period and the one before, point by point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    /// The filter's days.
    pub period: Period,
    /// Its points, in order.
    pub points: Vec<Point>,
    /// The period compared with.
    pub previous: Period,
    /// Its points, in order.
    pub previous_points: Vec<Point>,
}

#[derive(Clone, Row, Deserialize)]
struct SeriesRow {
    kind: u8,
    start: u32,
    slot: u32,
    currency_code: String,
    sum_calls: u64,
    sum_input_tokens: u64,
    sum_output_tokens: u64,
    sum_credits: DecimalUnits,
    sum_cost: DecimalUnits,
}

const INTERVAL: u8 = 1;

impl AnswerRow for SeriesRow {
    type Cell = (u8, u32, u32, String);

    fn cell(&self) -> Self::Cell {
        (self.kind, self.start, self.slot, self.currency_code.clone())
    }

    fn add(&mut self, later: Self) {
        self.sum_calls += later.sum_calls;
        self.sum_input_tokens += later.sum_input_tokens;
        self.sum_output_tokens += later.sum_output_tokens;
        self.sum_credits += later.sum_credits;
        self.sum_cost += later.sum_cost;
    }

    fn used(&self) -> &[u32] {
        if self.kind == INTERVAL { std::slice::from_ref(&self.start) } else { &[] }
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + self.currency_code.len()
    }
}

/// Reads the series at a snapshot.
///
/// # Errors
/// Those of [`Reader::ask`].
pub async fn series(reader: &Reader, filter: &Filter, step: Step) -> Result<Series, AskError> {
    let (zone, now_ms) = (reader.cutter.zone, reader.cutter.now_ms);
    let period = filter.range.resolve(zone, now_ms);
    let previous = filter.range.previous(zone, now_ms);
    let mut points = points_of(zone, period, step);
    let split = points.len();
    points.extend(points_of(zone, previous, step));
    let coarsest = match step {
        Step::Day => Level::Day,
        Step::Month => Level::Month,
    };
    let mut cover = Cover::default();
    for (slot, point) in (0u32..).zip(&points) {
        reader.cutter.add(&mut cover, point.span, slot, coarsest);
    }
    reader
        .ask(&queries::SERIES, &filter.narrow, cover, |row: SeriesRow| {
            if let (true, Some(point)) = (row.kind != INTERVAL, points.get_mut(row.slot as usize)) {
                point.sums.add(&row.currency_code, row.sum_calls, row.sum_credits, row.sum_cost);
                point.sums.input_tokens += row.sum_input_tokens;
                point.sums.output_tokens += row.sum_output_tokens;
            }
        })
        .await?;
    let previous_points = points.split_off(split);
    Ok(Series { period, points, previous, previous_points })
}

impl Series {
    /// All points of the period together.
    pub fn totals(&self) -> Sums {
        total(&self.points)
    }

    /// All points of the period before together.
    pub fn previous_totals(&self) -> Sums {
        total(&self.previous_points)
    }
}

fn total(points: &[Point]) -> Sums {
    let mut sums = Sums::default();
    points.iter().for_each(|point| sums.merge(&point.sums));
    sums
}

fn points_of(zone: Tz, period: Period, step: Step) -> Vec<Point> {
    let mut points = Vec::new();
    let mut since = period.since;
    while since <= period.until {
        let until = match step {
            Step::Day => since,
            Step::Month => (calendar::first_of_next_month(since) - Days::new(1)).min(period.until),
        };
        let span = Period::of_days(zone, since, until).span.intersect(period.span);
        points.push(Point { since, until, span, sums: Sums::default() });
        since = until + Days::new(1);
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_cut_where_the_period_begins_and_ends() {
        let period = Period::of_days(Tz::UTC, "2026-01-30".parse().unwrap(), "2026-03-02".parse().unwrap());
        let points = points_of(Tz::UTC, period, Step::Month);
        let dates: Vec<_> = points.iter().map(|point| format!("{} {}", point.since, point.until)).collect();
        assert_eq!(dates, ["2026-01-30 2026-01-31", "2026-02-01 2026-02-28", "2026-03-01 2026-03-02"]);
        assert_eq!(points_of(Tz::UTC, period, Step::Day).len(), 32);
    }

    #[test]
    fn the_points_join_to_the_period() {
        let zone = Tz::Europe__Berlin;
        let period = crate::period::same_days_of_last_month(zone, 1_793_487_600_123);
        for step in [Step::Day, Step::Month] {
            let points = points_of(zone, period, step);
            assert_eq!(points.first().unwrap().span.from_ms, period.span.from_ms);
            assert_eq!(points.last().unwrap().span.to_ms, period.span.to_ms);
            assert!(points.windows(2).all(|pair| pair[0].span.to_ms == pair[1].span.from_ms));
        }
    }
}
