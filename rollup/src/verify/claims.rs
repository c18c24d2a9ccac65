//! Rows that must be there: what the worker's bookmarks claim, and nothing more.
//!
//! A reader never needs a row, so one that is gone makes no number wrong, only slow; and a worker that is behind has not
//! written it yet. But the bookmark of a partition says that no bucket touched up to there waits any more. Then each of
//! them has a row that goes at least through its last touch, or the row was deleted.

use super::report::Difference;
use crate::frontier::Frontiers;
use crate::level::Level;
use crate::queries;
use hashbrown::{HashMap, HashSet};
use proto::Position;
use warehouse::calendar::{Interval, Tz};
use warehouse::{Warehouse, WarehouseError};

/// What the bookmarks of the generation that holds claim.
#[derive(Debug, Default)]
pub struct Claims {
    /// By partition.
    bookmarks: Vec<Position>,
    zones: HashMap<String, Tz>,
    /// Organisations whose days and months are about to be computed in another zone.
    unsettled: HashSet<String>,
}

impl Claims {
    /// Reads the bookmarks, and after them the zones that days and months are computed in.
    ///
    /// # Errors
    /// ClickHouse's.
    pub async fn read(warehouse: &Warehouse, frontiers: &Frontiers) -> Result<Self, WarehouseError> {
        let mut claims =
            Self { bookmarks: vec![Position::ZERO; frontiers.partitions.len()], ..Self::default() };
        for (partition, bookmark) in queries::bookmarks(warehouse, frontiers.generation).await? {
            let bookmark = Position::from_u64(bookmark);
            // As for the worker: one of another source does not count.
            if let Some(known) = claims.bookmarks.get_mut(usize::from(partition))
                && bookmark.source() == frontiers.source
            {
                *known = bookmark;
            }
        }
        let named = queries::zones(warehouse).await?;
        let changed = queries::changed_zones(warehouse).await?;
        claims.unsettled = changed.into_iter().map(|rezoned| rezoned.org_id).collect();
        // One that the directory changed between the two looks is not settled either.
        let again: HashSet<(String, String)> = queries::zones(warehouse).await?.into_iter().collect();
        let before: HashSet<(String, String)> = named.iter().cloned().collect();
        claims.unsettled.extend(again.symmetric_difference(&before).map(|(org_id, _)| org_id.clone()));
        claims.zones =
            named.into_iter().map(|(org_id, zone)| (org_id, zone.parse().unwrap_or_default())).collect();
        Ok(claims)
    }

    /// Up to where every touched bucket of a partition was computed.
    pub fn bookmark(&self, partition: usize) -> Position {
        self.bookmarks.get(partition).copied().unwrap_or(Position::ZERO)
    }

    /// The zone of an organisation's days and months; `None` while it changes, when they claim nothing.
    pub fn zone(&self, org_id: &str) -> Option<Tz> {
        (!self.unsettled.contains(org_id)).then(|| self.zones.get(org_id).copied().unwrap_or_default())
    }
}

/// A bucket that was touched, while its interval is gone through.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    /// Its level.
    pub level: Level,
    /// Its interval.
    pub interval: Interval,
    /// Its last touch, so far.
    pub last_touch: Position,
    /// How far the row goes that stands for it; `None` while none was met.
    pub through: Option<Position>,
}

impl Bucket {
    /// Whether the bookmark claims a row that is not there.
    pub fn is_missing(&self, bookmark: Position) -> bool {
        self.last_touch <= bookmark && self.through.is_none_or(|through| through < self.last_touch)
    }

    /// As it is reported.
    pub fn difference(&self, place: String, bookmark: Position) -> Difference {
        Difference {
            kind: "row_missing",
            place,
            expected: format!(
                "a row that goes through its last touch {}, as the worker's bookmark {bookmark} says",
                self.last_touch
            ),
            found: self.through.map_or_else(|| "no row".into(), |through| format!("a row through {through}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_bookmark_claims_is_missing() {
        let p = Position::from_u64;
        let bucket = |last_touch, through: Option<u64>| Bucket {
            level: Level::Day,
            interval: Interval { starts_at: 0, ends_at: 86_400 },
            last_touch: p(last_touch),
            through: through.map(p),
        };
        assert!(bucket(5, None).is_missing(p(5)));
        assert!(!bucket(5, None).is_missing(p(4)), "the worker has yet to come to it");
        assert!(bucket(5, Some(4)).is_missing(p(9)), "stale");
        assert!(!bucket(5, Some(5)).is_missing(p(9)));
        assert!(!bucket(5, Some(12)).is_missing(p(9)), "computed again since");
    }
}
