//! How much is asked, and how fast calls pour in: chosen by the environment, printed at the start.

use std::fmt;
use std::str::FromStr;

/// What can be chosen. `make snapshots` sets the variables; without them it is the short form of `make test`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `SNAPSHOT_SEED`: decides which filters and snapshots are asked for.
    pub seed: u64,
    /// `SNAPSHOT_FILTERS`: how many.
    pub filters: u64,
    /// `SNAPSHOT_RATE`: messages a second.
    pub rate: u64,
    /// `SNAPSHOT_AGE_MS`: what the p99 of the age of a fresh snapshot may be. Without it the age is printed, and the rate
    /// is what the machine gives: a test that everybody runs does not fail because a machine is busy.
    pub age_ms_max: Option<u64>,
}

impl Settings {
    /// What the environment asks for.
    pub fn read() -> Self {
        Self {
            seed: variable("SNAPSHOT_SEED").unwrap_or_else(rand::random),
            filters: variable("SNAPSHOT_FILTERS").unwrap_or(60),
            rate: variable("SNAPSHOT_RATE").unwrap_or(1_000),
            age_ms_max: variable("SNAPSHOT_AGE_MS"),
        }
    }
}

impl fmt::Display for Settings {
    /// The command that asks the same again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, filters, rate, .. } = self;
        write!(f, "make snapshots SEED={seed} FILTERS={filters} RATE={rate}")
    }
}

fn variable<T: FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a whole number")))
}
