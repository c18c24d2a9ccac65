//! Values that are never shown.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

/// A text that prints, logs and serialises as `***`. The one way to its content is [`expose`](Secret::expose): a search
/// for that word finds every place where a secret leaves its wrapping. An empty one serialises as the empty text, so
/// that the effective settings show whether it was given at all.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

/// What stands where a secret would.
pub(super) const MASK: &str = "***";

impl Secret {
    /// Wraps the text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself. Hand it to the client that needs it; do not store or format it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether no secret was given.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(MASK)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(MASK)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(if self.is_empty() { "" } else { MASK })
    }
}

/// The text with the user and password of any `scheme://user:password@host` in it replaced by the mask: people do
/// write credentials into addresses, and addresses are logged. Rather masks an innocent path with an `@` than spares a
/// password with a slash.
pub(super) fn mask_credentials(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(scheme_end) = rest.find("://").map(|at| at + 3) {
        let (scheme, after) = rest.split_at(scheme_end);
        let address_end = after.find([',', ' ']).unwrap_or(after.len());
        let host = after[..address_end].rfind('@').unwrap_or(0);
        masked.push_str(scheme);
        if host > 0 {
            masked.push_str(MASK);
        }
        masked.push_str(&after[host..address_end]);
        rest = &after[address_end..];
    }
    masked.push_str(rest);
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_nothing_in_any_form() {
        let secret = Secret::new("hunter2");
        let shown = format!("{secret} {secret:?} {secret:#?} {:?}", Some(&secret));
        assert_eq!(shown, "*** *** *** Some(***)");
        assert_eq!(serde_json::to_string(&secret).expect("it serialises"), "\"***\"");
        assert_eq!(secret.expose(), "hunter2");
        assert_eq!(Secret::new("").to_string(), "***");
    }

    #[test]
    fn credentials_inside_addresses_are_masked() {
        let check = |text: &str, masked: &str| assert_eq!(mask_credentials(text), masked);
        check("http://ana:pw@db:8123/x", "http://***@db:8123/x");
        check("http://ana:p@w@db:8123", "http://***@db:8123");
        check("http://ana:p/w@db:8123", "http://***@db:8123");
        check("http://db:8123/x", "http://db:8123/x");
        check("SSL://a:b@one:1,SSL://two:2", "SSL://***@one:1,SSL://two:2");
        check("no address", "no address");
        check("", "");
    }
}
