//! Which older snapshot is cheap to read while the rollup worker is far behind.

use crate::period::Span;
use crate::queries;
use clickhouse::Row;
use proto::Position;
use serde::Deserialize;
use warehouse::{Warehouse, WarehouseError, row_is_usable};

/// A touched quarter hour as the rollup worker left it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Row, Deserialize)]
struct Quarter {
    start: u32,
    first_touch: u64,
    last_touch: u64,
    /// 0 where there is no row.
    through: u64,
}

/// The quarter hours looked at: more than four weeks, newest first. What lies before was computed long ago.
const QUARTERS_MAX: u32 = 3_000;
/// Positions tried: each costs a look at every quarter hour.
const POSITIONS_MAX: usize = 200;
/// Quarter hours that a cheap snapshot may take from the ledger: the running one of that time, and a few late ones.
const UNUSABLE_MAX: usize = 8;

/// The newest position before `at` at which nearly all quarter hours of a period have a usable row.
///
/// # Errors
/// ClickHouse's.
pub async fn cheap_position(
    warehouse: &Warehouse,
    org_id: &str,
    span: Span,
    at: Position,
) -> Result<Option<Position>, WarehouseError> {
    let seconds = |unix_ms: i64| unix_ms.div_euclid(1000).clamp(0, i64::from(u32::MAX));
    let query = warehouse
        .read(queries::WORKED)
        .param("org_id", org_id)
        .param("from", seconds(span.from_ms))
        .param("to", seconds(span.to_ms))
        .param("limit", QUARTERS_MAX);
    Ok(cheapest(&warehouse.fetch_all("looking for a cheaper snapshot", query).await?, at))
}

/// Only a position at which the worker computed something can be cheap: anywhere between two of them, what it computed
/// at the later one is unusable, and no less was touched than at the earlier one.
fn cheapest(quarters: &[Quarter], at: Position) -> Option<Position> {
    let mut positions: Vec<u64> = quarters.iter().map(|quarter| quarter.through).collect();
    positions.retain(|through| (1..at.as_u64()).contains(through));
    positions.sort_unstable_by_key(|through| std::cmp::Reverse(*through));
    positions.dedup();
    let is_cheap = |at: &Position| {
        let unusable = quarters.iter().filter(|quarter| quarter.must_come_from_the_ledger(*at));
        unusable.count() <= UNUSABLE_MAX
    };
    positions.into_iter().take(POSITIONS_MAX).map(Position::from_u64).find(is_cheap)
}

impl Quarter {
    fn must_come_from_the_ledger(&self, at: Position) -> bool {
        let position = Position::from_u64;
        position(self.first_touch) <= at
            && (self.through == 0
                || !row_is_usable(position(self.through), Some(position(self.last_touch)), at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 100 quarter hours, each touched by ten positions and computed at `through`.
    fn quarters(through: impl Fn(u64) -> u64) -> Vec<Quarter> {
        let quarter = |index: u64| Quarter {
            start: index as u32 * 900,
            first_touch: index * 10 + 1,
            last_touch: index * 10 + 10,
            through: through(index),
        };
        (0..100).map(quarter).collect()
    }

    fn cheap(quarters: &[Quarter]) -> Option<u64> {
        cheapest(quarters, Position::from_u64(1000)).map(Position::as_u64)
    }

    #[test]
    fn a_worker_that_stopped_left_a_cheap_position_where_it_stopped() {
        assert_eq!(cheap(&quarters(|index| if index < 60 { index * 10 + 12 } else { 0 })), Some(602));
    }

    #[test]
    fn a_worker_that_catches_up_makes_its_newest_position_cheap_only_when_it_is_nearly_done() {
        let catching_up = |done: u64| {
            quarters(move |index| match index {
                _ if index < 60 => index * 10 + 12,
                _ if index < done => 999,
                _ => 0,
            })
        };
        assert_eq!(cheap(&catching_up(70)), Some(602));
        assert_eq!(cheap(&catching_up(92)), Some(999));
    }

    #[test]
    fn without_rows_no_position_is_cheap() {
        assert_eq!(cheap(&quarters(|_| 0)), None);
        assert_eq!(cheap(&[]), None);
    }

    #[test]
    fn what_was_touched_later_does_not_make_a_position_dear() {
        // Everything was computed at 1200, beyond the reader's position, but for one hour.
        assert_eq!(cheap(&quarters(|index| if index < 4 { 50 } else { 1200 })), Some(50));
    }
}
