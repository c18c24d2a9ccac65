//! A chart of sums over time as plain positions, so that a template only has to write them down. Bars for the period,
//! a step line for the one before, told apart by shape and not by colour alone.
//!
//! Across, positions are parts of the width, for the page is as wide as it is; down, they are pixels.

mod axis;
mod scale;

use axis::labelled;
use chrono::NaiveDate;
use proto::Amount;
use scale::Scale;

pub use axis::Width;

/// What is drawn.
#[derive(Debug, Clone)]
pub struct Plot<'a> {
    /// How wide each place is in time; decides what the labels across say.
    pub width: Width,
    /// Height in pixels, labels included.
    pub height: u32,
    /// Whether values are counts, so that a gridline at a half means nothing.
    pub whole: bool,
    /// First day of each place.
    pub days: &'a [NaiveDate],
    /// Value of each place that has begun; fewer than days where some are to come.
    pub values: &'a [Amount],
    /// Whether the last value is still growing.
    pub unfinished: bool,
    /// Values of the period before, from its beginning.
    pub previous: &'a [Amount],
}

/// The chart as positions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chart {
    /// Height in pixels.
    pub height: u32,
    /// The line that everything stands on, in pixels from the top.
    pub base: u32,
    /// Where the labels across stand, in pixels from the top.
    pub labels_at: u32,
    /// Places, in each of which a bar may stand.
    pub places: usize,
    /// Gridlines above the base.
    pub ticks: Vec<Tick>,
    /// A bar for each value above zero.
    pub bars: Vec<Bar>,
    /// The step line of the period before, as the data of a path: across in places, down in pixels. Empty for none.
    pub line: String,
    /// Labels across.
    pub labels: Vec<Label>,
    /// The place of the highest value; none if all are zero.
    pub peak: Option<usize>,
}

/// A gridline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tick {
    /// Pixels from the top.
    pub y: u32,
    /// `12.5K`.
    pub label: String,
}

/// A bar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bar {
    /// Its place.
    pub place: usize,
    /// Left edge: `12.50%`.
    pub x: String,
    /// `7.50%`.
    pub width: String,
    /// Its middle.
    pub middle: String,
    /// Right edge.
    pub end: String,
    /// Pixels from the top.
    pub y: u32,
    /// Pixels; at least one, so that a little is not nothing.
    pub height: u32,
    /// Whether it is still growing.
    pub unfinished: bool,
}

/// A text at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Its middle: `12.50%`.
    pub x: String,
    /// What it says.
    pub text: String,
    /// Whether it is left out where there is little room.
    pub spare: bool,
}

/// Room for the value of the highest bar.
const ABOVE: u32 = 20;
/// Room for the labels across.
const BELOW: u32 = 24;
const LABEL_BASELINE: u32 = 6;
/// Of a place, a bar takes three quarters.
const GAP_EIGHTHS: usize = 1;
const BAR_EIGHTHS: usize = 6;

impl Chart {
    /// Computes all positions.
    pub fn of(plot: &Plot) -> Self {
        let places = plot.days.len().max(plot.previous.len()).max(1);
        let highest = plot.values.iter().chain(plot.previous).copied().max().unwrap_or(Amount::ZERO);
        let scale = Scale::up_to(highest, plot.whole);
        let base = plot.height.saturating_sub(BELOW);
        let y = |value: Amount| base - scale.part(value, base.saturating_sub(ABOVE));
        let last = plot.values.len().saturating_sub(1);
        let bars = plot.values.iter().enumerate().filter(|(_, value)| **value > Amount::ZERO);
        let bars = bars.map(|(place, value)| {
            let top = y(*value).min(base.saturating_sub(1));
            Bar {
                place,
                x: percent(8 * place + GAP_EIGHTHS, 8 * places),
                width: percent(BAR_EIGHTHS, 8 * places),
                middle: percent(2 * place + 1, 2 * places),
                end: percent(8 * place + GAP_EIGHTHS + BAR_EIGHTHS, 8 * places),
                y: top,
                height: base - top,
                unfinished: plot.unfinished && place == last,
            }
        });
        let ticks = scale.ticks().into_iter().map(|value| Tick { y: y(value), label: scale::compact(value) });
        let labels = labelled(plot.width, plot.days).into_iter().map(|(place, text, spare)| Label {
            x: percent(2 * place + 1, 2 * places),
            text,
            spare,
        });
        Self {
            height: plot.height,
            base,
            labels_at: plot.height.saturating_sub(LABEL_BASELINE),
            places,
            ticks: ticks.collect(),
            bars: bars.collect(),
            line: steps(plot.previous.iter().map(|value| (*value > Amount::ZERO).then(|| y(*value))), base),
            labels: labels.collect(),
            peak: peak(plot.values),
        }
    }
}

/// The first of the highest values.
fn peak(values: &[Amount]) -> Option<usize> {
    let highest = values.iter().copied().max().filter(|highest| *highest > Amount::ZERO)?;
    values.iter().position(|value| *value == highest)
}

/// One step a place: `M0 90H1V40H2`. It is lifted where there is nothing: along the base it would hide the feet of bars.
fn steps(heights: impl Iterator<Item = Option<u32>>, base: u32) -> String {
    let mut path = String::new();
    let mut is_down = false;
    for (place, y) in heights.enumerate() {
        match y {
            Some(y) if is_down => path.push_str(&format!("V{y}H{}", place + 1)),
            Some(y) if place == 0 => path.push_str(&format!("M0 {y}H1")),
            Some(y) => path.push_str(&format!("M{place} {base}V{y}H{}", place + 1)),
            None if is_down => path.push_str(&format!("V{base}")),
            None => {}
        }
        is_down = y.is_some();
    }
    path
}

/// A part as a percentage with two decimals, cut.
fn percent(part: usize, whole: usize) -> String {
    let hundredths = part * 10_000 / whole;
    format!("{}.{:02}%", hundredths / 100, hundredths % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amounts(texts: &[&str]) -> Vec<Amount> {
        texts.iter().map(|text| Amount::parse(text).unwrap()).collect()
    }

    fn days(first: &str, count: usize) -> Vec<NaiveDate> {
        first.parse::<NaiveDate>().unwrap().iter_days().take(count).collect()
    }

    fn chart(count: usize, values: &[&str], previous: &[&str]) -> Chart {
        Chart::of(&Plot {
            width: Width::Day,
            height: 220,
            whole: false,
            days: &days("2026-11-01", count),
            values: &amounts(values),
            unfinished: true,
            previous: &amounts(previous),
        })
    }

    #[test]
    fn bars_stand_on_the_base_and_the_highest_gridline_is_the_top() {
        let chart = chart(4, &["10", "0", "5"], &[]);
        assert_eq!((chart.base, chart.places, chart.peak), (196, 4, Some(0)));
        let bars: Vec<_> = chart.bars.iter().map(|bar| (bar.place, bar.y, bar.height)).collect();
        assert_eq!(bars, [(0, 20, 176), (2, 108, 88)]);
        assert_eq!((chart.bars[0].x.as_str(), chart.bars[0].width.as_str()), ("3.12%", "18.75%"));
        assert_eq!(chart.ticks.last(), Some(&Tick { y: 20, label: "10".to_owned() }));
    }

    #[test]
    fn only_the_last_value_is_still_growing() {
        let chart = chart(5, &["1", "2", "3"], &[]);
        let growing: Vec<_> = chart.bars.iter().map(|bar| bar.unfinished).collect();
        assert_eq!(growing, [false, false, true]);
    }

    #[test]
    fn a_little_is_not_nothing() {
        let chart = chart(2, &["1000000", "0.000001"], &[]);
        assert_eq!(chart.bars[1].height, 1);
    }

    #[test]
    fn the_period_before_is_one_step_a_place_on_the_same_scale() {
        let chart = chart(2, &["5", "5"], &["10", "0", "5"]);
        assert_eq!(chart.line, "M0 20H1V196M2 196V108H3");
        assert_eq!(chart.places, 3);
        assert_eq!(chart.bars[0].height, 88);
    }

    #[test]
    fn nothing_at_all_is_a_base_without_gridlines() {
        let chart = chart(3, &["0", "0"], &[]);
        assert!(chart.ticks.is_empty() && chart.bars.is_empty() && chart.line.is_empty());
        assert_eq!(chart.peak, None);
        assert_eq!(chart.labels.len(), 3);
    }
}
