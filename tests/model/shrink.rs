//! Makes a failing schedule small: leaves out whatever is not needed to fail in the same way.

use crate::run::Manner;
use crate::schedule::Event;
use crate::world::Wrong;

/// Runs spent on it at most.
const TRIES: usize = 4_000;

/// The events that are needed to fail in this way: leaving out any one of them, or as far as the tries went, does not.
pub fn shrink(manner: &Manner, events: &[Event], wrong: Wrong) -> Vec<Event> {
    let fails =
        |events: &[Event]| manner.run(events, false).failure.is_some_and(|failure| failure.wrong == wrong);
    let mut needed = events.to_vec();
    let mut tries = 0;
    let mut length = (needed.len() / 2).max(1);
    loop {
        let before = needed.len();
        let mut from = 0;
        while from < needed.len() && tries < TRIES {
            let to = (from + length).min(needed.len());
            let without = [&needed[..from], &needed[to..]].concat();
            tries += 1;
            if fails(&without) { needed = without } else { from = to }
        }
        if length == 1 && needed.len() == before || tries >= TRIES {
            return needed;
        }
        length = (length / 2).max(1);
    }
}
