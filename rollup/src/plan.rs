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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const DAY: i64 = 86_400;

    /// One organisation whose months are asked for, cut at a position.
    fn request(months: &[Interval], at: u64) -> Request {
        Request {
            orgs: vec!["acme".into()],
            throughs: vec![Position::from_u64(at)],
            buckets: months.iter().map(|month| (1, *month)).collect(),
        }
    }

    fn stored(interval: Interval, through: u64) -> Stored {
        Stored {
            org_id: "acme".into(),
            starts_at: interval.starts_at as u32,
            ends_at: interval.ends_at as u32,
            generation: 0,
            through,
        }
    }

    fn touched(quarter: i64, last_position: u64) -> Touched {
        Touched { org_id: "acme".into(), quarter: quarter as u32, last_position }
    }

    #[test]
    fn a_row_of_another_zone_stands_for_no_day() {
        let month = Interval { starts_at: 0, ends_at: 31 * DAY };
        let request = request(&[month], 100);
        let quarters = quarter_slots(&request, &[touched(DAY + 900, 7)]);
        let days = day_slots(&request, &quarters, |_| Tz::UTC);
        let day = Interval { starts_at: DAY, ends_at: 2 * DAY };
        assert_eq!(days.iter().map(|slot| slot.interval).collect::<Vec<_>>(), [day]);
        let longer = Interval { ends_at: day.ends_at + 3600, ..day };
        let (pinned, open) = choose(&request, days, &[stored(longer, 50)]);
        assert!(pinned.is_empty());
        assert_eq!(inside(quarters, &open).len(), 1);
    }

    #[test]
    fn what_lies_outside_the_buckets_has_no_slot() {
        let months =
            [Interval { starts_at: 0, ends_at: DAY }, Interval { starts_at: 3 * DAY, ends_at: 4 * DAY }];
        let touches: Vec<Touched> =
            [-900, 0, DAY - 900, DAY, 3 * DAY, 4 * DAY].map(|at| touched(at.max(0), 1)).into();
        let slots = quarter_slots(&request(&months, 9), &touches[1..]);
        let found: Vec<(u64, i64)> =
            slots.iter().map(|slot| (slot.bucket, slot.interval.starts_at)).collect();
        assert_eq!(found, [(1, 0), (1, DAY - 900), (2, 3 * DAY)]);
        assert!(
            quarter_slots(&request(&months, 9), &[Touched { org_id: "globex".into(), ..touched(0, 1) }])
                .is_empty()
        );
    }

    proptest! {
        /// Against the definition: each touched quarter hour of the month is taken exactly once, from its day's row if
        /// that passes the rule, else from its own row if that does, else from the ledger.
        #[test]
        fn each_touched_quarter_hour_is_taken_once_and_by_the_rule(
            touches in proptest::collection::btree_map(0i64..31 * 96, 1u64..20, 0..60),
            day_rows in proptest::collection::btree_map(0i64..31, 1u64..20, 0..31),
            quarter_rows in proptest::collection::btree_map(0i64..31 * 96, 1u64..20, 0..60),
            at in 1u64..20,
        ) {
            let month = Interval { starts_at: 0, ends_at: 31 * DAY };
            let request = request(&[month], at);
            let touched: Vec<Touched> = touches.iter().map(|(quarter, last)| touched(quarter * 900, *last)).collect();
            let of_day = |day: i64| Interval { starts_at: day * DAY, ends_at: (day + 1) * DAY };
            let of_quarter = |quarter: i64| Interval { starts_at: quarter * 900, ends_at: (quarter + 1) * 900 };
            let stored_days: Vec<Stored> = day_rows.iter().map(|(day, through)| stored(of_day(*day), *through)).collect();
            let stored_quarters: Vec<Stored> =
                quarter_rows.iter().map(|(quarter, through)| stored(of_quarter(*quarter), *through)).collect();

            let quarters = quarter_slots(&request, &touched);
            let days = day_slots(&request, &quarters, |_| Tz::UTC);
            let (days, open) = choose(&request, days, &stored_days);
            let (quarters, ledger) = choose(&request, inside(quarters, &open), &stored_quarters);

            let usable = |through: Option<&u64>, last: u64| through.is_some_and(|through| *through <= at && *through >= last);
            let last_of_day = |day: i64| touches.range(day * 96..(day + 1) * 96).map(|(_, last)| *last).max();
            let expected_days: BTreeSet<i64> =
                (0..31).filter(|day| last_of_day(*day).is_some_and(|last| usable(day_rows.get(day), last))).collect();
            let (mut expected_quarters, mut expected_ledger) = (BTreeSet::new(), BTreeSet::new());
            for (quarter, last) in touches.iter().filter(|(quarter, _)| !expected_days.contains(&(*quarter / 96))) {
                let from_row = usable(quarter_rows.get(quarter), *last);
                if from_row { &mut expected_quarters } else { &mut expected_ledger }.insert(*quarter);
            }
            let starts = |slots: Vec<Slot>, length: i64| -> BTreeSet<i64> {
                slots.iter().map(|slot| slot.interval.starts_at / length).collect()
            };
            let pinned = |rows: Vec<Pinned>| rows.into_iter().map(|row| row.slot).collect::<Vec<_>>();
            prop_assert_eq!(starts(pinned(days), DAY), expected_days);
            prop_assert_eq!(starts(pinned(quarters), 900), expected_quarters);
            prop_assert_eq!(starts(ledger, 900), expected_ledger);
        }
    }
}
