//! The name of a snapshot: what an answer carries, and what pins a later answer to the same rows and days.

use chrono::{DateTime, SecondsFormat};
use proto::Position;
use std::fmt;
use std::str::FromStr;
use warehouse::calendar::Tz;

/// A position of the organisation's partition, and the present and zone from which "this month" and the other
/// relative periods follow. Together they decide every number of an answer.
///
/// Written `<position>.<unix ms>.<zone>.<check>`, with `~` for `/` and `!` for `+` in the zone, so that it can stand in a
/// URL as it is: `281474976710698.1793487600123.Europe~Berlin.cabc8012`. The check is a hash of the organisation and of
/// the rest: a position of another organisation, or one that lost a digit, would give numbers that look right. To
/// clients it is opaque.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AsOf {
    /// Rows up to it count, later ones do not.
    pub position: Position,
    /// The present, in Unix milliseconds.
    pub now_ms: i64,
    /// Whose days and months.
    pub zone: Tz,
    check: u32,
}

/// Not the text of an [`AsOf`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not an as_of of this service; pass it on exactly as an answer gave it, or leave it out")]
pub struct AsOfError;

/// 2000-01-01 to 2100-01-01: the bounds within which periods are allowed.
const NOW_MS: std::ops::Range<i64> = 946_684_800_000..4_102_444_800_000;

impl AsOf {
    /// A snapshot of an organisation.
    pub fn new(org_id: &str, position: Position, now_ms: i64, zone: Tz) -> Self {
        let unchecked = Self { position, now_ms, zone, check: 0 };
        Self { check: unchecked.check_for(org_id), ..unchecked }
    }

    /// Whether it was made for this organisation, and nothing of it was changed since.
    pub fn is_of(&self, org_id: &str) -> bool {
        self.check == self.check_for(org_id)
    }

    fn check_for(&self, org_id: &str) -> u32 {
        proto::murmur2(format!("{}.{org_id}", self.stem()).as_bytes())
    }

    fn stem(&self) -> String {
        let zone = self.zone.name().replace('/', "~").replace('+', "!");
        format!("{}.{}.{zone}", self.position.as_u64(), self.now_ms)
    }
}

impl fmt::Display for AsOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:08x}", self.stem(), self.check)
    }
}

impl FromStr for AsOf {
    type Err = AsOfError;

    fn from_str(text: &str) -> Result<Self, AsOfError> {
        let mut parts = text.splitn(4, '.');
        let mut next = || parts.next().ok_or(AsOfError);
        let (position, now_ms, zone, check) = (next()?, next()?, next()?, next()?);
        let as_of = Self {
            position: Position::from_u64(position.parse().map_err(|_| AsOfError)?),
            now_ms: now_ms.parse().ok().filter(|now_ms| NOW_MS.contains(now_ms)).ok_or(AsOfError)?,
            zone: zone.replace('~', "/").replace('!', "+").parse().map_err(|_| AsOfError)?,
            check: u32::from_str_radix(check, 16).map_err(|_| AsOfError)?,
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

    fn as_of(zone: Tz) -> AsOf {
        AsOf::new("acme", Position::of_message(1, 41).unwrap(), 1_793_487_600_123, zone)
    }

    #[test]
    fn its_text_is_readable_and_fit_for_a_url() {
        let as_of = as_of(Tz::Europe__Berlin);
        assert_eq!(as_of.to_string(), "281474976710698.1793487600123.Europe~Berlin.cabc8012");
        assert_eq!(as_of.to_string().parse(), Ok(as_of));
    }

    #[test]
    fn every_zone_survives_the_round_trip_unescaped() {
        for zone in chrono_tz::TZ_VARIANTS {
            let text = as_of(zone).to_string();
            assert!(
                text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".~!_-".contains(&byte)),
                "{text}"
            );
            assert_eq!(text.parse(), Ok(as_of(zone)));
        }
    }

    #[test]
    fn it_is_of_one_organisation_and_knows_when_it_was_changed() {
        let text = as_of(Tz::Europe__Berlin).to_string();
        let is_of = |org_id: &str, text: &str| text.parse::<AsOf>().unwrap().is_of(org_id);
        assert!(is_of("acme", &text));
        assert!(!is_of("globex", &text) && !is_of("acm", &text) && !is_of("", &text));
        for (from, to) in [("698.", "697."), ("698.", "69."), ("123.", "124."), ("Berlin", "Paris")] {
            let changed = text.replace(from, to);
            assert!(changed != text && !is_of("acme", &changed), "{changed}");
        }
    }

    #[test]
    fn any_other_text_is_refused() {
        for text in [
            "",
            "1",
            "1.1793487600123",
            "1.1793487600123.UTC",
            "1.1793487600123.UTC.",
            "1.1793487600123.UTC.123456789",
            "1.1793487600123.UTC.1234567",
            "1.1793487600123.UTC.ABCDEF01",
            "1.1793487600123.UTC.0000000x",
            "1.1793487600123.UTC.00000001.1",
            "1.1793487600123.Atlantis.00000001",
            "-1.1793487600123.UTC.00000001",
            "+1.1793487600123.UTC.00000001",
            "01.1793487600123.UTC.00000001",
            "1.5.UTC.00000001",
            "1.1793487600123.UTC.00000001 ",
            "1.99999999999999.UTC.00000001",
            "18446744073709551616.1793487600123.UTC.00000001",
        ] {
            assert_eq!(text.parse::<AsOf>(), Err(AsOfError), "{text}");
        }
        assert!("1.1793487600123.UTC.00000001".parse::<AsOf>().is_ok());
    }
}
