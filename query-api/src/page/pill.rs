//! How a sum changed, as a small label: arrow, sign, percent and a word for those who hear it.

use super::words::MINUS;
use super::words::number;
use crate::change::{Change, ChangeKind};
use proto::Amount;

/// A change as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pill {
    /// The style's class: `up`, `down` or `flat`.
    pub class: &'static str,
    /// Whether an arrow belongs to it.
    pub arrow: bool,
    /// `+8.1%`, `−40.6%`, `flat`, `new`.
    pub text: String,
}

impl Pill {
    /// From the former sum to the present one.
    pub fn between(former: Amount, present: Amount) -> Self {
        let change = Change::between(former, present);
        let percent = change.percent.as_deref().unwrap_or_default();
        match change.kind {
            ChangeKind::Flat => Self::plain("flat"),
            ChangeKind::New => Self::plain("new"),
            ChangeKind::Up => Self { class: "up", arrow: true, text: grown(percent) },
            ChangeKind::Down if present == Amount::ZERO => {
                Self { class: "down", arrow: true, text: format!("{MINUS}100%") }
            }
            ChangeKind::Down => Self { class: "down", arrow: true, text: shrunk(percent) },
        }
    }

    fn plain(text: &str) -> Self {
        Self { class: "flat", arrow: false, text: text.to_owned() }
    }
}

/// From a thousand percent on, decimals say nothing.
const PERCENT_WITHOUT_DECIMALS: u64 = 1_000;

fn grown(percent: &str) -> String {
    let (whole, tenth) = percent.split_once('.').unwrap_or((percent, "0"));
    match whole.parse::<u64>() {
        Ok(0) if tenth == "0" => "<+0.1%".to_owned(),
        Ok(whole) if whole >= PERCENT_WITHOUT_DECIMALS => {
            format!("+{}%", number(whole + u64::from(tenth >= "5")))
        }
        _ => format!("+{percent}%"),
    }
}

/// Something is left, so that what rounds to all of it is not said to be all of it.
fn shrunk(percent: &str) -> String {
    match percent.trim_start_matches('-') {
        "0.0" => format!("<{MINUS}0.1%"),
        "100.0" => format!("{MINUS}99.9%"),
        percent => format!("{MINUS}{percent}%"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(former: &str, present: &str, class: &str, arrow: bool, text: &str) {
        let pill = Pill::between(Amount::parse(former).unwrap(), Amount::parse(present).unwrap());
        assert_eq!(
            (pill.class, pill.arrow, pill.text.as_str()),
            (class, arrow, text),
            "{former} -> {present}"
        );
    }

    #[test]
    fn more_goes_up_and_less_goes_down() {
        check("100", "108.1", "up", true, "+8.1%");
        check("21004.25", "12480.5", "down", true, "−40.6%");
        check("1", "2", "up", true, "+100.0%");
    }

    #[test]
    fn equal_sums_are_flat_and_a_first_sum_is_new() {
        check("0", "0", "flat", false, "flat");
        check("3.5", "3.5", "flat", false, "flat");
        check("0", "0.000000000001", "flat", false, "new");
    }

    #[test]
    fn nothing_left_is_all_of_it_and_little_left_is_not() {
        check("7", "0", "down", true, "−100%");
        check("100000", "1", "down", true, "−99.9%");
        check("1000", "1", "down", true, "−99.9%");
    }

    #[test]
    fn a_tiny_change_keeps_its_direction() {
        check("1000", "1000.4", "up", true, "<+0.1%");
        check("1000", "999.6", "down", true, "<−0.1%");
        check("1000", "1000.5", "up", true, "+0.1%");
    }

    #[test]
    fn a_huge_change_has_no_decimals() {
        check("5", "62", "up", true, "+1,140%");
        check("2000", "21999", "up", true, "+1,000%");
        check("2000", "21998", "up", true, "+999.9%");
        check("1000", "1000000005", "up", true, "+99,999,901%");
    }
}
