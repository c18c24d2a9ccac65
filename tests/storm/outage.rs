//! Broker and engine: which of them goes away when, how, and for how long.

use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::thread::JoinHandle;
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
pub struct Outages {
    stack: Arc<Stack>,
    planned: VecDeque<Outage>,
    away: Vec<Away>,
    /// How long each outage lasted that is over.
    lasted: BTreeMap<&'static str, Vec<Duration>>,
}

struct Away {
    outage: Outage,
    since: Instant,
    /// Brings it back, which takes a broker long enough that others are to be hurt meanwhile.
    returns: Option<JoinHandle<()>>,
}

/// All outages of a storm with so many kills, in the order of their turn; a third is longer than every time-out.
fn plan(kills: u64, dice: &mut StdRng) -> Vec<Outage> {
    let deaths = (kills * PERCENT).div_ceil(100);
    let mut all = Vec::new();
    for component in [Component::Kafka, Component::ClickHouse] {
        for number in 0..deaths + deaths.div_ceil(2) {
            let freezes = number >= deaths;
            // A short storm has one of each kind; a broker that was killed needs long to come back, whenever it may.
            let is_long = if freezes { (number - deaths).is_multiple_of(3) } else { number % 3 == 1 };
            let length = if is_long { TIMEOUT_MAX } else { Duration::ZERO }
                + Duration::from_millis(dice.random_range(300..2_000));
            all.push(Outage { due: 0, component, freezes, length });
        }
    }
    all.shuffle(dice);
    let count = all.len() as u64;
    for (number, outage) in (0..).zip(&mut all) {
        outage.due = kills * (2 * number + 1) / (2 * count);
    }
    all
}

impl Outages {
    /// Everything is still to happen.
    pub fn new(stack: Arc<Stack>, kills: u64, dice: &mut StdRng) -> Self {
        Self { stack, planned: plan(kills, dice).into(), away: Vec::new(), lasted: BTreeMap::new() }
    }

    /// Brings back who was away for long enough, and takes away whose turn it is after so many kills. Returns that one.
    ///
    /// # Panics
    /// If somebody does not come back.
    pub fn look(&mut self, kills_due: u64) -> Option<Outage> {
        for away in &mut self.away {
            if away.returns.is_none() && away.since.elapsed() >= away.outage.length {
                let (stack, outage) = (Arc::clone(&self.stack), away.outage.clone());
                away.returns = Some(std::thread::spawn(move || {
                    if outage.freezes { stack.thaw(outage.component) } else { stack.start(outage.component) }
                }));
            }
        }
        for away in
            self.away.extract_if(.., |away| away.returns.as_ref().is_some_and(JoinHandle::is_finished))
        {
            away.returns.map(JoinHandle::join).transpose().expect("broker or engine is back");
            self.lasted.entry(name(away.outage.component)).or_default().push(away.since.elapsed());
        }
        let is_due = |next: &Outage| {
            next.due <= kills_due && self.away.iter().all(|away| away.outage.component != next.component)
        };
        let next = self.planned.pop_front_if(|next| is_due(next))?;
        if next.freezes {
            self.stack.freeze(next.component);
        } else {
            self.stack.kill(next.component);
        }
        self.away.push(Away { outage: next.clone(), since: Instant::now(), returns: None });
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

impl Drop for Outages {
    /// Who is on the way back uses the stack, which ends after this.
    fn drop(&mut self) {
        for returns in self.away.drain(..).filter_map(|away| away.returns) {
            let _ = returns.join();
        }
    }
}

impl fmt::Display for Outages {
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
                let long_deaths = of(false).filter(|outage| outage.length > TIMEOUT_MAX).count();
                assert_eq!(long_deaths > 0, deaths > 1, "{component:?}: {all:?}");
            }
        }
    }
}
