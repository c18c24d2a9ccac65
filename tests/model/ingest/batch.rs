//! A batch: what every message becomes, and the order in which it is made durable.

use crate::dice::Dice;
use crate::engine::{LedgerRow, Touch};
use crate::kafka::{Fate, Message, ORGS, fate_of, position};
use crate::world::World;
use proto::Position;
use std::collections::VecDeque;
use warehouse::BatchRow;

/// A batch, from the messages to the offset commit.
#[derive(Clone, Default)]
pub struct Batch {
    /// What it covers, one row a partition.
    pub runs: Vec<BatchRow>,
    /// Rows for the ledger, each with its organisation.
    pub calls: Vec<(usize, LedgerRow)>,
    /// Organisation, slot and touch.
    pub touches: Vec<(usize, usize, Touch)>,
    /// Partition and position of each.
    pub dead_letters: Vec<(usize, Position)>,
    /// Messages, each with its home.
    pub reroutes: Vec<(usize, Message)>,
    /// What is still to be done, in this order.
    pub statements: VecDeque<Statement>,
    /// Which rows are in the first half of each insert, a bit each.
    pub torn: u64,
}

/// A statement of a batch; those that take one message name it by its index.
#[derive(Clone, Copy, Debug)]
pub enum Statement {
    /// To the dead-letter topic.
    SendDeadLetter(usize),
    /// To its home partition.
    Reroute(usize),
    /// Into the ledger.
    InsertCalls(Half),
    /// Into the touches.
    InsertTouches(Half),
    /// Into the batch rows.
    InsertBatchRows(Half),
    /// To Kafka, for people's eyes.
    Commit,
}

/// An insert of several blocks is seen block by block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// Seen first.
    First,
    /// Seen later, or never.
    Second,
}

const WHOLE: [Half; 2] = [Half::First, Half::Second];

impl Batch {
    /// Gives every message of an interval its end.
    pub fn take(
        &mut self,
        messages: &[Message],
        source: usize,
        (partition, next): (usize, usize),
        is_newer: bool,
        world: &World,
    ) {
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
    pub fn plan(&mut self, world: &World, dice: &mut Dice) {
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

    /// The rows of one half of an insert; `shift` chooses the bits that decide.
    pub fn half<'a, T>(&self, rows: &'a [T], shift: u32, half: Half) -> impl Iterator<Item = &'a T> {
        let torn = self.torn >> shift;
        rows.iter()
            .enumerate()
            .filter(move |(index, _)| (torn >> index & 1 == 0) == (half == Half::First))
            .map(|(_, row)| row)
    }

    /// A statement for people.
    pub fn show(&self, statement: Statement) -> String {
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

/// A batch row that covers nothing yet.
pub fn empty_run(source: usize, partition: usize, next: usize) -> BatchRow {
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
