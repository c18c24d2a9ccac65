//! Everything there is in a run: broker, tables, clock, and what the run is judged by.

use crate::dice::Dice;
use crate::engine::{Engine, LedgerRow};
use crate::figures::Figures;
use crate::kafka::{Kafka, Kind, Message, ORGS, home_of, position};
use crate::rules::Protocol;
use crate::time::{Level, SLOTS, Slots, ZONES, start_of};
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
    bars: [bool; 2],
    now: usize,
    clock_error: i64,
    events: u16,
    emitted: Vec<Message>,
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
            backup: None,
            stops_ingest: false,
            damaged: None,
            distrusted: None,
            judges_rows,
            newest_as_of: [Position::ZERO; ORGS.len()],
            figures: Figures::default(),
            failure: None,
            bars: [false; 2],
            now: 1,
            clock_error: 0,
            events: 0,
            emitted: Vec::new(),
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

    /// A copilot publishes a call: a new one, mostly of now and sometimes late, or one that was published before.
    pub fn emit(&mut self, dice: &mut Dice, is_misrouted: bool, kind: Kind) {
        if dice.percent(40) {
            self.let_time_pass();
        }
        let known = if dice.percent(20) && !self.emitted.is_empty() {
            Some(dice.one_of(&self.emitted))
        } else {
            None
        };
        let mut message = known.unwrap_or_else(|| {
            self.events += 1;
            let newest = self.newest_slot();
            let slot = if dice.percent(70) { newest } else { dice.below(newest + 1) };
            Message {
                org: some_org(dice),
                event: self.events,
                slot: slot as u8,
                member: dice.below(2) as u8,
                credits: 1 + dice.below(999) as u32,
                kind,
                origin: None,
                appended_at_ms: 0,
                lost: false,
            }
        });
        if known.is_some() && dice.percent(60) {
            message.member = dice.below(2) as u8;
            message.credits = 1 + dice.below(999) as u32;
        }
        self.emitted.push(message);
        let topic = self.kafka.emitted_to;
        let home = home_of(topic, message.org);
        let others = self.kafka.logs[topic].len() - 1;
        let partition = if is_misrouted { (home + 1 + dice.below(others)) % (others + 1) } else { home };
        let at = self.append(topic, partition, message);
        self.figures.messages += 1;
        let again = if known.is_some() { " again" } else { "" };
        self.tell(|| {
            let Message { org, event, slot, member, credits, kind, .. } = message;
            let astray = if is_misrouted { ", a wrong one" } else { "" };
            format!(
                "publishes{again} {kind:?} {event} of {} in slot {slot}, member {member}, {credits} credits: {at} of \
                 partition {partition}{astray}",
                ORGS[org]
            )
        });
    }

    /// The broker appends a message. Returns its position.
    pub fn append(&mut self, source: usize, partition: usize, mut message: Message) -> Position {
        message.appended_at_ms = self.broker_ms();
        let log = &mut self.kafka.logs[source][partition];
        log.messages.push(message);
        position(source, log.messages.len())
    }

    /// The next quarter hour begins; the last one is followed by another season.
    pub fn let_time_pass(&mut self) {
        self.now = (self.now + 1).min(SLOTS);
    }

    /// What the broker's clock shows.
    pub fn broker_ms(&self) -> i64 {
        let later = if self.now < SLOTS { 450 } else { 40 * 86_400 };
        (start_of(self.newest_slot()) + later + self.clock_error) * 1000
    }

    /// The slot in which calls happen now.
    pub fn newest_slot(&self) -> usize {
        self.now.min(SLOTS - 1)
    }

    /// The broker's clock is set.
    pub fn jump(&mut self, dice: &mut Dice) {
        self.clock_error = dice.one_of(&[0, -86_400, 86_400, 40 * 86_400, -3_600]);
        let seconds = self.clock_error;
        self.tell(|| format!("the broker's clock is {seconds} s off from now on"));
    }

    /// An organisation moves to another zone.
    pub fn rezone(&mut self, dice: &mut Dice) {
        let org = dice.below(ORGS.len());
        self.zones[org] = dice.below(ZONES.len());
        let zone = ZONES[self.zones[org]];
        self.tell(|| format!("{} counts its days in {zone} from now on", ORGS[org]));
    }

    /// The rows of a level go bad, as after a mistake of a worker that was found too late.
    pub fn damage(&mut self, dice: &mut Dice) {
        let level = dice.one_of(&[Level::Quarter, Level::Quarter, Level::Day, Level::Month]);
        let org = some_org(dice);
        let rows = &mut self.engine.rollups[level as usize][org];
        if rows.is_empty() || self.damaged.is_some_and(|damaged| self.engine.floor <= damaged) {
            return;
        }
        rows.iter_mut().for_each(|row| row.cells[0].credits += 1_000_000);
        self.damaged = Some(self.engine.generation);
        self.distrusted = self.distrusted.max(self.damaged);
        self.tell(|| format!("all {level:?} rows of {} are wrong by a million credits", ORGS[org]));
    }

    /// Kafka deletes messages of a partition that were not read yet.
    pub fn truncate(&mut self, dice: &mut Dice) {
        let source = self.engine.sources.newest;
        let partition = dice.below(self.kafka.logs[source].len());
        let next = self.engine.frontier(source, partition, None, &self.protocol).next_offset() as usize;
        let log = &mut self.kafka.logs[source][partition];
        if next >= log.messages.len() {
            return;
        }
        let kept = next + 1 + dice.below(log.messages.len() - next);
        log.starts_at = log.starts_at.max(kept);
        self.tell(|| {
            format!("messages of partition {partition} up to {} are deleted unread", position(source, kept))
        });
    }

    /// Whether a message of the ledger's organisation at this position has a row.
    pub fn has_row(&self, org: usize, position: Position) -> bool {
        self.engine.ledger[org].iter().any(|row| row.position == position)
    }

    /// Judges a row of a rollup that is being written, where that is asked for.
    pub fn judge_row(&mut self, org: usize, slots: Slots, row: &crate::engine::Row) {
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

/// Some organisation, mostly the first, so that much happens to one.
pub fn some_org(dice: &mut Dice) -> usize {
    dice.one_of(&[0, 0, 0, 0, 0, 1, 2])
}
