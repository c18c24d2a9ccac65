//! Durations as people write them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A duration with a sign, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Milliseconds.
    pub ms: i64,
}

impl Span {
    /// Without its sign.
    pub fn magnitude(self) -> Duration {
        Duration::from_millis(self.ms.unsigned_abs())
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no duration; write it like 500ms, 30s, 5m, 2h or 90d");
        let (sign, digits) = match text.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, text.strip_prefix('+').unwrap_or(text)),
        };
        let unit_at = digits.find(|character: char| !character.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, unit) = digits.split_at(unit_at);
        let unit_ms = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong()),
        };
        let number: i64 = number.parse().map_err(|_| wrong())?;
        let ms = number.checked_mul(unit_ms).filter(|ms| *ms < 1 << 48).ok_or_else(wrong)?;
        Ok(Self { ms: sign * ms })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
        let (unit, unit_ms) =
            units.into_iter().find(|(_, unit_ms)| self.ms % unit_ms == 0).unwrap_or(("ms", 1));
        write!(f, "{}{unit}", self.ms / unit_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_a_number_and_a_unit() {
        for (text, ms) in [("500ms", 500), ("30s", 30_000), ("-2h", -7_200_000), ("+90d", 7_776_000_000)] {
            let span: Span = text.parse().unwrap();
            assert_eq!(span.ms, ms);
            assert_eq!(span.to_string(), text.trim_start_matches('+'));
        }
        for text in ["", "5", "s", "5 s", "5w", "1.5h", "--5s", "9999999999999d"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }
}
