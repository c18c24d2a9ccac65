//! The name of a snapshot: what an answer carries, and what pins a later answer to the same rows and days.

use chrono::{DateTime, SecondsFormat};
use proto::Position;
use std::fmt;
use std::str::FromStr;
use warehouse::calendar::Tz;

/// A position of the organisation's partition, and the present and zone from which "this month" and the other
/// relative periods follow. Together they decide every number of an answer.
///
/// Written `<position>.<unix ms>.<zone>`, with `~` for `/` and `!` for `+` in the zone, so that it can stand in a URL
/// as it is: `281474976711001.1793487600123.Europe~Berlin`. To clients it is opaque.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AsOf {
    /// Rows up to it count, later ones do not.
    pub position: Position,
    /// The present, in Unix milliseconds.
    pub now_ms: i64,
    /// Whose days and months.
    pub zone: Tz,
}

/// Not the text of an [`AsOf`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not an as_of of this service; pass it on exactly as an answer gave it, or leave it out")]
pub struct AsOfError;

/// 2000-01-01 to 2100-01-01: the bounds within which periods are allowed.
const NOW_MS: std::ops::Range<i64> = 946_684_800_000..4_102_444_800_000;

impl fmt::Display for AsOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let zone = self.zone.name().replace('/', "~").replace('+', "!");
        write!(f, "{}.{}.{zone}", self.position.as_u64(), self.now_ms)
    }
}

impl FromStr for AsOf {
    type Err = AsOfError;

    fn from_str(text: &str) -> Result<Self, AsOfError> {
        let mut parts = text.splitn(3, '.');
        let (Some(position), Some(now_ms), Some(zone)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(AsOfError);
        };
        let as_of = Self {
            position: Position::from_u64(position.parse().map_err(|_| AsOfError)?),
            now_ms: now_ms.parse().ok().filter(|now_ms| NOW_MS.contains(now_ms)).ok_or(AsOfError)?,
            zone: zone.replace('~', "/").replace('!', "+").parse().map_err(|_| AsOfError)?,
        };
        // One snapshot, one text: `+1` and `01` are numbers, too.
        if as_of.to_string() == text { Ok(as_of) } else { Err(AsOfError) }
    }
}

/// An instant as answers carry it: RFC 3339 in UTC with milliseconds.
pub fn rfc3339(unix_ms: i64) -> String {
    let instant = DateTime::from_timestamp_millis(unix_ms).unwrap_or_default();
    instant.to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_text_is_readable_and_fit_for_a_url() {
        let as_of = AsOf {
            position: Position::of_message(1, 41).unwrap(),
            now_ms: 1_793_487_600_123,
            zone: Tz::Europe__Berlin,
        };
        assert_eq!(as_of.to_string(), "281474976710698.1793487600123.Europe~Berlin");
        assert_eq!(as_of.to_string().parse(), Ok(as_of));
    }

    #[test]
    fn every_zone_survives_the_round_trip_unescaped() {
        for zone in chrono_tz::TZ_VARIANTS {
            let as_of = AsOf { position: Position::from_u64(7), now_ms: 1_793_487_600_123, zone };
            let text = as_of.to_string();
            assert!(
                text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".~!_-".contains(&byte)),
                "{text}"
            );
            assert_eq!(text.parse(), Ok(as_of));
        }
    }

    #[test]
    fn any_other_text_is_refused() {
        for text in [
            "",
            "1",
            "1.1793487600123",
            "1.1793487600123.Atlantis",
            "-1.1793487600123.UTC",
            "+1.1793487600123.UTC",
            "01.1793487600123.UTC",
            "1.5.UTC",
            "1.1793487600123.UTC ",
            "1.99999999999999.UTC",
            "18446744073709551616.1793487600123.UTC",
        ] {
            assert_eq!(text.parse::<AsOf>(), Err(AsOfError), "{text}");
        }
    }
}
