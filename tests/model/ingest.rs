//! Ingest: messages become ledger rows, dead letters or messages of another partition; then touches; then batch rows.
//!
//! A worker reads one or all partitions, has up to two batches in flight, whose statements mix, and sends again what
//! was not answered. Every insert may be seen half done, and any number of workers may do the same work.

use crate::dice::Dice;
use crate::engine::{LedgerRow, Touch};
use crate::kafka::{Fate, Message, ORGS, fate_of, position};
use crate::world::{Turn, World};
use proto::Position;
use std::collections::VecDeque;
use warehouse::{BatchRow, chain, chain_end};

const BATCHES_AT_ONCE: usize = 2;

/// An ingest worker.
#[derive(Clone, Default)]
pub struct Worker {
    source: usize,
    is_newer: bool,
    partitions: Vec<Reading>,
    batches: Vec<Batch>,
}

/// A partition that is read, and the offset of the next message.
#[derive(Clone, Copy)]
struct Reading {
    partition: usize,
    next: usize,
}

#[derive(Clone, Default)]
struct Batch {
    runs: Vec<BatchRow>,
    calls: Vec<(usize, LedgerRow)>,
    touches: Vec<(usize, usize, Touch)>,
    dead_letters: Vec<(usize, Position)>,
    reroutes: Vec<(usize, Message)>,
    statements: VecDeque<Statement>,
    /// Which rows are in the first half of each insert, a bit each.
    torn: u64,
}

#[derive(Clone, Copy, Debug)]
enum Statement {
    SendDeadLetter(usize),
    Reroute(usize),
    InsertCalls(Half),
    InsertTouches(Half),
    InsertBatchRows(Half),
    Commit,
}

/// An insert of several blocks is seen block by block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Half {
    First,
    Second,
}

const WHOLE: [Half; 2] = [Half::First, Half::Second];

impl Worker {
    /// The next statement.
    pub fn turn(&mut self, world: &mut World, dice: &mut Dice) -> Turn {
        if world.bars_ingest() {
            return Turn::Ends;
        }
        if self.partitions.is_empty() {
            self.start(world, dice);
        } else if self.batches.is_empty() || self.batches.len() < BATCHES_AT_ONCE && dice.percent(15) {
            match self.read(world, dice) {
                Some(batch) => self.batches.push(batch),
                None if self.batches.is_empty() => return self.idle(world, dice),
                None => {}
            }
        } else {
            let chosen = dice.below(self.batches.len());
            if let Some(statement) = self.batches[chosen].statements.pop_front() {
                self.execute(world, chosen, statement);
            }
            self.batches.retain(|batch| !batch.statements.is_empty());
        }
        Turn::GoesOn
    }

    /// Takes partitions of the newest source, each from its frontier on.
    fn start(&mut self, world: &mut World, dice: &mut Dice) {
        self.source = world.engine.sources.newest;
        self.is_newer = dice.percent(50);
        let count = world.kafka.logs[self.source].len();
        let only = dice.percent(50).then(|| dice.below(count));
        for partition in (0..count).filter(|partition| only.is_none_or(|only| only == *partition)) {
            let next = self.start_of(world, partition).next_offset() as usize;
            self.partitions.push(Reading { partition, next });
            world.tell(|| format!("starts at {next} of partition {partition}"));
        }
    }

    fn start_of(&self, world: &World, partition: usize) -> Position {
        let log = &world.kafka.logs[self.source][partition];
        if !world.protocol.rules.workers_start_at_the_frontier {
            return position(self.source, log.committed);
        }
        let frontier = world.engine.frontier(self.source, partition, None, &world.protocol);
        let beginning = position(self.source, 0);
        let rows: Vec<BatchRow> = world.engine.batches_of(self.source, partition).copied().collect();
        let chain_end = chain_end(beginning, &chain(beginning, &rows));
        let is_taken = world.protocol.freedoms.workers_start_at_the_chain_end;
        if is_taken && chain_end.next_offset() as usize >= log.starts_at { chain_end } else { frontier }
    }

    /// Reads messages into a batch.
    fn read(&mut self, world: &mut World, dice: &mut Dice) -> Option<Batch> {
        let mut batch = Batch { torn: dice.throw(), ..Batch::default() };
        for reading in &mut self.partitions {
            let log = &world.kafka.logs[self.source][reading.partition];
            let end = log.messages.len().min(reading.next + 1 + dice.below(15));
            // Where the log starts late, messages are missing: the worker stops until a person has decided.
            if reading.next >= end || reading.next < log.starts_at {
                continue;
            }
            let messages = &log.messages[reading.next..end];
            batch.take(messages, self.source, *reading, self.is_newer, world);
            reading.next = end;
        }
        if batch.runs.is_empty() {
            return None;
        }
        batch.plan(world, dice);
        world.tell(|| {
            let intervals: Vec<String> = batch.runs.iter().map(show).collect();
            format!("reads a batch of {}", intervals.join(" and "))
        });
        Some(batch)
    }

    /// Nothing to read: a sign of life, or the end where the source is closed.
    fn idle(&mut self, world: &mut World, dice: &mut Dice) -> Turn {
        if world.engine.sources.newest != self.source {
            return Turn::Ends;
        }
        let Reading { partition, next } = dice.one_of(&self.partitions);
        if dice.percent(25) && next >= world.kafka.logs[self.source][partition].starts_at {
            let appended_at = world.broker_ms();
            world.engine.batches.push(BatchRow { appended_at, ..empty_run(self.source, partition, next) });
            world.tell(|| format!("writes a sign of life at {next} of partition {partition}"));
        }
        Turn::GoesOn
    }

    fn execute(&mut self, world: &mut World, chosen: usize, statement: Statement) {
        let batch = &self.batches[chosen];
        world.tell(|| format!("{} of {}", batch.show(statement), show(&batch.runs[0])));
        let protocol = world.protocol;
        match statement {
            Statement::SendDeadLetter(index) => {
                let (partition, position) = batch.dead_letters[index];
                world.kafka.dead_letters.push((self.source, partition, position));
            }
            Statement::Reroute(index) => {
                let (home, message) = batch.reroutes[index];
                world.append(self.source, home, message);
                world.figures.rerouted += 1;
            }
            Statement::InsertCalls(half) => {
                for (org, row) in batch.half(&batch.calls, 0, half) {
                    world.engine.insert_call(*org, *row);
                }
            }
            Statement::InsertTouches(half) => {
                for (org, slot, touch) in batch.half(&batch.touches, 20, half) {
                    world.engine.insert_touch(*org, *slot, *touch, &protocol);
                }
            }
            Statement::InsertBatchRows(half) => {
                world.engine.batches.extend(batch.half(&batch.runs, 40, half))
            }
            Statement::Commit => {
                for run in &batch.runs {
                    let log = &mut world.kafka.logs[self.source][usize::from(run.partition)];
                    log.committed = run.interval().1.next_offset() as usize;
                }
            }
        }
    }
}

impl Batch {
    /// Gives every message of an interval its end.
    fn take(&mut self, messages: &[Message], source: usize, reading: Reading, is_newer: bool, world: &World) {
        let Reading { partition, next } = reading;
        let mut run = empty_run(source, partition, next);
        for (offset, message) in messages.iter().enumerate() {
            let position = position(source, next + offset + 1);
            run.to_position = position.as_u64();
            run.appended_at = run.appended_at.max(message.appended_at_ms);
            match fate_of(message, partition, position, is_newer, &world.protocol.rules) {
                Fate::Row => {
                    run.ledger_rows += 1;
                    self.add_call(message, position);
                }
                Fate::DeadLetter => {
                    run.dead_letters += 1;
                    self.dead_letters.push((partition, position));
                }
                Fate::Reroute(home) => {
                    run.rerouted += 1;
                    self.reroutes.push((home, Message { origin: Some((partition, position)), ..*message }));
                }
            }
        }
        assert!(run.adds_up(), "every message has one end");
        self.runs.push(run);
    }

    fn add_call(&mut self, message: &Message, position: Position) {
        let Message { org, event, slot, member, credits, .. } = *message;
        self.calls.push((org, LedgerRow { slot, event, position, member, credits, written: 0 }));
        let slot = usize::from(slot);
        match self.touches.iter_mut().find(|touch| (touch.0, touch.1) == (org, slot)) {
            Some((_, _, touch)) => {
                *touch = Touch { first: touch.first.min(position), last: touch.last.max(position) };
            }
            None => self.touches.push((org, slot, Touch { first: position, last: position })),
        }
    }

    /// The order of durability. What a rule forbids to be late is before the batch rows.
    fn plan(&mut self, world: &World, dice: &mut Dice) {
        let (rules, freedoms) = (&world.protocol.rules, &world.protocol.freedoms);
        let is_there = |half: &Half, shift: u32, length: usize| {
            (0..length).any(|index| (self.torn >> shift >> index & 1 == 0) == (*half == Half::First))
        };
        let halves = |shift, length| WHOLE.into_iter().filter(move |half| is_there(half, shift, length));
        let calls: Vec<Statement> = halves(0, self.calls.len()).map(Statement::InsertCalls).collect();
        let touches: Vec<Statement> = halves(20, self.touches.len()).map(Statement::InsertTouches).collect();
        let batch_rows: Vec<Statement> =
            halves(40, self.runs.len()).map(Statement::InsertBatchRows).collect();
        let mut in_time = Vec::new();
        let mut late = Vec::new();
        let dead_letters = (0..self.dead_letters.len()).map(Statement::SendDeadLetter);
        if rules.dead_letters_before_batch_row { &mut in_time } else { &mut late }.extend(dead_letters);
        let reroutes = (0..self.reroutes.len()).map(Statement::Reroute);
        if rules.reroutes_before_batch_row { &mut in_time } else { &mut late }.extend(reroutes);
        if rules.ledger_rows_before_batch_row {
            // Messages and rows in any order.
            let place = if dice.percent(50) { 0 } else { in_time.len() };
            in_time.splice(place..place, calls);
        } else {
            late.extend(calls);
        }
        match (rules.touches_before_batch_row, freedoms.touches_before_ledger_rows) {
            (true, false) => in_time.extend(touches),
            (true, true) => in_time.splice(0..0, touches).for_each(drop),
            (false, _) => late.extend(touches),
        }
        let commits_early = freedoms.commit_before_batch_row || !rules.workers_start_at_the_frontier;
        if commits_early {
            in_time.push(Statement::Commit);
        } else {
            late.push(Statement::Commit);
        }
        in_time.extend(batch_rows);
        self.statements = in_time.into_iter().chain(late).collect();
    }

    fn half<'a, T>(&self, rows: &'a [T], shift: u32, half: Half) -> impl Iterator<Item = &'a T> {
        let torn = self.torn >> shift;
        rows.iter()
            .enumerate()
            .filter(move |(index, _)| (torn >> index & 1 == 0) == (half == Half::First))
            .map(|(_, row)| row)
    }

    fn show(&self, statement: Statement) -> String {
        match statement {
            Statement::InsertCalls(half) => {
                let rows = self.half(&self.calls, 0, half);
                let rows: Vec<String> = rows.map(|(org, row)| show_call(*org, row)).collect();
                format!("inserts calls {{{}}}, {half:?} half,", rows.join("; "))
            }
            Statement::InsertTouches(half) => {
                let touches = self.half(&self.touches, 20, half);
                let touches: Vec<String> = touches
                    .map(|(org, slot, touch)| {
                        format!("{} slot {slot}: {} to {}", ORGS[*org], touch.first, touch.last)
                    })
                    .collect();
                format!("inserts touches {{{}}}, {half:?} half,", touches.join("; "))
            }
            Statement::InsertBatchRows(half) => {
                let runs: Vec<String> = self.half(&self.runs, 40, half).map(show).collect();
                format!("inserts batch rows {{{}}}, {half:?} half,", runs.join("; "))
            }
            Statement::Reroute(index) => {
                let (home, message) = self.reroutes[index];
                format!("reroutes call {} to partition {home}", message.event)
            }
            Statement::SendDeadLetter(index) => {
                format!("sends {} to the dead letters", self.dead_letters[index].1)
            }
            Statement::Commit => "commits the end".to_owned(),
        }
    }
}

fn empty_run(source: usize, partition: usize, next: usize) -> BatchRow {
    let from = position(source, next).as_u64();
    BatchRow {
        partition: partition as u16,
        from_position: from,
        to_position: from,
        ledger_rows: 0,
        dead_letters: 0,
        rerouted: 0,
        empty_offsets: 0,
        lost: 0,
        appended_at: 0,
    }
}

/// A batch row for people.
pub fn show(run: &BatchRow) -> String {
    let (from, to) = run.interval();
    format!("partition {} ({from}, {to}]", run.partition)
}

fn show_call(org: usize, row: &LedgerRow) -> String {
    format!("call {} of {} at {} in slot {}", row.event, ORGS[org], row.position, row.slot)
}
