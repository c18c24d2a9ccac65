//! How fast calls go out.

use std::str::FromStr;
use std::time::{Duration, Instant};

/// Largest factor: a day in a tenth of a second.
const FACTOR_MAX: u32 = 1_000_000;

/// How fast calls go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speed {
    /// As fast as Kafka takes them.
    Max,
    /// With the pauses between them divided by this factor; 1 is as it happened.
    Factor(u32),
}

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "max" => return Ok(Self::Max),
            "as-it-happened" => return Ok(Self::Factor(1)),
            _ => {}
        }
        let factor = text.strip_suffix(['x', '×']).or_else(|| text.strip_prefix(['x', '×']));
        match factor.and_then(|digits| digits.parse().ok()) {
            Some(factor @ 1..=FACTOR_MAX) => Ok(Self::Factor(factor)),
            _ => {
                Err(format!("`{text}` is no speed; allowed are max, as-it-happened, and 1x to {FACTOR_MAX}x"))
            }
        }
    }
}

/// Says when a call is due. The first call's time is the beginning; what happened before it is due at once.
#[derive(Debug)]
pub struct Pace {
    speed: Speed,
    beginning: Option<(Instant, i64)>,
}

impl Pace {
    pub fn new(speed: Speed) -> Self {
        Self { speed, beginning: None }
    }

    /// When a call that happened at this Unix millisecond is due; `None` if now.
    pub fn due(&mut self, occurred_at_ms: i64, now: Instant) -> Option<Instant> {
        let Speed::Factor(factor) = self.speed else { return None };
        let (began, first_ms) = *self.beginning.get_or_insert((now, occurred_at_ms));
        let after_ms = u64::try_from(occurred_at_ms - first_ms).unwrap_or(0);
        let due = began + Duration::from_micros(after_ms.saturating_mul(1000) / u64::from(factor));
        (due > now).then_some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_are_words_or_factors() {
        for (text, speed) in [
            ("max", Speed::Max),
            ("as-it-happened", Speed::Factor(1)),
            ("60x", Speed::Factor(60)),
            ("x60", Speed::Factor(60)),
            ("×60", Speed::Factor(60)),
        ] {
            assert_eq!(text.parse(), Ok(speed));
        }
        for text in ["", "60", "0x", "-1x", "1.5x", "fast", "1000001x"] {
            assert!(text.parse::<Speed>().is_err(), "{text}");
        }
    }

    #[test]
    fn pauses_are_those_of_the_calls_divided_by_the_factor() {
        let now = Instant::now();
        let mut pace = Pace::new(Speed::Factor(60));
        assert_eq!(pace.due(1_000_000, now), None);
        assert_eq!(pace.due(1_060_000, now), Some(now + Duration::from_secs(1)));
        assert_eq!(pace.due(900_000, now), None, "an earlier call goes out at once");
        assert_eq!(pace.due(1_060_000, now + Duration::from_secs(2)), None);
        assert_eq!(Pace::new(Speed::Max).due(5, now), None);
    }
}
