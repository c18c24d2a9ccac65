//! Where each part of a bucket is taken from: by the rule, from the highest level below that may stand for it.
//!
//! A plan is made with a few narrow reads and carried out by one statement later. In between rows may be replaced, and
//! a row that is too new would be counted where the plan meant an older one. So a plan names versions, not rows: what a
//! version holds is a function of its interval and position and never changes, and the rule, once it held for a version
//! and a position, holds for ever. A statement that finds a version gone fails, and is planned again.

use crate::level::days_of;
use crate::queries::{Stored, Touched};
use crate::request::{Request, containing};
use hashbrown::HashMap;
use proto::Position;
use std::collections::BTreeMap;
use warehouse::calendar::{Interval, QUARTER_SECONDS, Tz};
use warehouse::row_is_usable;

/// Most slots of one plan: their lists are parameters of up to 21 bytes a slot, and ClickHouse limits a parameter to
/// 131,072 bytes.
pub const SLOTS_MAX: usize = 5000;

/// A part of a bucket that holds something: a touched quarter hour, or a day with touched quarter hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The number of its bucket in the request, from 1.
    pub bucket: u64,
    /// Its organisation's place in the request, from 1.
    pub org: u64,
    /// When.
    pub interval: Interval,
    /// Its last touch.
    pub last_touch: Position,
}

/// A version of a row that may stand for a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pinned {
    /// What it stands for.
    pub slot: Slot,
    /// Its generation.
    pub generation: u32,
    /// The position it was cut at.
    pub through: Position,
}

/// What the buckets of a request are made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Rows of days; for months only.
    pub days: Vec<Pinned>,
    /// Rows of quarter hours; for days and months.
    pub quarters: Vec<Pinned>,
    /// Quarter hours of the ledger.
    pub ledger: Vec<Slot>,
}

impl Plan {
    /// Number of slots.
    pub fn len(&self) -> usize {
        self.days.len() + self.quarters.len() + self.ledger.len()
    }

    /// How many rows each of so many buckets is made of.
    pub fn rows_of_buckets(&self, buckets: usize) -> Vec<u64> {
        let mut rows = vec![0; buckets];
        for pinned in self.days.iter().chain(&self.quarters) {
            rows[pinned.slot.bucket as usize - 1] += 1;
        }
        rows
    }
}

/// The touched quarter hours of the buckets of a request.
pub fn quarter_slots(request: &Request, touched: &[Touched]) -> Vec<Slot> {
    let slot = |touched: &Touched| {
        let org = request.place(&touched.org_id)?;
        let starts_at = i64::from(touched.quarter);
        Some(Slot {
            bucket: containing(&request.buckets, org, starts_at)? as u64 + 1,
            org,
            interval: Interval { starts_at, ends_at: starts_at + QUARTER_SECONDS },
            last_touch: Position::from_u64(touched.last_position),
        })
    };
    let mut slots: Vec<Slot> = touched.iter().filter_map(slot).collect();
    slots.sort_unstable_by_key(|slot| (slot.org, slot.interval));
    slots
}

/// The days of months that hold touched quarter hours, each touched when the last of these was. `zone_of` tells the
/// zone in which the months of the organisation at a place were asked for.
pub fn day_slots(request: &Request, quarters: &[Slot], zone_of: impl Fn(u64) -> Tz) -> Vec<Slot> {
    let days: Vec<(u64, Interval)> = request
        .buckets
        .iter()
        .flat_map(|(org, month)| days_of(zone_of(*org), *month).into_iter().map(|day| (*org, day)))
        .collect();
    let mut slots: BTreeMap<usize, Slot> = BTreeMap::new();
    for quarter in quarters {
        if let Some(index) = containing(&days, quarter.org, quarter.interval.starts_at) {
            let day = slots.entry(index).or_insert(Slot { interval: days[index].1, ..*quarter });
            day.last_touch = day.last_touch.max(quarter.last_touch);
        }
    }
    slots.into_values().collect()
}

/// Which of the slots a stored row may stand for, and which are left open.
pub fn choose(request: &Request, slots: Vec<Slot>, stored: &[Stored]) -> (Vec<Pinned>, Vec<Slot>) {
    let key = |row: &Stored| Some((request.place(&row.org_id)?, row.interval()));
    let stored: HashMap<(u64, Interval), &Stored> =
        stored.iter().filter_map(|row| Some((key(row)?, row))).collect();
    let (mut pinned, mut open) = (Vec::new(), Vec::new());
    for slot in slots {
        match stored.get(&(slot.org, slot.interval)) {
            Some(row) if row_is_usable(row.through(), Some(slot.last_touch), request.at(slot.org)) => {
                pinned.push(Pinned { slot, generation: row.generation, through: row.through() });
            }
            _ => open.push(slot),
        }
    }
    (pinned, open)
}

/// Those of the quarter hours that lie in the days left open.
pub fn inside(quarters: Vec<Slot>, open_days: &[Slot]) -> Vec<Slot> {
    let days: Vec<(u64, Interval)> = open_days.iter().map(|day| (day.org, day.interval)).collect();
    let is_open = |quarter: &Slot| containing(&days, quarter.org, quarter.interval.starts_at).is_some();
    quarters.into_iter().filter(is_open).collect()
}

/// The buckets of a request themselves, as slots of the ledger: quarter hours have no level below.
pub fn ledger_slots(request: &Request) -> Vec<Slot> {
    let slot = |(index, (org, interval)): (usize, &(u64, Interval))| Slot {
        bucket: index as u64 + 1,
        org: *org,
        interval: *interval,
        last_touch: Position::ZERO,
    };
    request.buckets.iter().enumerate().map(slot).collect()
}
