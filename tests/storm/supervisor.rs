//! Who dies when: kills, freezes and wakes up processes, starts them again, and counts.

use crate::actor::{Actor, Armed, News};
use crate::outage::{Outages, name};
use crate::settings::Settings;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use system_tests::Stack;

/// Lives that end at fail points may come so much earlier than it was their turn.
const AHEAD_MAX: u64 = 4;

/// Pause after somebody was hurt at random: long enough for others to come to their fail points.
const BREATH: Duration = Duration::from_millis(700);

/// How long a worker is frozen so that the group gives its partitions to others: longer than a session.
const ABSENCE: Duration = Duration::from_secs(8);

/// Until it is back in the group, and the others have heard of it.
const REUNION: Duration = Duration::from_secs(5);

/// The processes of a storm and what was done to them.
pub struct Supervisor {
    settings: Settings,
    actors: Vec<Actor>,
    outages: Outages,
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
    /// Times that a process was told to end, by SIGTERM, and did.
    pub farewells: u64,
    /// Times that a worker ended and asked to be started again.
    pub fresh_starts: u64,
    /// How often each fail point was met.
    pub hits: BTreeMap<&'static str, u64>,
    /// Kills and pauses of each process.
    pub by_name: BTreeMap<String, [u64; 2]>,
}

impl Supervisor {
    /// Starts everybody.
    pub fn start(stack: Arc<Stack>, actors: Vec<Actor>, settings: &Settings) -> Self {
        let mut toll = Toll::default();
        for actor in &actors {
            toll.hits.extend(actor.fail_points.iter().map(|name| (*name, 0)));
        }
        let mut dice = StdRng::seed_from_u64(settings.seed);
        let outages = Outages::new(stack, settings.kills, &mut dice);
        let settings = settings.clone();
        let mut supervisor = Self { settings, actors, outages, dice, rests_until: Instant::now(), toll };
        for actor in 0..supervisor.actors.len() {
            supervisor.revive(actor, Some(0));
        }
        supervisor
    }

    /// Looks at everybody once. `kills_due` is how many kills there should have been by now; `None` while the storm
    /// rests: then nobody is hurt any more and everybody frozen wakes up.
    pub fn look(&mut self, kills_due: Option<u64>) {
        let now = Instant::now();
        for index in 0..self.actors.len() {
            let actor = &mut self.actors[index];
            actor.thaw(if kills_due.is_some() { now } else { now + Duration::from_secs(60) });
            match actor.look() {
                News::None | News::Finished => {}
                News::EndedAsTold => self.toll.farewells += 1,
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
                self.revive(index, kills_due);
            }
        }
        let Some(due) = kills_due else { return };
        if let Some(outage) = self.outages.look(due) {
            self.count(name(outage.component), !outage.freezes);
        }
        if now < self.rests_until {
            return;
        }
        let rest = if let Some(idle) = self.who_could_come_to_a_missing_point(due) {
            self.actors[idle].kill();
            self.note(idle, true);
            BREATH
        } else if self.toll.kills < due {
            self.hurt_somebody(due);
            BREATH
        } else if let Some(other) = self.who_could_move_the_group(due) {
            self.actors[other].freeze(now + ABSENCE);
            self.note(other, false);
            ABSENCE + REUNION
        } else {
            return;
        };
        self.rests_until = Instant::now() + rest;
    }

    /// Whether broker, engine and everybody else are there.
    pub fn is_complete(&self) -> bool {
        let mut actors = self.actors.iter();
        self.outages.are_over() && actors.all(|actor| actor.is_alive() || actor.has_finished())
    }

    /// Fail points that were met too seldom for a whole storm.
    pub fn missing(&self) -> Vec<(&'static str, u64)> {
        let wanted = self.settings.hits_of_each_fail_point();
        self.toll.hits.iter().filter(|(_, hits)| **hits < wanted).map(|(name, hits)| (*name, *hits)).collect()
    }

    /// Judges that everything was done to everybody that a storm consists of.
    pub fn judge_toll(&self) {
        println!("{}{}", self.toll, self.outages);
        self.outages.judge();
        let missing = self.missing();
        assert!(missing.is_empty(), "fail points met too seldom: {missing:?}");
        let is_long = self.settings.kills >= 100;
        assert!(!is_long || self.toll.farewells > 0, "nobody was told to end");
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

    /// Begins a life, armed with the fail point that has been met least, if it is time.
    fn revive(&mut self, index: usize, kills_due: Option<u64>) {
        let points = self.actors[index].fail_points;
        let rarest = points.iter().map(|name| self.expected(name)).min().unwrap_or(0);
        let rarest: Vec<&'static str> =
            points.iter().copied().filter(|name| self.expected(name) == rarest).collect();
        let armed = rarest.choose(&mut self.dice).copied().zip(kills_due).and_then(|(name, due)| {
            let is_missing = self.expected(name) < self.hits_due(due);
            let arms = is_missing || self.toll.kills < due + AHEAD_MAX;
            let hit = if is_missing { 1 } else { self.dice.random_range(1..=2) };
            arms.then(|| Armed { name, hit, freezes: self.dice.random_bool(0.25) })
        });
        self.actors[index].live(armed);
    }

    /// Hits of a fail point, with those to come of lives that are armed with it.
    fn expected(&self, name: &str) -> u64 {
        let armed = self.actors.iter().filter(|actor| actor.armed() == Some(name));
        self.toll.hits[name] + armed.count() as u64
    }

    /// How often each fail point must have been met after so many kills.
    fn hits_due(&self, kills: u64) -> u64 {
        let wanted = self.settings.hits_of_each_fail_point();
        (wanted * kills / self.settings.kills.max(1) + 1).min(wanted)
    }

    /// Whether it is on its way to a fail point that must be met by now.
    fn is_needed(&self, actor: &Actor, due: u64) -> bool {
        actor.armed().is_some_and(|name| self.toll.hits[name] < self.hits_due(due))
    }

    /// Somebody who could be on the way to a fail point to which nobody is, though it must be met by now.
    fn who_could_come_to_a_missing_point(&self, due: u64) -> Option<usize> {
        let is_missing = |name: &&str| self.expected(name) < self.hits_due(due);
        let could = |actor: &Actor| actor.is_awake() && actor.fail_points.iter().any(is_missing);
        self.actors.iter().position(|actor| could(actor) && !self.is_needed(actor, due))
    }

    /// A worker beside one that is on the way to the fail point of a handing over: it comes there only when others leave
    /// the group and come back, and nobody is hurt any more when all kills were made.
    fn who_could_move_the_group(&self, due: u64) -> Option<usize> {
        let waits = |actor: &Actor| {
            actor.armed() == Some(ingest::rebalance::FAIL_POINT) && self.is_needed(actor, due)
        };
        let waiting = self.actors.iter().position(|actor| actor.is_awake() && waits(actor))?;
        let is_beside = |(index, actor): (usize, &Actor)| {
            index != waiting && actor.is_awake() && actor.fail_points == self.actors[waiting].fail_points
        };
        self.actors.iter().enumerate().position(is_beside)
    }

    fn hurt_somebody(&mut self, due: u64) {
        // Who is armed comes to a worse place by itself, if it lives that long.
        let spares = self.dice.random_bool(0.7);
        let is_spared = |actor: &Actor| (spares && actor.armed().is_some()) || self.is_needed(actor, due);
        let victims: Vec<usize> = (0..self.actors.len())
            .filter(|index| self.actors[*index].is_awake() && !is_spared(&self.actors[*index]))
            .collect();
        let Some(victim) = victims.choose(&mut self.dice).copied() else { return };
        if self.dice.random_bool(0.3) {
            self.freeze(victim);
        } else if self.actors[victim].may_be_told_to_end() && self.dice.random_bool(0.2) {
            self.actors[victim].tell_to_end();
        } else {
            self.actors[victim].kill();
            self.note(victim, true);
        }
    }

    /// Shorter than a session of the consumer group, or longer.
    fn freeze(&mut self, index: usize) {
        let pause = Duration::from_millis(self.dice.random_range(100..9_000));
        self.actors[index].freeze(Instant::now() + pause);
        self.note(index, false);
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
        let Self { kills, pauses, farewells, fresh_starts, .. } = self;
        writeln!(
            f,
            "{kills} kills, {pauses} pauses, {farewells} ends by SIGTERM, {fresh_starts} fresh starts that a worker asked for"
        )?;
        for (name, [kills, pauses]) in &self.by_name {
            writeln!(f, "  {name:<12} {kills:>4} kills {pauses:>4} pauses")?;
        }
        writeln!(f, "fail points met:")?;
        self.hits.iter().try_for_each(|(name, hits)| writeln!(f, "  {name:<20} {hits:>4}"))
    }
}
