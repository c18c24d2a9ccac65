//! Everything that is wrong with the settings, told at once.

use std::fmt;
use std::path::PathBuf;

/// All mistakes of one load, ordered by key. Never empty when returned as an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes(Vec<Mistake>);

/// One thing to correct. No field shows a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The dotted key, such as `clickhouse.url`; empty when a whole file is meant.
    pub key: String,
    /// The value as written, masked where it is secret; absent when there is none to show.
    pub value: Option<String>,
    /// Where the value came from.
    pub origin: Origin,
    /// What is allowed instead, as a clause that ends the sentence: `must be between 1 and 500000`.
    pub allowed: String,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The defaults compiled into the binary.
    Default,
    /// The file given with `--settings`.
    File(PathBuf),
    /// The environment variable of this name.
    Environment(String),
}

impl Mistakes {
    /// The mistakes themselves.
    pub fn list(&self) -> &[Mistake] {
        &self.0
    }

    pub(super) fn none_in<T>(value: T, mut mistakes: Vec<Mistake>) -> Result<T, Self> {
        if mistakes.is_empty() {
            return Ok(value);
        }
        mistakes.sort_by(|left, right| left.key.cmp(&right.key));
        Err(Self(mistakes))
    }
}

impl From<Mistake> for Mistakes {
    fn from(mistake: Mistake) -> Self {
        Self(vec![mistake])
    }
}

impl std::error::Error for Mistakes {}

impl fmt::Display for Mistakes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0.len() == 1 { "" } else { "s" };
        write!(formatter, "{} mistake{plural} in the settings", self.0.len())?;
        self.0.iter().try_for_each(|mistake| write!(formatter, "\n  {mistake}"))
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.key)?;
        if let Some(value) = &self.value {
            write!(formatter, " = {value}")?;
        }
        let space = if self.key.is_empty() { "" } else { " " };
        write!(formatter, "{space}({}): {}", self.origin, self.allowed)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => formatter.write_str("default"),
            Self::File(path) => write!(formatter, "file {}", path.display()),
            Self::Environment(name) => write!(formatter, "environment {name}"),
        }
    }
}
