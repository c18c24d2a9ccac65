//! Comparisons and shares: exact until the last step, one decimal.

use proto::Amount;
use serde::Serialize;
use utoipa::ToSchema;

/// How a sum changed against another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Change {
    /// The direction.
    pub kind: ChangeKind,
    /// In percent of the former sum, signed, rounded to one decimal, halves away from zero: `8.1`, `-40.6`. `0.0` with
    /// `kind` `up` or `down` means less than 0.05. Absent when the former sum is zero and this one is not.
    pub percent: Option<String>,
    /// This sum minus the former, exact.
    pub difference: String,
}

/// The direction of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// More than before.
    Up,
    /// Less than before.
    Down,
    /// The same, both zero included.
    Flat,
    /// There was nothing before.
    New,
}

impl Change {
    /// From the former sum to the present one.
    pub fn between(former: Amount, present: Amount) -> Self {
        let difference = present.units().saturating_sub(former.units());
        let kind = match (former.units(), difference) {
            (_, 0) => ChangeKind::Flat,
            (0, _) => ChangeKind::New,
            (_, difference) if difference > 0 => ChangeKind::Up,
            _ => ChangeKind::Down,
        };
        let percent = match kind {
            ChangeKind::New => None,
            ChangeKind::Flat => Some("0.0".to_owned()),
            ChangeKind::Up | ChangeKind::Down => Some(percent(difference, former.units())),
        };
        Self { kind, percent, difference: Amount::from_units(difference).to_string() }
    }
}

/// A part of a sum in percent, rounded to one decimal. `0.0` with a part above zero means less than 0.05; nothing of
/// nothing is `0.0`.
pub fn share(part: Amount, whole: Amount) -> String {
    percent(part.units(), whole.units())
}

/// `numerator / denominator` in percent with one decimal, halves away from zero.
fn percent(numerator: i128, denominator: i128) -> String {
    if denominator == 0 {
        return "0.0".to_owned();
    }
    let tenths = rounded_quotient(numerator.unsigned_abs(), 1000, denominator.unsigned_abs());
    let negative = (numerator < 0) != (denominator < 0) && tenths != 0;
    let sign = if negative { "-" } else { "" };
    format!("{sign}{}.{}", tenths / 10, tenths % 10)
}

/// `a * factor / b`, rounded half up. Where the product does not fit 128 bits, both sides lose their last digits
/// together: then they have more than 30 of them, and the first four decide.
fn rounded_quotient(mut a: u128, factor: u128, mut b: u128) -> u128 {
    while a > u128::MAX / factor / 4 {
        a >>= 1;
        b >>= 1;
    }
    if b == 0 { u128::MAX } else { (2 * a * factor + b) / (2 * b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(former: &str, present: &str, kind: ChangeKind, percent: Option<&str>, difference: &str) {
        let change = Change::between(Amount::parse(former).unwrap(), Amount::parse(present).unwrap());
        let expected =
            Change { kind, percent: percent.map(str::to_owned), difference: difference.to_owned() };
        assert_eq!(change, expected, "{former} -> {present}");
    }

    #[test]
    fn a_change_has_a_direction_and_one_decimal() {
        check("21004.25", "12480.5", ChangeKind::Down, Some("-40.6"), "-8523.75");
        check("100", "108.1", ChangeKind::Up, Some("8.1"), "8.1");
        check("5", "62", ChangeKind::Up, Some("1140.0"), "57");
        check("7", "0", ChangeKind::Down, Some("-100.0"), "-7");
    }

    #[test]
    fn equal_sums_are_flat_and_a_first_sum_is_new() {
        check("3", "3", ChangeKind::Flat, Some("0.0"), "0");
        check("0", "0", ChangeKind::Flat, Some("0.0"), "0");
        check("0", "0.000000000001", ChangeKind::New, None, "0.000000000001");
    }

    #[test]
    fn halves_round_away_from_zero_and_a_tiny_change_keeps_its_direction() {
        check("1000", "1000.5", ChangeKind::Up, Some("0.1"), "0.5");
        check("1000", "999.5", ChangeKind::Down, Some("-0.1"), "-0.5");
        check("1000", "1000.4", ChangeKind::Up, Some("0.0"), "0.4");
        check("1000", "999.6", ChangeKind::Down, Some("0.0"), "-0.4");
    }

    #[test]
    fn shares_are_rounded_each_for_itself() {
        let share =
            |part: &str, whole: &str| share(Amount::parse(part).unwrap(), Amount::parse(whole).unwrap());
        assert_eq!(share("1", "3"), "33.3");
        assert_eq!(share("2", "3"), "66.7");
        assert_eq!(share("3", "3"), "100.0");
        assert_eq!(share("0.0004", "1"), "0.0");
        assert_eq!(share("0.0005", "1"), "0.1");
        assert_eq!(share("0", "0"), "0.0");
    }

    #[test]
    fn the_largest_sums_are_still_compared() {
        let huge = Amount::from_units(i128::MAX / 2);
        assert_eq!(share(huge, huge), "100.0");
        assert_eq!(Change::between(Amount::from_units(1), huge).kind, ChangeKind::Up);
    }
}
