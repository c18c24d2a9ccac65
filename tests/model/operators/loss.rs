//! Losses: messages that will never be read. What of them had reached the ledger stays and counts, so it must be
//! touched before a batch row, or the next source, makes it visible.

use crate::engine::Touch;
use crate::ingest::show;
use crate::kafka::{ORGS, PARTITIONS, home_of, position};
use crate::world::{Bar, Turn, World};
use proto::Position;
use warehouse::BatchRow;

/// Records as lost what Kafka deleted before it was read. The interval is chosen once: what is recorded is what was
/// touched.
#[derive(Clone)]
pub enum LossRecord {
    /// Looks whether there is a loss, and stops ingest.
    Stop,
    /// Writes touches for those messages that had reached the ledger.
    Touch(Gap),
    /// Writes the batch row.
    Record(Gap),
}

/// An interval of a partition that is not known to be in the ledger, and whose messages will not be read any more.
#[derive(Clone, Copy)]
pub struct Gap {
    source: usize,
    partition: usize,
    /// Consumer position before it.
    pub from: Position,
    to: Position,
}

impl LossRecord {
    /// The next statement.
    pub fn turn(&mut self, world: &mut World) -> Turn {
        match *self {
            Self::Stop => {
                world.admit_ingest(Bar::LossRecord);
                let Some(gap) = Gap::before_logs(world).into_iter().find(|gap| gap.from < gap.to) else {
                    return Turn::Ends;
                };
                world.bar_ingest(Bar::LossRecord);
                world.tell(|| format!("prepares to record {} as lost", show(&gap.row())));
                *self = Self::Touch(gap);
                Turn::GoesOn
            }
            Self::Touch(gap) => {
                gap.touch_survivors(world);
                *self = Self::Record(gap);
                Turn::GoesOn
            }
            Self::Record(gap) => {
                gap.mark_lost(world);
                world.engine.batches.push(gap.row());
                world.figures.losses += 1;
                world.tell(|| format!("records {} as lost", show(&gap.row())));
                world.admit_ingest(Bar::LossRecord);
                Turn::Ends
            }
        }
    }
}

impl Gap {
    /// From each frontier of the newest source to where its log begins.
    fn before_logs(world: &World) -> Vec<Self> {
        Self::up_to(world, |log| log.starts_at)
    }

    /// From each frontier of the newest source to where its log ends.
    pub fn to_logs_ends(world: &World) -> Vec<Self> {
        Self::up_to(world, |log| log.messages.len())
    }

    fn up_to(world: &World, offset: impl Fn(&crate::kafka::Log) -> usize) -> Vec<Self> {
        let source = world.engine.sources.newest;
        let gap = |partition: usize| {
            let from = world.engine.frontier(source, partition, None, &world.protocol);
            let to = position(source, offset(&world.kafka.logs[source][partition]));
            Self { source, partition, from, to }
        };
        (0..PARTITIONS[source] as usize).map(gap).collect()
    }

    /// Touches what of it is in the ledger.
    pub fn touch_survivors(&self, world: &mut World) {
        let protocol = world.protocol;
        if !protocol.rules.loss_touches_what_survived {
            return;
        }
        for org in (0..ORGS.len()).filter(|org| self.is_home_of(*org)) {
            let survivors = world.engine.ledger[org].clone();
            for row in survivors.iter().filter(|row| self.from < row.position && row.position <= self.to) {
                let touch = Touch { first: row.position, last: row.position };
                world.engine.insert_touch(org, usize::from(row.slot), touch, &protocol);
                world.tell(|| format!("touches slot {} of {} for {}", row.slot, ORGS[org], row.position));
            }
        }
    }

    /// Tells the judge what is gone: everything that is not in the ledger.
    pub fn mark_lost(&self, world: &mut World) {
        for offset in self.from.next_offset() as usize..self.to.next_offset() as usize {
            let org = world.kafka.logs[self.source][self.partition].messages[offset].org;
            let survived = self.is_home_of(org) && world.has_row(org, position(self.source, offset + 1));
            world.kafka.logs[self.source][self.partition].messages[offset].lost = !survived;
        }
    }

    fn is_home_of(&self, org: usize) -> bool {
        home_of(self.source, org) == self.partition
    }

    fn row(&self) -> BatchRow {
        let (from, to) = (self.from.as_u64(), self.to.as_u64());
        BatchRow {
            partition: self.partition as u16,
            from_position: from,
            to_position: to,
            ledger_rows: 0,
            dead_letters: 0,
            rerouted: 0,
            empty_offsets: 0,
            lost: to - from,
            appended_at: 0,
        }
    }
}
