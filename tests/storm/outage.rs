//! Broker and engine: which of them goes away when, how, and for how long.

use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::{Duration, Instant};
use system_tests::{Component, Stack};

/// The longest time-out of a process in the storm; see `cast.rs`.
pub const TIMEOUT_MAX: Duration = Duration::from_secs(10);

/// Broker and engine die so many times each in a hundred kills, and are frozen half as often.
const PERCENT: u64 = 2;

/// One time that one of the two is away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    /// How many kills there must have been before.
    pub due: u64,
    /// Who.
    pub component: Component,
    /// Frozen instead of killed.
    pub freezes: bool,
    /// For how long at least.
    pub length: Duration,
}

/// Broker and engine, and what is still to happen to them.
pub struct Outages<'a> {
    stack: &'a Stack,
    planned: VecDeque<Outage>,
    away: Vec<(Outage, Instant)>,
    /// How long each outage lasted that is over.
    lasted: BTreeMap<&'static str, Vec<Duration>>,
}

/// All outages of a storm with so many kills, in the order of their turn; a third is longer than every time-out.
fn plan(kills: u64, dice: &mut StdRng) -> Vec<Outage> {
    let deaths = (kills * PERCENT).div_ceil(100);
    let mut all = Vec::new();
    for component in [Component::Kafka, Component::ClickHouse] {
        for number in 0..deaths + deaths.div_ceil(2) {
            let is_long = all.len() % 3 == 0;
            let length = if is_long { TIMEOUT_MAX } else { Duration::ZERO }
                + Duration::from_millis(dice.random_range(300..2_000));
            all.push(Outage { due: 0, component, freezes: number >= deaths, length });
        }
    }
    all.shuffle(dice);
    let count = all.len() as u64;
    for (number, outage) in (0..).zip(&mut all) {
        outage.due = kills * (2 * number + 1) / (2 * count);
    }
    all
}

impl<'a> Outages<'a> {
    /// Everything is still to happen.
    pub fn new(stack: &'a Stack, kills: u64, dice: &mut StdRng) -> Self {
        Self { stack, planned: plan(kills, dice).into(), away: Vec::new(), lasted: BTreeMap::new() }
    }

    /// Brings back who was away for long enough, and takes away whose turn it is after so many kills. Returns that one.
    pub fn look(&mut self, kills_due: u64) -> Option<Outage> {
        if let Some(at) = self.away.iter().position(|(outage, since)| since.elapsed() >= outage.length) {
            let (outage, since) = self.away.remove(at);
            if outage.freezes {
                self.stack.thaw(outage.component);
            } else {
                self.stack.start(outage.component);
            }
            self.lasted.entry(name(outage.component)).or_default().push(since.elapsed());
        }
        let is_due = |next: &Outage| {
            next.due <= kills_due && self.away.iter().all(|(outage, _)| outage.component != next.component)
        };
        let next = self.planned.pop_front_if(|next| is_due(next))?;
        if next.freezes {
            self.stack.freeze(next.component);
        } else {
            self.stack.kill(next.component);
        }
        self.away.push((next.clone(), Instant::now()));
        Some(next)
    }

    /// Whether nobody is away.
    pub fn are_over(&self) -> bool {
        self.away.is_empty()
    }

    /// Judges that all that was planned came to pass, and each of the two was away for longer than every time-out.
    pub fn judge(&self) {
        assert!(self.planned.is_empty() && self.away.is_empty(), "still to come: {:?}", self.planned);
        for (name, lasted) in &self.lasted {
            assert!(
                lasted.iter().any(|time| *time > TIMEOUT_MAX),
                "{name} was never away for long: {lasted:?}"
            );
        }
    }
}

/// As the toll lists them.
pub fn name(component: Component) -> &'static str {
    match component {
        Component::Kafka => "kafka",
        Component::ClickHouse => "clickhouse",
    }
}

impl fmt::Display for Outages<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, lasted) in &self.lasted {
            let count = lasted.len();
            let long = lasted.iter().filter(|time| **time > TIMEOUT_MAX).count();
            let longest = lasted.iter().max().copied().unwrap_or_default();
            let whole: Duration = lasted.iter().sum();
            writeln!(
                f,
                "  {name:<12} away {count} times, {long} of them longer than every time-out, at most {longest:.1?}, \
                 {whole:.0?} together"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn each_of_the_two_dies_and_freezes_for_shorter_and_for_longer_than_every_time_out() {
        for (kills, deaths) in [(15, 1_usize), (100, 2), (500, 10)] {
            let all = plan(kills, &mut StdRng::seed_from_u64(kills));
            assert!(all.is_sorted_by_key(|outage| outage.due) && all.iter().all(|outage| outage.due < kills));
            for component in [Component::Kafka, Component::ClickHouse] {
                let of = |freezes| {
                    let all = all.iter().filter(move |outage| outage.component == component);
                    all.filter(move |outage| outage.freezes == freezes)
                };
                assert_eq!((of(false).count(), of(true).count()), (deaths, deaths.div_ceil(2)));
                let long = of(false).chain(of(true)).filter(|outage| outage.length > TIMEOUT_MAX).count();
                assert!((1..3 * deaths).contains(&long), "{component:?}: {long} long outages of {all:?}");
            }
        }
    }
}
