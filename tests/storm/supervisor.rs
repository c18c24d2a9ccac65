//! Who dies when: kills, freezes and wakes up processes, starts them again, and counts.

use crate::actor::{Actor, Armed, News};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};
use system_tests::{Component, Stack};

/// Lives that end at fail points may come so much earlier than it was their turn.
const AHEAD_MAX: u64 = 4;

/// Pause after somebody was hurt at random: long enough for others to come to their fail points.
const BREATH: Duration = Duration::from_millis(700);

/// The processes of a storm and what was done to them.
pub struct Supervisor<'a> {
    stack: &'a Stack,
    actors: Vec<Actor>,
    dice: StdRng,
    rests_until: Instant,
    /// What happened so far.
    pub toll: Toll,
}

/// What was done to the processes.
#[derive(Debug, Default)]
pub struct Toll {
    /// Ends by SIGKILL, at random and at fail points.
    pub kills: u64,
    /// Times that a process was frozen and woken up.
    pub pauses: u64,
    /// Times that a worker ended and asked to be started again.
    pub fresh_starts: u64,
    /// How often each fail point was met.
    pub hits: BTreeMap<&'static str, u64>,
    /// Kills and pauses of each process.
    pub by_name: BTreeMap<String, [u64; 2]>,
}

impl<'a> Supervisor<'a> {
    /// Starts everybody.
    pub fn start(stack: &'a Stack, actors: Vec<Actor>, seed: u64) -> Self {
        let mut toll = Toll::default();
        for actor in &actors {
            toll.hits.extend(actor.fail_points.iter().map(|name| (*name, 0)));
        }
        let dice = StdRng::seed_from_u64(seed);
        let mut supervisor = Self { stack, actors, dice, rests_until: Instant::now(), toll };
        for actor in 0..supervisor.actors.len() {
            supervisor.revive(actor, true);
        }
        supervisor
    }

    /// Looks at everybody once. `kills_due` is how many kills there should have been by now; `None` while the storm
    /// rests: then nobody is hurt any more and everybody frozen wakes up.
    pub fn look(&mut self, kills_due: Option<u64>) {
        let now = Instant::now();
        let arms = kills_due.is_some_and(|due| self.toll.kills < due + AHEAD_MAX);
        for index in 0..self.actors.len() {
            let actor = &mut self.actors[index];
            actor.thaw(if kills_due.is_some() { now } else { now + Duration::from_secs(60) });
            match actor.look() {
                News::None | News::Finished => {}
                News::AsksForAnother => self.toll.fresh_starts += 1,
                News::DiedAt(point) => {
                    self.note_hit(point);
                    self.note(index, true);
                }
                News::FrozeAt(point) => {
                    self.note_hit(point);
                    self.freeze(index);
                }
            }
            if !self.actors[index].is_alive() && !self.actors[index].has_finished() {
                self.revive(index, arms);
            }
        }
        if kills_due.is_some_and(|due| self.toll.kills < due) && now >= self.rests_until {
            self.hurt_somebody();
            self.rests_until = Instant::now() + BREATH;
        }
    }

    /// Freezes those whose name begins so, until [`Self::wake`].
    pub fn hold(&mut self, prefix: &str) {
        let for_long = Instant::now() + Duration::from_secs(24 * 3600);
        let actors = self.actors.iter_mut().filter(|actor| actor.name.starts_with(prefix));
        actors.for_each(|actor| actor.freeze(for_long));
    }

    /// Wakes up everybody.
    pub fn wake(&mut self) {
        let later = Instant::now() + Duration::from_secs(48 * 3600);
        self.actors.iter_mut().for_each(|actor| actor.thaw(later));
    }

    /// Whether everybody of this kind has done all there was to do.
    pub fn have_finished(&self, prefix: &str) -> bool {
        self.actors.iter().filter(|actor| actor.name.starts_with(prefix)).all(Actor::has_finished)
    }

    fn revive(&mut self, index: usize, arms: bool) {
        let points = self.actors[index].fail_points;
        let rarest = points.iter().map(|name| self.toll.hits[name]).min().unwrap_or(0);
        let rarest: Vec<&'static str> =
            points.iter().copied().filter(|name| self.toll.hits[name] == rarest).collect();
        let armed = rarest.choose(&mut self.dice).filter(|_| arms).copied();
        let armed = armed.map(|name| Armed {
            name,
            hit: self.dice.random_range(1..=2),
            freezes: self.dice.random_bool(0.25),
        });
        self.actors[index].live(armed);
    }

    fn hurt_somebody(&mut self) {
        match self.dice.random_range(0..100) {
            0..1 => self.hurt_engine(Component::Kafka),
            1..3 => self.hurt_engine(Component::ClickHouse),
            _ => {
                // Who is armed comes to a worse place by itself, if it lives that long.
                let spares = self.dice.random_bool(0.7);
                let is_victim = |actor: &Actor| actor.is_awake() && !(spares && actor.is_armed());
                let victims: Vec<usize> =
                    (0..self.actors.len()).filter(|index| is_victim(&self.actors[*index])).collect();
                let Some(victim) = victims.choose(&mut self.dice).copied() else { return };
                if self.dice.random_bool(0.3) {
                    self.freeze(victim);
                } else {
                    self.actors[victim].kill();
                    self.note(victim, true);
                }
            }
        }
    }

    /// Shorter than a session of the consumer group, or longer.
    fn freeze(&mut self, index: usize) {
        let pause = Duration::from_millis(self.dice.random_range(100..9_000));
        self.actors[index].freeze(Instant::now() + pause);
        self.note(index, false);
    }

    fn hurt_engine(&mut self, component: Component) {
        let name = format!("{component:?}").to_lowercase();
        if self.dice.random_bool(0.3) {
            self.stack.freeze(component);
            std::thread::sleep(Duration::from_millis(self.dice.random_range(100..3_000)));
            self.stack.thaw(component);
            self.count(&name, false);
        } else {
            self.stack.kill(component);
            std::thread::sleep(Duration::from_millis(self.dice.random_range(0..1_500)));
            self.stack.start(component);
            self.count(&name, true);
        }
    }

    fn note_hit(&mut self, point: &'static str) {
        *self.toll.hits.entry(point).or_default() += 1;
    }

    fn note(&mut self, index: usize, is_kill: bool) {
        let name = self.actors[index].name.clone();
        self.count(&name, is_kill);
    }

    fn count(&mut self, name: &str, is_kill: bool) {
        let total = if is_kill { &mut self.toll.kills } else { &mut self.toll.pauses };
        *total += 1;
        self.toll.by_name.entry(name.to_owned()).or_default()[usize::from(!is_kill)] += 1;
    }
}

impl fmt::Display for Toll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kills, pauses, fresh_starts, .. } = self;
        writeln!(f, "{kills} kills, {pauses} pauses, {fresh_starts} fresh starts that a worker asked for")?;
        for (name, [kills, pauses]) in &self.by_name {
            writeln!(f, "  {name:<12} {kills:>4} kills {pauses:>4} pauses")?;
        }
        writeln!(f, "fail points met:")?;
        self.hits.iter().try_for_each(|(name, hits)| writeln!(f, "  {name:<20} {hits:>4}"))
    }
}
