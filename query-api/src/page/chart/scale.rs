//! The scale of an axis: from zero, always, with gridlines at round values.

use crate::page::words::decimal;
use proto::Amount;

/// From zero to a round value at or above the highest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scale {
    /// Units of an amount between gridlines.
    step: i128,
    /// Gridlines above zero.
    count: i128,
}

const LINES_MAX: i128 = 5;
const ONE: i128 = 1_000_000_000_000;
/// The round steps of a decade, in tenths.
const STEPS_IN_TENTHS: [i128; 4] = [10, 20, 25, 50];

impl Scale {
    /// With the smallest round step that needs at most five lines. `whole` keeps to whole numbers.
    pub fn up_to(highest: Amount, whole: bool) -> Self {
        let highest = highest.units().max(0);
        if highest == 0 {
            return Self { step: 1, count: 0 };
        }
        let finest = if whole { ONE } else { 1 };
        let mut decade = finest;
        loop {
            for tenths in STEPS_IN_TENTHS.into_iter().filter(|tenths| decade * tenths % (10 * finest) == 0) {
                let step = decade * tenths / 10;
                let count = (highest - 1) / step + 1;
                if count <= LINES_MAX {
                    return Self { step, count };
                }
            }
            decade *= 10;
        }
    }

    /// The values of the gridlines above zero.
    pub fn ticks(self) -> Vec<Amount> {
        (1..=self.count).map(|line| Amount::from_units(self.step * line)).collect()
    }

    /// Which part of a length a value takes, rounded.
    pub fn part(self, value: Amount, length: u32) -> u32 {
        let top = (self.step * self.count).max(1);
        let part = (value.units().clamp(0, top) * i128::from(length) + top / 2) / top;
        u32::try_from(part).unwrap_or(length)
    }
}

/// A round value in few letters: `0.05`, `250`, `2.5K`, `12M`.
pub fn compact(value: Amount) -> String {
    let suffixes = [(4, "T"), (3, "B"), (2, "M"), (1, "K")];
    for (thousands, suffix) in suffixes {
        let divisor = 1_000i128.pow(thousands);
        if value.units() >= ONE * divisor {
            return format!("{}{suffix}", decimal(Amount::from_units(value.units() / divisor)));
        }
    }
    decimal(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(text: &str) -> Amount {
        Amount::parse(text).unwrap()
    }

    fn labels(highest: &str, whole: bool) -> Vec<String> {
        Scale::up_to(amount(highest), whole).ticks().into_iter().map(compact).collect()
    }

    #[test]
    fn gridlines_stand_at_round_values() {
        for (highest, lines) in [
            ("0.000000000001", &["0.000000000001"][..]),
            ("0.0004", &["0.0001", "0.0002", "0.0003", "0.0004"]),
            ("3.1", &["1", "2", "3", "4"]),
            ("5", &["1", "2", "3", "4", "5"]),
            ("5.01", &["2", "4", "6"]),
            ("11", &["2.5", "5", "7.5", "10", "12.5"]),
            ("1902", &["500", "1K", "1.5K", "2K"]),
            ("12480.5", &["2.5K", "5K", "7.5K", "10K", "12.5K"]),
            ("999999999999", &["200B", "400B", "600B", "800B", "1T"]),
        ] {
            assert_eq!(labels(highest, false), lines, "{highest}");
        }
    }

    #[test]
    fn counts_have_no_half_lines() {
        assert_eq!(labels("1", true), ["1"]);
        assert_eq!(labels("2", true), ["1", "2"]);
        assert_eq!(labels("11", true), ["5", "10", "15"]);
        assert_eq!(labels("110", true), ["25", "50", "75", "100", "125"]);
    }

    #[test]
    fn the_top_is_never_below_the_highest_value_and_seldom_far_above() {
        for units in (0..38).map(|power| 10i128.pow(power) / 7 * 3).filter(|units| *units > 0) {
            let scale = Scale::up_to(Amount::from_units(units), false);
            let top = scale.ticks().last().map_or(0, |top| top.units());
            assert!(top >= units && top <= 2 * units.max(10), "{units}: {top}");
            assert!((1..=5).contains(&scale.count));
        }
    }

    #[test]
    fn parts_are_rounded_and_never_above_the_length() {
        let scale = Scale::up_to(amount("10"), false);
        assert_eq!(scale.part(amount("10"), 176), 176);
        assert_eq!(scale.part(amount("5"), 176), 88);
        assert_eq!(scale.part(amount("0"), 176), 0);
        assert_eq!(Scale::up_to(Amount::ZERO, false).part(Amount::ZERO, 176), 0);
    }
}
