//! What a bucket holds: rows below that may be used, and the ledger for the rest, cut at one position.

use super::Worker;
use crate::cover::Cover;
use crate::engine::{Cells, Row, add};
use crate::ledger;
use crate::time::{BucketId, Level, Slots, bucket, each};
use crate::world::World;
use proto::Position;

impl Worker {
    /// What each open bucket is made of: rows below that may be used, and slots of the ledger.
    pub fn plan(&self, level: Level, world: &World) -> Vec<(BucketId, Cover)> {
        let sight = self.sight(world);
        let below = &Level::ALL[..level as usize];
        let cover = |id: &BucketId| {
            let bucket = bucket(*id);
            (*id, sight.cover(bucket.interval, bucket.slots, self.zone, below))
        };
        self.open[level as usize].iter().map(cover).collect()
    }

    /// The plan with the sums of exactly the versions it names; none if one of them was replaced.
    fn summed(&self, plan: &[(BucketId, Cover)]) -> Option<Vec<(BucketId, Cover)>> {
        let mut summed = plan.to_vec();
        for (_, cover) in &mut summed {
            cover.cells = Cells::default();
            for (level, planned) in &cover.used {
                let is_version = |row: &&Row| {
                    (row.bucket, row.generation, row.through)
                        == (planned.bucket, planned.generation, planned.through)
                };
                add(&mut cover.cells, &self.rows[*level as usize].iter().rfind(is_version)?.cells);
            }
        }
        Some(summed)
    }

    /// One statement: the rows below and the ledger, or where plans name versions, the versions planned.
    pub fn compute(&mut self, level: Level, world: &World) {
        let covers = match self.planned.take() {
            None => self.plan(level, world),
            Some(plan) => match self.summed(&plan) {
                Some(covers) => covers,
                None => {
                    let again = self.ways_to_compute(level, world);
                    again.into_iter().rev().for_each(|statement| self.statements.push_front(statement));
                    return;
                }
            },
        };
        let left: Slots = covers.iter().fold(0, |left, (_, cover)| left | cover.left);
        let rules = &world.protocol.rules;
        let cut = if rules.workers_cut_the_ledger { self.cut } else { Position::from_u64(u64::MAX) };
        let calls = ledger::calls(&world.engine.ledger[self.org], left, cut, None, rules);
        let by_slot = ledger::cells_by_slot(&calls);
        let computed = covers.into_iter().map(|(id, cover)| {
            let mut cells = cover.cells;
            each(cover.left).for_each(|slot| add(&mut cells, &by_slot[slot]));
            if level == Level::Quarter && !rules.buckets_are_recomputed_whole {
                cells = self.incremented(id, world).unwrap_or(cells);
            }
            (id, cells)
        });
        self.computed = computed.collect();
    }

    /// What a worker would write that only adds what came since its last row.
    fn incremented(&self, id: BucketId, world: &World) -> Option<Cells> {
        let row = self.rows[0]
            .iter()
            .filter(|row| row.bucket == id && row.through <= self.cut)
            .max_by_key(|row| row.through)?;
        let mut cells = row.cells;
        let ledger = world.engine.ledger[self.org].iter().copied();
        let since: Vec<_> = ledger.filter(|call| call.position > row.through).collect();
        let calls = ledger::calls(&since, bucket(id).slots, self.cut, None, &world.protocol.rules);
        ledger::cells_by_slot(&calls).iter().for_each(|slot| add(&mut cells, slot));
        Some(cells)
    }
}
