//! Makes a failing schedule small.

use crate::run::Manner;
use crate::schedule::Event;
use crate::world::Wrong;
use system_tests::Shrinking;

/// Runs spent on it at most.
const TRIES: usize = 4_000;

/// The events that are needed to fail in this way: leaving out any one of them, or as far as the tries went, does not.
pub fn shrink(manner: &Manner, events: &[Event], wrong: Wrong) -> Vec<Event> {
    let mut shrinking = Shrinking::of(events, TRIES);
    while let Some(smaller) = shrinking.smaller() {
        let failure = manner.run(&smaller, false).failure;
        shrinking.judge(failure.is_some_and(|failure| failure.wrong == wrong));
    }
    shrinking.needed()
}
