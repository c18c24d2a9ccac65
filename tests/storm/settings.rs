//! How long and how hard the storm is: chosen by the environment, printed at the start, repeatable.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// What can be chosen. `make storm` sets the variables; without them it is the short storm of `make test`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `STORM_SEED`: decides what is published, and what misfortune follows which.
    pub seed: u64,
    /// `STORM_EVENTS`: messages that the copilots publish.
    pub events: u64,
    /// `STORM_KILLS`: processes that die by SIGKILL while the messages flow.
    pub kills: u64,
    /// `STORM_SECONDS`: how long the messages flow.
    pub length: Duration,
}

impl Settings {
    /// The storm that the environment asks for.
    pub fn read() -> Self {
        Self {
            seed: variable("STORM_SEED").unwrap_or_else(rand::random),
            events: variable("STORM_EVENTS").unwrap_or(20_000),
            kills: variable("STORM_KILLS").unwrap_or(15),
            length: Duration::from_secs(variable("STORM_SECONDS").unwrap_or(25)),
        }
    }

    /// How often each fail point must have been met: ten times in five hundred kills, once in a short storm.
    pub fn hits_of_each_fail_point(&self) -> u64 {
        (self.kills / 50).max(1)
    }
}

impl fmt::Display for Settings {
    /// The command that repeats it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, events, kills, length } = self;
        let seconds = length.as_secs();
        write!(f, "make storm SEED={seed} EVENTS={events} KILLS={kills} SECONDS={seconds}")
    }
}

fn variable<T: FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a whole number")))
}
