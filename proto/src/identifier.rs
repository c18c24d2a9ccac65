//! Identifiers: short texts that mean something to the emitting application, and the event's own id.

use std::fmt;
use uuid::Uuid;

/// Longest identifier in bytes of UTF-8. Without a bound one emitter could fill the ledger's dictionaries with
/// documents: every distinct identifier is kept once a part and once a rollup cell.
pub const IDENTIFIER_BYTES_MAX: usize = 128;

/// Why a text is no identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdentifierError {
    /// Nothing stands there.
    #[error("is empty; 1 to {IDENTIFIER_BYTES_MAX} bytes are allowed")]
    Empty,
    /// Longer than [`IDENTIFIER_BYTES_MAX`].
    #[error("has {0} bytes; 1 to {IDENTIFIER_BYTES_MAX} bytes are allowed")]
    TooLong(usize),
    /// Holds a control character (tab, newline, zero byte …), which no page and no file could show.
    #[error("holds a control character; only printable text is allowed")]
    Control,
    /// Not a UUIDv7 of 16 bytes.
    #[error("is not a UUIDv7 of 16 bytes")]
    NotUuidV7,
    /// Not three capital letters.
    #[error("is not an ISO 4217 code of three capital letters")]
    NotCurrency,
}

/// The one check of every identifier that is text.
pub(crate) fn check_text(text: &str) -> Result<&str, IdentifierError> {
    if text.is_empty() {
        return Err(IdentifierError::Empty);
    }
    if text.len() > IDENTIFIER_BYTES_MAX {
        return Err(IdentifierError::TooLong(text.len()));
    }
    // The fast way first: nearly every identifier is plain ASCII.
    let plain = text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    if !plain && text.chars().any(char::is_control) {
        return Err(IdentifierError::Control);
    }
    Ok(text)
}

macro_rules! text_identifier {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// Checks and keeps the text.
            ///
            /// # Errors
            /// Empty, longer than [`IDENTIFIER_BYTES_MAX`] bytes, or with a control character.
            pub fn new(text: &str) -> Result<Self, IdentifierError> {
                check_text(text).map(|text| Self(text.into()))
            }

            /// The text, unchanged.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdentifierError;

            fn from_str(text: &str) -> Result<Self, IdentifierError> {
                Self::new(text)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

text_identifier! {
    /// The organisation that pays: the tenant, the Kafka key, and the first column of every table.
    OrgId
}
text_identifier! {
    /// The team member who triggered a call. Unique within an organisation only.
    MemberId
}
text_identifier! {
    /// What a call was for: a code. Known codes have labels on pages; an unknown one is shown as it is.
    Reason
}
text_identifier! {
    /// Who answered a call, e.g. `openai`.
    Provider
}
text_identifier! {
    /// The provider's name for the model that answered.
    Model
}

/// A call's id: a UUIDv7 whose time is the instant of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(Uuid);

impl EventId {
    /// Reads 16 bytes in network order.
    ///
    /// # Errors
    /// [`IdentifierError::NotUuidV7`] for another length, version or variant.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, IdentifierError> {
        let uuid = Uuid::from_slice(bytes).map_err(|_| IdentifierError::NotUuidV7)?;
        Self::from_uuid(uuid)
    }

    /// Takes a UUID that is already parsed, e.g. from a path of the query API.
    ///
    /// # Errors
    /// [`IdentifierError::NotUuidV7`] for another version or variant.
    pub fn from_uuid(uuid: Uuid) -> Result<Self, IdentifierError> {
        if uuid.get_version_num() == 7 && uuid.get_variant() == uuid::Variant::RFC4122 {
            Ok(Self(uuid))
        } else {
            Err(IdentifierError::NotUuidV7)
        }
    }

    /// Builds an id from its instant (Unix milliseconds, the lower 48 bits count) and 74 bits that tell calls of
    /// one instant apart (the rest of `random` is overwritten by version and variant).
    pub fn from_parts(unix_ms: i64, random: [u8; 10]) -> Self {
        Self(uuid::Builder::from_unix_timestamp_millis(unix_ms as u64, &random).into_uuid())
    }

    /// The instant inside the id, in Unix milliseconds (0 to 2^48 − 1).
    pub fn unix_ms(self) -> i64 {
        (self.0.as_u128() >> 80) as i64
    }

    /// As a UUID.
    pub fn uuid(self) -> Uuid {
        self.0
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An ISO 4217 currency code: three capital letters. The list of codes changes over the years, and a call is
/// judged the same for ever; so the form is checked, not the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// Checks the form.
    ///
    /// # Errors
    /// [`IdentifierError::NotCurrency`] if it is not three capital letters.
    pub fn new(code: &str) -> Result<Self, IdentifierError> {
        match *code.as_bytes() {
            [a, b, c] if [a, b, c].iter().all(u8::is_ascii_uppercase) => Ok(Self([a, b, c])),
            _ => Err(IdentifierError::NotCurrency),
        }
    }

    /// The code.
    pub fn as_str(&self) -> &str {
        // Only ASCII capitals ever get in, so the fallback is never taken.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_short_printable_text() {
        assert!(OrgId::new("acme").is_ok());
        assert!(MemberId::new("عمر 🦀").is_ok());
        assert_eq!(OrgId::new(""), Err(IdentifierError::Empty));
        assert_eq!(OrgId::new(&"x".repeat(129)), Err(IdentifierError::TooLong(129)));
        assert!(OrgId::new(&"x".repeat(128)).is_ok());
        for bad in ["a\tb", "a\nb", "\0", "a\u{85}b"] {
            assert_eq!(OrgId::new(bad), Err(IdentifierError::Control), "{bad:?}");
        }
    }

    #[test]
    fn an_event_id_carries_its_instant() {
        let id = EventId::from_parts(1_763_942_400_123, [0xff; 10]);
        assert_eq!(id.unix_ms(), 1_763_942_400_123);
        assert_eq!(EventId::from_bytes(id.uuid().as_bytes()), Ok(id));
    }

    #[test]
    fn only_version_7_is_an_event_id() {
        assert_eq!(EventId::from_bytes(&[0; 16]), Err(IdentifierError::NotUuidV7));
        assert_eq!(EventId::from_bytes(&[7; 15]), Err(IdentifierError::NotUuidV7));
        let v4 = Uuid::parse_str("9b2c4f1e-5d3a-4c8b-9e7f-0a1b2c3d4e5f").unwrap();
        assert_eq!(EventId::from_uuid(v4), Err(IdentifierError::NotUuidV7));
    }

    #[test]
    fn a_currency_is_three_capitals() {
        assert_eq!(Currency::new("USD").unwrap().as_str(), "USD");
        for bad in ["", "usd", "US", "USDT", "U1D", "ÜSD"] {
            assert_eq!(Currency::new(bad), Err(IdentifierError::NotCurrency), "{bad:?}");
        }
    }
}
