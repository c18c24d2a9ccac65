//! Organisations whose zone changed: all their days and months are other intervals then, and are computed anew. Which
//! zone they were computed in last is remembered in `rollup_zones`, so that a change while no worker ran is seen too.

use crate::frontier::Frontiers;
use crate::level::Level;
use crate::organisations::{OrgNumber, Organisations};
use crate::queries::{self, Rezoned};
use crate::worklist::{Bucket, Worklist};
use hashbrown::HashMap;
use proto::Position;
use std::time::{Duration, Instant};
use warehouse::{Warehouse, WarehouseError};

/// How often the directory is asked.
const INTERVAL: Duration = Duration::from_secs(5);
/// Organisations whose touches are read at once.
const ORGS_AT_ONCE: usize = 200;

/// Follows the directory's zones.
#[derive(Debug, Default)]
pub struct Zones {
    asked: Option<Instant>,
    /// Those whose days and months are on the worklist.
    pending: HashMap<OrgNumber, Rezoned>,
}

impl Zones {
    /// Asks the directory now and then. Where a zone changed, everything the organisation ever touched goes on the list
    /// of days and months. `is_ours` tells the partitions of this worker.
    ///
    /// # Errors
    /// ClickHouse's.
    pub async fn follow(
        &mut self,
        warehouse: &Warehouse,
        organisations: &mut Organisations,
        worklist: &mut Worklist,
        frontiers: &Frontiers,
        is_ours: impl Fn(usize) -> bool,
    ) -> Result<(), WarehouseError> {
        if self.asked.is_some_and(|asked| asked.elapsed() < INTERVAL) {
            return Ok(());
        }
        let is_first = self.asked.is_none();
        let mut changed = queries::changed_zones(warehouse).await?;
        changed.retain(|rezoned| {
            let org = organisations.number(&rezoned.org_id);
            is_ours(organisations.partition(org, frontiers.count()))
                && self.pending.get(&org) != Some(rezoned)
        });
        if is_first || !changed.is_empty() {
            organisations.set_zones(queries::zones(warehouse).await?);
        }
        for rezoned in changed.chunks(ORGS_AT_ONCE) {
            let ids: Vec<&str> = rezoned.iter().map(|rezoned| rezoned.org_id.as_str()).collect();
            let touched = queries::touched_of(warehouse, &ids).await?;
            for rezoned in rezoned {
                let org = organisations.number(&rezoned.org_id);
                worklist.forget_days_and_months(org);
                self.pending.insert(org, rezoned.clone());
            }
            for touch in touched {
                let org = organisations.number(&touch.org_id);
                for level in [Level::Day, Level::Month] {
                    let interval = level.interval(organisations.zone(org), touch.quarter);
                    worklist.touch(level, Bucket { org, interval }, Position::from_u64(touch.last_position));
                }
            }
        }
        self.asked = Some(Instant::now());
        Ok(())
    }

    /// Remembers the zones of organisations of which nothing is left to compute.
    ///
    /// # Errors
    /// ClickHouse's.
    pub async fn settle(
        &mut self,
        warehouse: &Warehouse,
        organisations: &Organisations,
        worklist: &Worklist,
        frontiers: &Frontiers,
        grace_ms: i64,
    ) -> Result<(), WarehouseError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let mut settled = self.pending.clone();
        for level in [Level::Day, Level::Month] {
            for bucket in worklist.passed(level, organisations, frontiers, grace_ms) {
                settled.remove(&bucket.org);
            }
        }
        let rows: Vec<Rezoned> = settled.values().cloned().collect();
        queries::write_zones(warehouse, &rows).await?;
        self.pending.retain(|org, _| !settled.contains_key(org));
        Ok(())
    }
}
