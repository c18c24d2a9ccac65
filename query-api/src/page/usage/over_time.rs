//! Credits, calls, tokens and BYOK cost over time: for each a sentence, a chart, and a table that says all of it.

use super::compared::{Compared, begun};
use super::measure::Measure;
use crate::ask::{Point, Series, Step};
use crate::page::chart::{Bar, Chart, Plot, Width};
use crate::page::pill::Pill;
use crate::page::words::{MINUS, day, days, fraction_digits};
use crate::snapshot::Snapshot;
use proto::Amount;
use std::cmp::Reverse;
use warehouse::calendar;

/// One measure over time.
#[derive(Debug)]
pub struct OverTime {
    /// For the parts' names in the page: `credits`.
    pub id: String,
    /// `Credits a day`.
    pub title: String,
    /// `12,480.5 credits in 14 days, up 8.1% from 1 Oct – 14 Oct 2026. Highest: 1,902 on 4 Nov 2026.`
    pub sentence: String,
    /// The picture.
    pub chart: Chart,
    /// The value of the highest bar.
    pub peak: Option<Peak>,
    /// What each place stands for.
    titles: Vec<String>,
    /// Whether it is the one to look at first.
    pub large: bool,
}

/// A text over the highest bar.
#[derive(Debug)]
pub struct Peak {
    /// Where along the chart: `12.50%`.
    pub x: String,
    /// Baseline in pixels.
    pub y: u32,
    /// The value.
    pub text: String,
    /// `start`, `middle` or `end`: which part of the text stands at `x`.
    pub anchor: &'static str,
}

/// The rows of a period, all measures beside each other.
#[derive(Debug)]
pub struct Stretch {
    /// `1 Nov – 14 Nov 2026`.
    pub days: String,
    /// A row for each day or month that has begun.
    pub rows: Vec<Row>,
}

/// A day or month.
#[derive(Debug)]
pub struct Row {
    /// `4 Nov 2026`.
    pub days: String,
    /// Whether it is not over.
    pub so_far: bool,
    /// Exact, in the order of the measures.
    pub values: Vec<String>,
}

impl OverTime {
    /// What a bar stands for: `4 Nov 2026: 1,902`.
    pub fn title_of(&self, bar: &Bar) -> &str {
        self.titles.get(bar.place).map_or("", String::as_str)
    }
}

/// Charts of BYOK cost at most, the currencies of most calls; the table has all.
const COST_CHARTS_MAX: usize = 3;
const HEIGHT_LARGE: u32 = 220;
const HEIGHT_SMALL: u32 = 140;
/// The value of the highest bar stands this far above it.
const ABOVE_PEAK: u32 = 6;
/// About how wide one of its characters is.
const PEAK_CHAR_PX: usize = 7;
/// The narrowest that bars are drawn.
const WIDTH_MIN_PX: usize = 240;

/// The charts of a series.
pub fn of(
    series: &Series,
    measures: &[Measure],
    step: Step,
    compared: &Compared,
    snapshot: &Snapshot,
) -> Vec<OverTime> {
    let totals = series.totals();
    let calls_in = |measure: &&Measure| match measure {
        Measure::Cost(currency) => totals.byok.get(currency).map(|byok| byok.calls),
        _ => None,
    };
    let mut costs: Vec<&Measure> = measures.iter().filter(|measure| calls_in(measure).is_some()).collect();
    costs.sort_by_key(|measure| Reverse(calls_in(measure)));
    costs.truncate(COST_CHARTS_MAX);
    let is_drawn = |measure: &&Measure| !matches!(measure, Measure::Cost(_)) || costs.contains(measure);
    let drawn = measures.iter().filter(is_drawn);
    drawn.map(|measure| over_time(measure, series, step, compared, snapshot)).collect()
}

fn over_time(
    measure: &Measure,
    series: &Series,
    step: Step,
    compared: &Compared,
    snapshot: &Snapshot,
) -> OverTime {
    let now_ms = snapshot.as_of.now_ms;
    let shown = begun(&series.points, now_ms);
    let values_of =
        |points: &[Point]| -> Vec<Amount> { points.iter().map(|point| measure.value(&point.sums)).collect() };
    let (values, previous) = (values_of(shown), values_of(&series.previous_points));
    let unfinished = shown.last().is_some_and(|point| now_ms < point.span.to_ms);
    let large = *measure == Measure::Credits;
    let chart = Chart::of(&Plot {
        width: match step {
            Step::Day => Width::Day,
            Step::Month => Width::Month,
        },
        height: if large { HEIGHT_LARGE } else { HEIGHT_SMALL },
        whole: measure.is_whole(),
        days: &series.points.iter().map(|point| point.since).collect::<Vec<_>>(),
        values: &values,
        unfinished,
        previous: &previous,
    });
    let highest = chart.peak.and_then(|place| Some((shown.get(place)?, *values.get(place)?)));
    OverTime {
        id: measure.id(),
        title: format!("{} a {}", measure.heading(), step_noun(step)),
        sentence: sentence(measure, series, step, compared, highest),
        peak: peak(&chart, highest.map(|(_, value)| measure.written(value))),
        titles: shown
            .iter()
            .zip(&values)
            .map(|(point, value)| format!("{}: {}", days_of(point, step), measure.written(*value)))
            .collect(),
        chart,
        large,
    }
}

fn sentence(
    measure: &Measure,
    series: &Series,
    step: Step,
    compared: &Compared,
    highest: Option<(&Point, Amount)>,
) -> String {
    let (now, before) = (measure.value(&series.totals()), measure.value(&series.previous_totals()));
    let pill = Pill::between(before, now);
    let change = match (pill.arrow, pill.text.as_str()) {
        (true, text) => format!("{} {} from", pill.class, text.replace(['+', MINUS], "")),
        (false, "new") => "none in".to_owned(),
        (false, _) => "the same as in".to_owned(),
    };
    let told = format!("{} in {}, {change} {}.", measure.told(now), compared.length, compared.previous);
    let place = match step {
        Step::Day => "on",
        Step::Month => "in",
    };
    match highest {
        Some((point, value)) => {
            format!("{told} Highest: {} {place} {}.", measure.written(value), days_of(point, step))
        }
        None => told,
    }
}

fn peak(chart: &Chart, highest: Option<String>) -> Option<Peak> {
    let place = chart.peak?;
    let bar = chart.bars.iter().find(|bar| bar.place == place)?;
    let text = highest?;
    let half = text.chars().count() * PEAK_CHAR_PX / 2;
    let (before, after) = (2 * place + 1, 2 * (chart.places - place) - 1);
    let fits = |places: usize| places * WIDTH_MIN_PX > half * 2 * chart.places;
    let anchor = match (fits(before), fits(after)) {
        (false, true) => "start",
        (true, false) => "end",
        _ => "middle",
    };
    let x = match anchor {
        "start" => bar.x.clone(),
        "end" => bar.end.clone(),
        _ => bar.middle.clone(),
    };
    Some(Peak { x, y: bar.y.saturating_sub(ABOVE_PEAK), text, anchor })
}

/// Both periods as rows.
pub fn stretches(
    series: &Series,
    measures: &[Measure],
    step: Step,
    compared: &Compared,
    now_ms: i64,
) -> [Stretch; 2] {
    let digits_of = |measure: &Measure| {
        let points = series.points.iter().chain(&series.previous_points);
        points.map(|point| fraction_digits(measure.value(&point.sums))).max().unwrap_or(0)
    };
    let columns: Vec<(&Measure, usize)> =
        measures.iter().map(|measure| (measure, digits_of(measure))).collect();
    let row = |point: &Point| Row {
        days: days_of(point, step),
        so_far: now_ms < point.span.to_ms,
        values: columns
            .iter()
            .map(|(measure, digits)| measure.written_with(measure.value(&point.sums), *digits))
            .collect(),
    };
    let stretch = |days: &String, points: &[Point]| Stretch {
        days: days.clone(),
        rows: begun(points, now_ms).iter().map(row).collect(),
    };
    [stretch(&compared.shown, &series.points), stretch(&compared.previous, &series.previous_points)]
}

/// `4 Nov 2026`; of months `Nov 2026`, or the days where the period cuts one.
fn days_of(point: &Point, step: Step) -> String {
    let first = calendar::first_of_month(point.since);
    let whole_month =
        point.since == first && point.until.succ_opt() == Some(calendar::first_of_next_month(first));
    match step {
        Step::Day => day(point.since),
        Step::Month if whole_month => point.since.format("%b %Y").to_string(),
        Step::Month => days(point.since, point.until),
    }
}

fn step_noun(step: Step) -> &'static str {
    match step {
        Step::Day => "day",
        Step::Month => "month",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::period::{Period, Span};
    use crate::sums::Sums;
    use warehouse::calendar::Tz;

    fn point(since: &str, until: &str, credits: &str) -> Point {
        let (since, until) = (since.parse().unwrap(), until.parse().unwrap());
        let span = Period::of_days(Tz::UTC, since, until).span;
        Point {
            since,
            until,
            span,
            sums: Sums { credits: Amount::parse(credits).unwrap(), ..Sums::default() },
        }
    }

    fn sentence_of(now: &[Point], before: &[Point]) -> String {
        let period = |points: &[Point]| {
            let (first, last) = (points.first().unwrap(), points.last().unwrap());
            let span = Span { from_ms: first.span.from_ms, to_ms: last.span.to_ms };
            Period { since: first.since, until: last.until, span }
        };
        let series = Series {
            period: period(now),
            points: now.to_vec(),
            previous: period(before),
            previous_points: before.to_vec(),
        };
        let compared = Compared {
            shown: String::new(),
            length: "2 days".to_owned(),
            so_far: false,
            previous: "1 Oct – 2 Oct 2026".to_owned(),
        };
        let highest = now.iter().map(|point| (point, point.sums.credits)).max_by_key(|(_, credits)| *credits);
        let highest = highest.filter(|(_, credits)| *credits > Amount::ZERO);
        sentence(&Measure::Credits, &series, Step::Day, &compared, highest)
    }

    #[test]
    fn a_sentence_says_how_much_compared_with_what_and_when_most() {
        let days = |first: &str, second: &str| {
            [point("2026-11-03", "2026-11-03", first), point("2026-11-04", "2026-11-04", second)]
        };
        for (now, before, told) in [
            (
                ("1", "2.5"),
                ("2", "0"),
                "3.5 credits in 2 days, up 75.0% from 1 Oct – 2 Oct 2026. Highest: 2.5 on 4 Nov 2026.",
            ),
            (
                ("1", "0"),
                ("2", "0"),
                "1 credit in 2 days, down 50.0% from 1 Oct – 2 Oct 2026. Highest: 1 on 3 Nov 2026.",
            ),
            (
                ("1", "1"),
                ("0", "0"),
                "2 credits in 2 days, none in 1 Oct – 2 Oct 2026. Highest: 1 on 4 Nov 2026.",
            ),
            (("0", "0"), ("0", "0"), "0 credits in 2 days, the same as in 1 Oct – 2 Oct 2026."),
        ] {
            assert_eq!(sentence_of(&days(now.0, now.1), &days(before.0, before.1)), told);
        }
    }

    #[test]
    fn provider_cost_is_told_in_its_currency() {
        let cost = Measure::Cost("USD".to_owned());
        let amount = Amount::parse("4.18").unwrap();
        assert_eq!((cost.id(), cost.heading()), ("cost-USD".to_owned(), "BYOK cost in USD".to_owned()));
        assert_eq!((cost.written(amount), cost.told(amount)), ("$4.18".to_owned(), "$4.18".to_owned()));
        assert_eq!(Measure::Calls.told(Amount::parse("1").unwrap()), "1 call");
    }

    #[test]
    fn a_month_that_the_period_cuts_is_named_by_its_days() {
        assert_eq!(days_of(&point("2026-11-01", "2026-11-30", "0"), Step::Month), "Nov 2026");
        assert_eq!(days_of(&point("2026-11-15", "2026-11-30", "0"), Step::Month), "15 Nov – 30 Nov 2026");
        assert_eq!(days_of(&point("2026-11-15", "2026-11-15", "0"), Step::Day), "15 Nov 2026");
    }
}
