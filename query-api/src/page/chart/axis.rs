//! Labels across: as many as fit, at even distances, each naming no more than it must.

use chrono::{Datelike, NaiveDate};

/// How wide a place is in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// A calendar day.
    Day,
    /// A calendar month.
    Month,
}

/// So many stand at least 56 pixels apart in a chart of 480; below, every second one is left out.
const LABELS_MAX: usize = 8;
/// Distances that people count in.
const DAYS_APART: [usize; 7] = [1, 2, 5, 7, 14, 28, 91];
const MONTHS_APART: [usize; 6] = [1, 2, 3, 6, 12, 24];

/// The places that get a label, what it says, and whether it is left out where there is little room.
pub fn labelled(width: Width, days: &[NaiveDate]) -> Vec<(usize, String, bool)> {
    let distances: &[usize] = match width {
        Width::Day => &DAYS_APART,
        Width::Month => &MONTHS_APART,
    };
    let fits = |apart: &&usize| days.len().div_ceil(**apart) <= LABELS_MAX;
    let apart = distances.iter().find(fits).copied().unwrap_or(days.len().div_ceil(LABELS_MAX));
    let mut named: Option<NaiveDate> = None;
    let places = days.iter().enumerate().step_by(apart);
    let labels = places.enumerate().map(|(number, (place, day))| {
        let text = label(width, *day, named);
        named = Some(*day);
        (place, text, number % 2 == 1)
    });
    labels.collect()
}

/// The month where it is another one than at the label before, the year where that is.
fn label(width: Width, day: NaiveDate, before: Option<NaiveDate>) -> String {
    let same_year = before.is_some_and(|before| before.year() == day.year());
    let same_month = same_year && before.is_some_and(|before| before.month() == day.month());
    let format = match (width, same_month, same_year) {
        (Width::Day, true, _) => "%-d",
        (Width::Day, false, _) => "%-d %b",
        (Width::Month, _, true) => "%b",
        (Width::Month, _, false) => "%b %Y",
    };
    day.format(format).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::Months;

    fn texts(width: Width, days: &[NaiveDate]) -> Vec<String> {
        labelled(width, days).into_iter().map(|(_, text, _)| text).collect()
    }

    fn from(first: &str, count: usize) -> Vec<NaiveDate> {
        first.parse::<NaiveDate>().unwrap().iter_days().take(count).collect()
    }

    #[test]
    fn a_month_is_named_where_it_begins_to_count() {
        assert_eq!(texts(Width::Day, &from("2026-11-01", 30)), ["1 Nov", "6", "11", "16", "21", "26"]);
        assert_eq!(texts(Width::Day, &from("2026-10-26", 30)), ["26 Oct", "31", "5 Nov", "10", "15", "20"]);
        assert_eq!(texts(Width::Day, &from("2026-11-30", 2)), ["30 Nov", "1 Dec"]);
    }

    #[test]
    fn a_year_is_named_where_it_begins_to_count() {
        let first: NaiveDate = "2026-11-01".parse().unwrap();
        let months: Vec<_> = (0..4).map(|month| first + Months::new(month)).collect();
        assert_eq!(texts(Width::Month, &months), ["Nov 2026", "Dec", "Jan 2027", "Feb"]);
    }

    #[test]
    fn there_are_never_more_labels_than_fit() {
        for count in 1..1_200 {
            let labels = labelled(Width::Day, &from("2024-01-01", count));
            assert!(labels.len() <= LABELS_MAX, "{count}");
            assert_eq!((labels[0].0, labels[0].2), (0, false));
        }
    }
}
