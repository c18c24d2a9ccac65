//! Everything there is in a run: broker, tables, clock, and what the run is judged by.

use crate::engine::{Engine, LedgerRow, Row};
use crate::figures::Figures;
use crate::kafka::{Kafka, ORGS, home_of};
use crate::kept::Kept;
use crate::nature::Nature;
use crate::rules::Protocol;
use crate::time::Slots;
use crate::truth;
use proto::Position;
use warehouse::calendar::Interval;

/// In what way a run went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// A reader gave a total that is not true.
    Total,
    /// A reader listed calls that are not the true ones.
    List,
    /// A rollup row was written that is not what its bucket held at its cut.
    Row,
    /// A message has no end: neither row nor dead letter, not on its way to another partition.
    Lost,
    /// What readers know went back without a restore.
    WentBack,
}

/// What went wrong first.
#[derive(Clone, Debug)]
pub struct Failure {
    /// In what way.
    pub wrong: Wrong,
    /// What was seen and what is true.
    pub text: String,
}

/// A link that someone keeps: the answer's position and period.
#[derive(Clone, Copy, Debug)]
pub struct Pin {
    /// Whose.
    pub org: usize,
    /// A.
    pub at: Position,
    /// The instants of the period.
    pub period: Interval,
}

/// Who may keep ingest workers from running.
#[derive(Clone, Copy, Debug)]
pub enum Bar {
    /// Somebody who records a loss.
    LossRecord,
    /// Somebody who gives up the rest of a source.
    SourceChange,
}

/// What a machine did with its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It has more to do.
    GoesOn,
    /// It is done.
    Ends,
}

/// Broker, tables, clock and judge.
pub struct World {
    /// How machines behave.
    pub protocol: Protocol,
    /// The broker.
    pub kafka: Kafka,
    /// The tables.
    pub engine: Engine,
    /// The zone of each organisation, an index of [`ZONES`].
    pub zones: [usize; ORGS.len()],
    /// Links.
    pub pins: Vec<Pin>,
    /// What readers keep of the ledger's answers, by organisation.
    pub kept: [Kept; ORGS.len()],
    /// The last complete backup.
    pub backup: Option<Engine>,
    /// Set for a moment when somebody stops all ingest workers.
    pub stops_ingest: bool,
    /// Rows of this generation and older may be damaged: reads count again once the floor is above.
    pub damaged: Option<u32>,
    /// Rows of this generation and older may have been made of what is not there any more.
    pub distrusted: Option<u32>,
    /// Whether rollup rows are judged when they are written, and not only by what readers make of them.
    pub judges_rows: bool,
    /// The highest position that a fresh reader of each organisation was given.
    pub newest_as_of: [Position; ORGS.len()],
    /// What happened how often.
    pub figures: Figures,
    /// What went wrong first.
    pub failure: Option<Failure>,
    /// What the world outside remembers.
    pub nature: Nature,
    bars: [bool; 2],
    story: Option<Vec<String>>,
    speaker: String,
}

impl World {
    /// An empty world. With `tells`, it writes down what happens.
    pub fn new(protocol: Protocol, judges_rows: bool, tells: bool) -> Self {
        Self {
            protocol,
            kafka: Kafka::new(),
            engine: Engine::new(),
            zones: [0; ORGS.len()],
            pins: Vec::new(),
            kept: Default::default(),
            backup: None,
            stops_ingest: false,
            damaged: None,
            distrusted: None,
            judges_rows,
            newest_as_of: [Position::ZERO; ORGS.len()],
            figures: Figures::default(),
            failure: None,
            nature: Nature::default(),
            bars: [false; 2],
            story: tells.then(Vec::new),
            speaker: String::new(),
        }
    }

    /// Names who acts from now on.
    pub fn let_speak(&mut self, speaker: impl FnOnce() -> String) {
        if self.story.is_some() {
            self.speaker = speaker();
        }
    }

    /// Writes down what happens, if anybody wants to know.
    pub fn tell(&mut self, text: impl FnOnce() -> String) {
        if let Some(story) = &mut self.story {
            story.push(format!("{:<12} {}", self.speaker, text()));
        }
    }

    /// What happened.
    pub fn into_story(self) -> (Option<Failure>, Figures, Vec<String>) {
        (self.failure, self.figures, self.story.unwrap_or_default())
    }

    /// Notes that something is wrong.
    pub fn fail(&mut self, wrong: Wrong, text: impl FnOnce() -> String) {
        if self.failure.is_none() {
            let text = text();
            self.tell(|| format!("WRONG: {text}"));
            self.failure = Some(Failure { wrong, text });
        }
    }

    /// The position of the frontier of an organisation.
    pub fn frontier_of(&self, org: usize) -> Position {
        let source = self.engine.sources.newest;
        self.engine.frontier(source, home_of(source, org), None, &self.protocol)
    }

    /// Stops all ingest workers, and keeps new ones from running.
    pub fn bar_ingest(&mut self, bar: Bar) {
        let stops = self.protocol.rules.loss_stops_ingest;
        self.stops_ingest |= stops;
        self.bars[bar as usize] = stops;
    }

    /// Lets ingest workers run again.
    pub fn admit_ingest(&mut self, bar: Bar) {
        self.bars[bar as usize] = false;
    }

    /// Lets them run whoever keeps them: nobody is there any more.
    pub fn admit_ingest_again(&mut self) {
        self.bars = [false; 2];
    }

    /// Whether ingest workers must not run.
    pub fn bars_ingest(&self) -> bool {
        self.bars.contains(&true)
    }

    /// Whether no row of generations from this floor on was damaged behind the protocol's back.
    pub fn is_sound_from(&self, floor: u32) -> bool {
        self.damaged.is_none_or(|damaged| floor > damaged)
    }

    /// Whether a message of the ledger's organisation at this position has a row.
    pub fn has_row(&self, org: usize, position: Position) -> bool {
        self.engine.ledger[org].iter().any(|row| row.position == position)
    }

    /// Judges a row of a rollup that is being written, where that is asked for.
    pub fn judge_row(&mut self, org: usize, slots: Slots, row: &Row) {
        if !self.judges_rows || self.distrusted.is_some_and(|distrusted| row.generation <= distrusted) {
            return;
        }
        let truth = truth::cells(self, org, slots, row.through);
        if row.cells != truth {
            self.fail(Wrong::Row, || format!("a row of {} says {row:?}, true is {truth:?}", ORGS[org]));
        }
    }

    /// Judges a list of calls that a reader made of ledger rows.
    pub fn judge_list(&mut self, what: &str, listed: &[LedgerRow], truth: &[LedgerRow]) {
        let content = |row: &LedgerRow| (row.slot, row.event, row.position, row.member, row.credits);
        if !listed.iter().map(content).eq(truth.iter().map(content)) {
            self.fail(Wrong::List, || format!("{what} is {listed:?}, true is {truth:?}"));
        }
    }
}
