//! Ingest: messages become ledger rows, dead letters or messages of another partition; then touches; then batch rows.
//!
//! A worker reads one or all partitions, has up to two batches in flight, whose statements mix, and sends again what
//! was not answered. Every insert may be seen half done, and any number of workers may do the same work.

mod batch;

use crate::dice::Dice;
use crate::kafka::position;
use crate::world::{Turn, World};
use batch::{Batch, Statement, empty_run};
use proto::Position;
use warehouse::{BatchRow, chain, chain_end};

pub use batch::show;

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
            batch.take(messages, self.source, (reading.partition, reading.next), self.is_newer, world);
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
