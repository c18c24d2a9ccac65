//! Bounds of values, checked by each service's `validate`.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;

use super::mistakes::{Mistake, Origin};
use super::secret::Secret;

/// Collects what is out of bounds. Every method names the dotted key of the value it looks at, so that the report can
/// show the value as it was written, and where it was written.
#[derive(Debug)]
pub struct Check {
    shown: BTreeMap<String, (String, Origin)>,
    mistakes: Vec<Mistake>,
}

impl Check {
    pub(super) fn new(shown: BTreeMap<String, (String, Origin)>) -> Self {
        Self { shown, mistakes: Vec::new() }
    }

    /// Records a mistake unless `holds`. `allowed` ends the sentence "clickhouse.url = …:", for example
    /// `must be a power of two`.
    ///
    /// # Panics
    ///
    /// In debug builds, when no setting has this key: the name in `validate` is misspelt.
    pub fn that(&mut self, key: &str, holds: bool, allowed: impl Display) {
        let shown = self.shown.get(key);
        debug_assert!(shown.is_some(), "`validate` names `{key}`, which is no setting");
        if holds {
            return;
        }
        let (value, origin) = shown.cloned().unwrap_or((String::new(), Origin::Default));
        let allowed = allowed.to_string();
        self.mistakes.push(Mistake { key: key.to_owned(), value: Some(value), origin, allowed });
    }

    /// The value must lie within the bounds, both included.
    pub fn within<T: PartialOrd + Display>(&mut self, key: &str, value: T, bounds: RangeInclusive<T>) {
        let allowed = format!("must be between {} and {}", bounds.start(), bounds.end());
        self.that(key, bounds.contains(&value), allowed);
    }

    /// The value is required: text of nothing but blanks is a mistake. `meaning` says what to give: "a list of brokers
    /// as host:port,host:port".
    pub fn not_empty(&mut self, key: &str, value: &str, meaning: impl Display) {
        self.that(key, !value.trim().is_empty(), format_args!("must not be empty: give {meaning}"));
    }

    /// The secret is required.
    pub fn secret_given(&mut self, key: &str, secret: &Secret, meaning: impl Display) {
        self.not_empty(key, secret.expose(), meaning);
    }

    /// The value must be an `http` or `https` address without credentials, query and fragment: credentials have keys
    /// of their own, which are masked.
    pub fn http_url(&mut self, key: &str, value: &str) {
        let is_plain = url::Url::parse(value).is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
                && url.fragment().is_none()
        });
        self.that(
            key,
            is_plain,
            "must be an address such as http://host:8123, without user, password and query",
        );
    }

    pub(super) fn into_mistakes(self) -> Vec<Mistake> {
        self.mistakes
    }
}
