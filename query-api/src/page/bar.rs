//! Horizontal bars: parts of a whole, as the positions and widths of their segments.

use proto::Amount;

/// A segment, in hundredths of a percent of the bar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// The style's class: the colour.
    pub class: &'static str,
    /// What it belongs to: segment and row of the same number are shown together.
    pub row: usize,
    start: u32,
    width: u32,
}

/// The whole bar.
const WHOLE: u32 = 10_000;
/// What is not nothing is seen.
const WIDTH_MIN: u32 = 100;

impl Segment {
    /// Where it begins: `12.34%`.
    pub fn x(&self) -> String {
        percent(self.start)
    }

    /// How long it is: `12.34%`.
    pub fn width(&self) -> String {
        percent(self.width)
    }
}

/// Lays parts side by side. Parts that are zero have no segment; every other is at least one percent wide, which the
/// largest gives up. The numbers beside the bar stay exact.
pub fn segments(parts: &[(&'static str, Amount)]) -> Vec<Segment> {
    let whole: u128 = parts.iter().map(|(_, amount)| magnitude(*amount)).sum();
    if whole == 0 {
        return Vec::new();
    }
    let mut widths: Vec<(usize, &'static str, u32)> = parts
        .iter()
        .enumerate()
        .filter(|(_, (_, amount))| magnitude(*amount) > 0)
        .map(|(row, (class, amount))| (row, *class, part_of(magnitude(*amount), whole).max(WIDTH_MIN)))
        .collect();
    let sum: u32 = widths.iter().map(|(_, _, width)| width).sum();
    if let Some((_, _, largest)) = widths.iter_mut().max_by_key(|(_, _, width)| *width) {
        *largest = (*largest + WHOLE).saturating_sub(sum);
    }
    let mut start = 0;
    widths
        .into_iter()
        .map(|(row, class, width)| {
            let segment = Segment { class, row, start, width };
            start += width;
            segment
        })
        .collect()
}

fn magnitude(amount: Amount) -> u128 {
    amount.units().unsigned_abs()
}

/// In hundredths of a percent. Both sides lose their last digits together where the product would not fit.
fn part_of(mut part: u128, mut whole: u128) -> u32 {
    while part > u128::MAX / u128::from(WHOLE) {
        part >>= 1;
        whole >>= 1;
    }
    u32::try_from(part * u128::from(WHOLE) / whole.max(1)).unwrap_or(WHOLE)
}

fn percent(hundredths: u32) -> String {
    format!("{}.{:02}%", hundredths / 100, hundredths % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(amounts: &[&str]) -> Vec<(usize, String, String)> {
        let parts: Vec<_> = amounts.iter().map(|text| ("c1", Amount::parse(text).unwrap())).collect();
        segments(&parts).iter().map(|segment| (segment.row, segment.x(), segment.width())).collect()
    }

    #[test]
    fn segments_fill_the_bar() {
        let text = |text: &str| text.to_owned();
        assert_eq!(
            drawn(&["3", "1"]),
            [(0, text("0.00%"), text("75.00%")), (1, text("75.00%"), text("25.00%"))]
        );
        assert_eq!(drawn(&["0.000000000001"]), [(0, text("0.00%"), text("100.00%"))]);
        let thirds: Vec<String> = drawn(&["1", "1", "1"]).into_iter().map(|(_, _, width)| width).collect();
        assert_eq!(thirds, ["33.33%", "33.33%", "33.34%"]);
    }

    #[test]
    fn what_is_little_is_still_seen_and_what_is_nothing_is_not() {
        let text = |text: &str| text.to_owned();
        assert_eq!(
            drawn(&["999999", "1", "0"]),
            [(0, text("0.00%"), text("99.00%")), (1, text("99.00%"), text("1.00%"))]
        );
        assert!(drawn(&["0", "0"]).is_empty());
        assert!(drawn(&[]).is_empty());
    }

    #[test]
    fn the_largest_amounts_fit() {
        let huge = Amount::from_units(i128::MAX / 2);
        let widths =
            segments(&[("c1", huge), ("c2", huge)]).iter().map(|segment| segment.width).collect::<Vec<_>>();
        assert_eq!(widths.iter().sum::<u32>(), WHOLE);
        assert!(widths.iter().all(|width| width.abs_diff(WHOLE / 2) <= 1), "{widths:?}");
    }
}
