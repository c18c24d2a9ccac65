//! The end of a run: everybody stops, new machines do what is left, and then everything published must be in every
//! answer.

use crate::dice::Dice;
use crate::kafka::{Fate, Log, ORGS, fate_of, position};
use crate::reader::Reader;
use crate::run::{Machine, Run};
use crate::schedule::{CREW, Role};
use crate::time::ZONES;
use crate::world::{Turn, World, Wrong};

impl Run {
    /// Everybody stops, new machines do what is left, and then everything published must be in every answer.
    pub fn come_to_rest(&mut self) {
        let mut dice = Dice::new(0);
        let rebuilds = self.take_rebuilds();
        self.stop(|_| true);
        self.world.admit_ingest_again();
        self.world.let_speak(|| "at rest".to_owned());
        self.world.tell(|| "all stop; what is left is done by new ones".to_owned());
        for _ in 0..40 {
            if self.is_all_read() {
                break;
            }
            for role in [Role::Ingest, Role::LossRecord, Role::SourceChange] {
                self.work(role, 60, &mut dice);
            }
        }
        for rebuild in rebuilds {
            self.let_work(rebuild, Role::Rebuild, 200, &mut dice);
        }
        if !self.world.is_sound_from(self.world.engine.floor) {
            self.work(Role::Rebuild, 200, &mut dice);
        }
        self.read_all(&mut dice);
        self.work(Role::Rollup, 60, &mut dice);
        self.read_all(&mut dice);
        if !self.is_all_read() {
            let sources = self.world.engine.sources.clone();
            self.world.fail(Wrong::Lost, || {
                format!("the frontiers stand still before the logs' ends; {sources:?}")
            });
        }
        self.check_ends();
    }

    fn take_rebuilds(&mut self) -> Vec<Machine> {
        let machines = self.machines.iter_mut().zip(CREW);
        machines
            .filter(|(_, role)| *role == Role::Rebuild)
            .filter_map(|(machine, _)| machine.take())
            .collect()
    }

    /// Everything there is, of every organisation, by the days and months of every zone.
    fn read_all(&mut self, dice: &mut Dice) {
        self.world.let_speak(|| "Reader at rest".to_owned());
        for (org, zone) in (0..ORGS.len()).flat_map(|org| (0..ZONES.len()).map(move |zone| (org, zone))) {
            let mut reader = Reader::of_all(org, zone, &self.world, dice);
            while reader.turn(&mut self.world) == Turn::GoesOn {}
        }
    }

    /// A new machine works for some turns, or until it ends.
    fn work(&mut self, role: Role, turns: usize, dice: &mut Dice) {
        let machine = Machine::start(role, &self.world, dice);
        self.let_work(machine, role, turns, dice);
    }

    fn let_work(&mut self, mut machine: Machine, role: Role, turns: usize, dice: &mut Dice) {
        self.world.let_speak(|| format!("{role:?} at rest"));
        for _ in 0..turns {
            if machine.turn(&mut self.world, dice) == Turn::Ends {
                return;
            }
            self.world.stops_ingest = false;
        }
    }

    fn is_all_read(&self) -> bool {
        let World { kafka, engine, protocol, .. } = &self.world;
        let source = engine.sources.newest;
        let is_read = |(partition, log): (usize, &Log)| {
            engine.frontier(source, partition, None, protocol) >= position(source, log.messages.len())
        };
        kafka.emitted_to == source && kafka.logs[source].iter().enumerate().all(is_read)
    }

    /// Every message that was read has one of the three ends.
    fn check_ends(&mut self) {
        let World { kafka, engine, protocol, .. } = &self.world;
        let mut lost = None;
        for (source, logs) in kafka.logs.iter().enumerate() {
            for (partition, log) in logs.iter().enumerate() {
                for (offset, message) in log.messages.iter().enumerate() {
                    let position = position(source, offset + 1);
                    let is_behind_the_end = source < engine.sources.newest
                        && engine.sources.ends.get(partition).is_some_and(|end| position > *end);
                    let has_end = match fate_of(message, partition, position, true, &protocol.rules) {
                        Fate::Row => self.world.has_row(message.org, position),
                        Fate::DeadLetter => kafka.dead_letters.contains(&(source, partition, position)),
                        Fate::Reroute(home) => {
                            let copies = logs[home].messages.iter();
                            copies.map(|copy| copy.origin).any(|origin| origin == Some((partition, position)))
                        }
                    };
                    if !has_end && !is_behind_the_end && !message.lost {
                        lost = lost.or(Some((position, partition, *message)));
                    }
                }
            }
        }
        if let Some((position, partition, message)) = lost {
            self.world.let_speak(|| "at rest".to_owned());
            self.world
                .fail(Wrong::Lost, || format!("{position} of partition {partition} has no end: {message:?}"));
        }
    }
}
