//! Runs a schedule: every event in its order, then the quiet in which everything must be there.

use crate::dice::Dice;
use crate::figures::Figures;
use crate::kafka::{Fate, ORGS, fate_of, position};
use crate::log::{Export, LogReader};
use crate::operators::{Backup, Folder, LossRecord, SourceChange, restore};
use crate::reader::Reader;
use crate::rules::Protocol;
use crate::schedule::{CREW, Event, Role};
use crate::time::ZONES;
use crate::world::{Failure, Turn, World, Wrong};
use crate::{ingest, rollup};

/// A machine of any role.
#[derive(Clone)]
enum Machine {
    Ingest(ingest::Worker),
    Rollup(Box<rollup::Worker>),
    Reader(Box<Reader>),
    Log(Box<LogReader>),
    Export(Export),
    Folder(Folder),
    Backup(Backup),
    SourceChange(SourceChange),
    LossRecord(LossRecord),
}

impl Machine {
    fn start(role: Role, world: &World, dice: &mut Dice) -> Self {
        match role {
            Role::Ingest => Self::Ingest(ingest::Worker::default()),
            Role::Rollup => Self::Rollup(Box::new(rollup::Worker::start(dice))),
            Role::Rebuild => Self::Rollup(Box::new(rollup::Worker::start_rebuild(world, dice))),
            Role::Reader => match dice.below(10) {
                0..7 => Self::Reader(Box::new(Reader::start(world, dice))),
                7..9 => Self::Log(Box::new(LogReader::start(world, dice))),
                _ => Self::Export(Export::start(world, dice)),
            },
            Role::Folder => Self::Folder(Folder::start()),
            Role::Backup => Self::Backup(Backup::start(world)),
            Role::SourceChange => Self::SourceChange(SourceChange::start(dice)),
            Role::LossRecord => Self::LossRecord(LossRecord::Stop),
        }
    }

    fn turn(&mut self, world: &mut World, dice: &mut Dice) -> Turn {
        match self {
            Self::Ingest(worker) => worker.turn(world, dice),
            Self::Rollup(worker) => worker.turn(world, dice),
            Self::Reader(reader) => reader.turn(world),
            Self::Log(reader) => reader.turn(world),
            Self::Export(export) => export.turn(world),
            Self::Folder(folder) => folder.turn(world, dice),
            Self::Backup(backup) => backup.turn(world),
            Self::SourceChange(change) => change.turn(world),
            Self::LossRecord(record) => record.turn(world),
        }
    }
}

/// How a run ended.
pub struct Outcome {
    /// What went wrong, if anything did.
    pub failure: Option<Failure>,
    /// What happened how often.
    pub figures: Figures,
    /// What happened in words, if that was asked for.
    pub story: Vec<String>,
}

/// How runs are made.
#[derive(Clone, Copy)]
pub struct Manner {
    /// The rules in force.
    pub protocol: Protocol,
    /// Whether rollup rows are judged when they are written. Mutants are judged by answers alone.
    pub judges_rows: bool,
}

impl Manner {
    /// Runs a schedule.
    pub fn run(&self, events: &[Event], tells: bool) -> Outcome {
        let mut run = Run {
            world: World::new(self.protocol, self.judges_rows, tells),
            machines: std::array::from_fn(|_| None),
        };
        for event in events {
            run.happen(*event);
            if run.world.failure.is_some() {
                break;
            }
        }
        if run.world.failure.is_none() {
            run.come_to_rest();
        }
        run.world.figures.runs = 1;
        let (failure, figures, story) = run.world.into_story();
        Outcome { failure, figures, story }
    }
}

struct Run {
    world: World,
    machines: [Option<Machine>; CREW.len()],
}

impl Run {
    fn happen(&mut self, event: Event) {
        let world = &mut self.world;
        match event {
            Event::Publish { mut dice, is_misrouted, kind } => {
                world.let_speak(|| "copilot".to_owned());
                world.emit(&mut dice, is_misrouted, kind);
            }
            Event::Turn { member, dice, loses_answer } => self.turn(member, dice, loses_answer),
            Event::Kill { member } => self.kill(member),
            Event::Merge(mut dice) => world.engine.merge(&mut dice, &world.protocol),
            Event::Rezone(mut dice) => {
                world.let_speak(|| "directory".to_owned());
                world.rezone(&mut dice);
            }
            Event::Jump(mut dice) => {
                world.let_speak(|| "broker".to_owned());
                world.jump(&mut dice);
            }
            Event::Pass => world.let_time_pass(),
            Event::Damage(mut dice) => {
                world.let_speak(|| "misfortune".to_owned());
                world.damage(&mut dice);
            }
            Event::Truncate(mut dice) => {
                world.let_speak(|| "broker".to_owned());
                world.truncate(&mut dice);
            }
            Event::Restore => self.restore(),
            Event::NextTopic => {
                world.let_speak(|| "operator".to_owned());
                world.kafka.emitted_to = 1;
                world.tell(|| "lets emitters publish to the next topic".to_owned());
            }
        }
    }

    fn turn(&mut self, member: usize, mut dice: Dice, loses_answer: bool) {
        let world = &mut self.world;
        world.let_speak(|| name_of(member));
        world.figures.turns += 1;
        let role = CREW[member];
        if role == Role::Rebuild && self.machines[member].is_none() {
            // An operator rebuilds what is known to be damaged, and seldom without need.
            let is_wanted = !world.is_sound_from(world.engine.floor) || dice.percent(2);
            if !is_wanted {
                return;
            }
        }
        let machine = self.machines[member].get_or_insert_with(|| Machine::start(role, world, &mut dice));
        if loses_answer {
            // It knows no more than before; what it did is done all the same.
            let before = machine.clone();
            machine.turn(world, &mut dice);
            *machine = before;
            world.figures.answers_lost += 1;
            world.tell(|| "gets no answer and will do that again".to_owned());
        } else if machine.turn(world, &mut dice) == Turn::Ends {
            self.machines[member] = None;
        }
        if std::mem::take(&mut self.world.stops_ingest) {
            self.stop(|role| role == Role::Ingest);
        }
    }

    fn kill(&mut self, member: usize) {
        if self.machines[member].take().is_some() {
            self.world.figures.kills += 1;
            self.world.let_speak(|| name_of(member));
            self.world.tell(|| "is killed".to_owned());
        }
    }

    fn stop(&mut self, is_stopped: impl Fn(Role) -> bool) {
        for (machine, role) in self.machines.iter_mut().zip(CREW) {
            if is_stopped(role) {
                *machine = None;
            }
        }
    }

    /// The engine is away while tables are restored: readers and commands fail, and are asked anew. Workers wait and go
    /// on where they were, but ingest is stopped beforehand.
    fn restore(&mut self) {
        self.world.let_speak(|| "operator".to_owned());
        if restore(&mut self.world) {
            let stops_ingest = std::mem::take(&mut self.world.stops_ingest);
            self.world.admit_ingest_again();
            self.stop(|role| match role {
                Role::Ingest => stops_ingest,
                Role::Rollup | Role::Rebuild => false,
                _ => true,
            });
        }
    }

    /// Everybody stops, new machines do what is left, and then everything published must be in every answer.
    fn come_to_rest(&mut self) {
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
        let is_read = |(partition, log): (usize, &crate::kafka::Log)| {
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

fn name_of(member: usize) -> String {
    let role = CREW[member];
    let number = CREW[..=member].iter().filter(|other| **other == role).count();
    format!("{role:?} {number}")
}
