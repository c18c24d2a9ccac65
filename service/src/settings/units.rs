//! Durations and sizes as people write them. A bare number is refused: `5` of what?

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A duration with its unit: `250ms`, `2s`, `1m 30s`, `12h`. Prints as it is read, to the nanosecond.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DurationSetting(Duration);

/// A number of bytes with its unit: `512B`, `64KiB`, `64MiB`, `2GiB`, `1TiB`. Prints as it is read, to the byte.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(u64);

/// Largest first, so that printing finds the largest unit that divides. Powers of 1024 only: `MB` means two things.
const BYTE_UNITS: [(&str, u64); 5] =
    [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl DurationSetting {
    /// A duration of whole seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// A duration of whole milliseconds.
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self(Duration::from_millis(milliseconds))
    }

    /// The duration itself.
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl ByteSize {
    /// A size of whole bytes.
    pub const fn bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// A size of whole kibibytes (1,024 bytes).
    pub const fn kib(kibibytes: u64) -> Self {
        Self(kibibytes << 10)
    }

    /// A size of whole mebibytes (1,048,576 bytes).
    pub const fn mib(mebibytes: u64) -> Self {
        Self(mebibytes << 20)
    }

    /// The number of bytes.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number of bytes as a length in memory; saturates where an address is shorter than 64 bits.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl From<Duration> for DurationSetting {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

impl From<DurationSetting> for Duration {
    fn from(setting: DurationSetting) -> Self {
        setting.0
    }
}

impl FromStr for DurationSetting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // The crate takes a bare `0`; here every duration names its unit.
        if text.trim().bytes().all(|byte| byte.is_ascii_digit()) {
            return Err("expected a duration with its unit, such as `250ms`, `2s` or `1h`".to_owned());
        }
        humantime::parse_duration(text)
            .map(Self)
            .map_err(|why| format!("expected a duration such as `250ms`, `2s` or `1h`; {why}"))
    }
}

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let unit = BYTE_UNITS.iter().find(|(name, _)| *name == unit.trim());
        let (Ok(number), Some((_, factor))) = (number.parse::<u64>(), unit) else {
            return Err(
                "expected a whole number and its unit B, KiB, MiB, GiB or TiB, such as `64MiB`".to_owned()
            );
        };
        number.checked_mul(*factor).map(Self).ok_or_else(|| "expected less than 16777216TiB".to_owned())
    }
}

impl fmt::Display for DurationSetting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(formatter)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let divides = |factor: &u64| self.0 != 0 && self.0.is_multiple_of(*factor);
        let (name, factor) = BYTE_UNITS.iter().find(|(_, factor)| divides(factor)).unwrap_or(&("B", 1));
        write!(formatter, "{}{name}", self.0 / factor)
    }
}

/// Both types are read from, and shown as, their text everywhere.
macro_rules! as_text {
    ($type:ty, $expected:literal) => {
        impl fmt::Debug for $type {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, formatter)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(FromText { expected: $expected, parse: <$type>::from_str })
            }
        }
    };
}

as_text!(DurationSetting, "a duration with its unit, such as `250ms`, `2s` or `1h`");
as_text!(ByteSize, "a whole number and its unit B, KiB, MiB, GiB or TiB, such as `64MiB`");

/// For `#[serde(deserialize_with = "service::settings::socket_address")]`: an address and a port to listen on. The
/// error of the standard library's own type does not say what is allowed.
///
/// # Errors
///
/// When the text is no numeric address with a port.
pub fn socket_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let expected = "an address and a port, such as `127.0.0.1:9100`";
    deserializer.deserialize_str(FromText {
        expected,
        parse: |text: &str| text.parse().map_err(|_| format!("expected {expected}")),
    })
}

/// Reads a text by its parser, and says what it should have been when it is no text at all.
struct FromText<P> {
    expected: &'static str,
    parse: P,
}

impl<T, P: Fn(&str) -> Result<T, String>> Visitor<'_> for FromText<P> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.expected)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.parse)(text).map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_prints_as_it_is_read() {
        for text in ["0s", "250ms", "2s", "1m 30s", "12h", "1s 1ms 1us 1ns"] {
            let duration: DurationSetting = text.parse().expect(text);
            assert_eq!(duration.to_string().parse(), Ok(duration), "{text} became {duration}");
        }
        assert_eq!("250ms".parse(), Ok(DurationSetting::from_millis(250)));
        assert_eq!(DurationSetting::from_secs(90).to_string(), "1m 30s");
    }

    #[test]
    fn a_duration_without_a_unit_is_refused() {
        for text in ["", " ", "0", "5", "s", "5 parsecs", "-2s", "1.5.5s", "2s!", "99999999999999999999s"] {
            let error = text.parse::<DurationSetting>().expect_err(text);
            assert!(error.starts_with("expected a duration"), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_size_prints_as_it_is_read() {
        for bytes in [0, 1, 1023, 1024, 1025, 64 << 20, (64 << 20) + 1, 3 << 30, 5 << 40, u64::MAX] {
            let size = ByteSize::bytes(bytes);
            assert_eq!(size.to_string().parse(), Ok(size), "{bytes} became {size}");
        }
        assert_eq!(ByteSize::mib(64).to_string(), "64MiB");
        assert_eq!("64 KiB".parse(), Ok(ByteSize::kib(64)));
    }

    #[test]
    fn a_size_without_a_clear_unit_is_refused() {
        for text in ["", "64", "MiB", "64MB", "64M", "1.5GiB", "-1B", "64mib", "99999999999999999999B"] {
            let error = text.parse::<ByteSize>().expect_err(text);
            assert!(error.starts_with("expected a whole number"), "{text:?}: {error}");
        }
        let error = "16777216TiB".parse::<ByteSize>().expect_err("one more than fits");
        assert_eq!(error, "expected less than 16777216TiB");
    }
}
