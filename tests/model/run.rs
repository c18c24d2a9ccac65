//! Runs a schedule: every event in its order, then the quiet in which everything must be there.

use crate::dice::Dice;
use crate::figures::Figures;
use crate::log::{Export, LogReader};
use crate::operators::{Backup, Folder, LossRecord, SourceChange, restore};
use crate::reader::Reader;
use crate::rules::Protocol;
use crate::schedule::{CREW, Event, Role};
use crate::world::{Failure, Turn, World};
use crate::{ingest, rollup};

/// A machine of any role.
#[derive(Clone)]
pub enum Machine {
    /// Ingest.
    Ingest(ingest::Worker),
    /// The rollup worker, or a rebuild.
    Rollup(Box<rollup::Worker>),
    /// A reader of totals.
    Reader(Box<Reader>),
    /// A reader of the log.
    Log(Box<LogReader>),
    /// An export.
    Export(Export),
    /// Folding.
    Folder(Folder),
    /// A backup.
    Backup(Backup),
    /// The change to the next source.
    SourceChange(SourceChange),
    /// The record of a loss.
    LossRecord(LossRecord),
}

impl Machine {
    /// A new one.
    pub fn start(role: Role, world: &World, dice: &mut Dice) -> Self {
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

    /// Its next statement.
    pub fn turn(&mut self, world: &mut World, dice: &mut Dice) -> Turn {
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

/// A run under way.
pub struct Run {
    /// Where it happens.
    pub world: World,
    /// Who is there, as in [`CREW`].
    pub machines: [Option<Machine>; CREW.len()],
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

    /// Stops all of some roles, frozen ones too.
    pub fn stop(&mut self, is_stopped: impl Fn(Role) -> bool) {
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
}

fn name_of(member: usize) -> String {
    let role = CREW[member];
    let number = CREW[..=member].iter().filter(|other| **other == role).count();
    format!("{role:?} {number}")
}
