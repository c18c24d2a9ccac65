//! What was ever touched of a cover, and by which position last.

use crate::cover::{Bucket, Cover, Level};
use crate::kept::{Asked, Kept};
use crate::period::Span;
use crate::queries;
use clickhouse::Row;
use proto::Position;
use serde::Deserialize;
use std::sync::Arc;
use warehouse::calendar::quarter_of;
use warehouse::{Warehouse, WarehouseError};

/// Stretches of time that were touched, in order. Read after the position was chosen: then nothing up to that position
/// is in the ledger without its touch.
#[derive(Debug, Clone, Default)]
pub struct Touches {
    at: Position,
    stretches: Arc<Vec<Stretch>>,
}

/// A bucket that holds something at the position, with what its row must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TouchedBucket {
    /// The bucket.
    pub bucket: Bucket,
    /// The highest position that ever wrote there, as far as the touches tell.
    pub last_touch: Position,
}

#[derive(Debug, Clone, Copy, Row, Deserialize)]
struct Stretch {
    start: u32,
    first_touch: u64,
    last_touch: u64,
}

/// Bounds in one statement: as a parameter they stay below the limit of a form field (128 KiB).
const BOUNDS_PER_STATEMENT: usize = 8_000;

impl Touches {
    /// Reads the touches of everything in a cover, unless they are kept.
    ///
    /// # Errors
    /// ClickHouse's.
    pub async fn read(
        warehouse: &Warehouse,
        kept: &Kept,
        org_id: &str,
        at: Position,
        cover: &Cover,
    ) -> Result<Self, WarehouseError> {
        let bounds = bounds_of(cover);
        let asked = Asked::touches(org_id, at, &bounds);
        if let Some(stretches) = kept.get(&asked, at, Position::ZERO) {
            return Ok(Self { at, stretches });
        }
        let mut stretches = Vec::new();
        for chunk in overlapping_chunks(&bounds) {
            let query = warehouse.read(queries::TOUCHES).param("org_id", org_id).param("bounds", chunk);
            stretches.extend(warehouse.fetch_all::<Stretch>("reading the touches", query).await?);
        }
        stretches.sort_unstable_by_key(|stretch| stretch.start);
        let (bytes, stretches) = (size_of_val(stretches.as_slice()), Arc::new(stretches));
        kept.put(asked, at, Arc::clone(&stretches), bytes);
        Ok(Self { at, stretches })
    }

    /// The bucket with its last touch, unless it holds nothing at the position.
    pub fn of(&self, bucket: Bucket) -> Option<TouchedBucket> {
        let inside = self.inside(bucket.interval.into());
        let holds_something = inside.iter().any(|stretch| self.holds_something(stretch));
        holds_something.then(|| TouchedBucket { bucket, last_touch: last_of(inside) })
    }

    /// Whether a span, which lies inside one quarter hour, may hold something at the position.
    pub fn reaches(&self, span: Span) -> bool {
        self.inside(quarter_of(span.from_ms).into()).iter().any(|stretch| self.holds_something(stretch))
    }

    /// The last touch of the quarter hour that a span lies inside, zero where there is none.
    pub fn last_of(&self, span: Span) -> Position {
        last_of(self.inside(quarter_of(span.from_ms).into()))
    }

    fn inside(&self, span: Span) -> &[Stretch] {
        let index = |unix_ms: i64| {
            self.stretches.partition_point(|stretch| i64::from(stretch.start) * 1000 < unix_ms)
        };
        self.stretches.get(index(span.from_ms)..index(span.to_ms)).unwrap_or_default()
    }

    fn holds_something(&self, stretch: &Stretch) -> bool {
        Position::from_u64(stretch.first_touch) <= self.at
    }
}

fn last_of(stretches: &[Stretch]) -> Position {
    Position::from_u64(stretches.iter().map(|stretch| stretch.last_touch).max().unwrap_or(0))
}

/// Every start and end in a cover, ascending. Between two of them lies nothing but whole quarter hours that belong to
/// the same buckets.
fn bounds_of(cover: &Cover) -> Vec<i64> {
    let buckets = Level::ALL.into_iter().flat_map(|level| cover.buckets(level));
    let intervals = buckets.map(|bucket| bucket.interval);
    let quarters = cover.pieces.iter().map(|piece| quarter_of(piece.span.from_ms));
    let mut bounds: Vec<i64> =
        intervals.chain(quarters).flat_map(|interval| [interval.starts_at, interval.ends_at]).collect();
    bounds.sort_unstable();
    bounds.dedup();
    bounds
}

/// Chunks of which each begins with the last bound of the one before.
fn overlapping_chunks(bounds: &[i64]) -> impl Iterator<Item = &[i64]> {
    let starts = (0..bounds.len().saturating_sub(1)).step_by(BOUNDS_PER_STATEMENT - 1);
    starts.map(|start| &bounds[start..bounds.len().min(start + BOUNDS_PER_STATEMENT)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cover::Piece;
    use warehouse::calendar::Interval;

    fn bucket(starts_at: i64, ends_at: i64) -> Bucket {
        Bucket { interval: Interval { starts_at, ends_at }, slot: 0 }
    }

    fn touches(at: u64, stretches: &[(u32, u64, u64)]) -> Touches {
        let stretch = |(start, first_touch, last_touch): &(u32, u64, u64)| Stretch {
            start: *start,
            first_touch: *first_touch,
            last_touch: *last_touch,
        };
        Touches { at: Position::from_u64(at), stretches: Arc::new(stretches.iter().map(stretch).collect()) }
    }

    #[test]
    fn a_bucket_is_judged_by_the_last_touch_of_its_whole_interval() {
        let touches = touches(10, &[(0, 3, 5), (900, 11, 12), (1800, 10, 10), (2700, 11, 11)]);
        let last = |starts_at, ends_at| {
            touches.of(bucket(starts_at, ends_at)).map(|touched| touched.last_touch.as_u64())
        };
        assert_eq!(last(0, 900), Some(5));
        assert_eq!(last(0, 1800), Some(12), "a touch after the position still makes the row suspect");
        assert_eq!(last(900, 1800), None, "first touched after the position: nothing is in it yet");
        assert_eq!(last(2700, 4500), None);
        assert_eq!(last(1800, 4500), Some(11));
        assert_eq!(last(4500, 5400), None, "never touched");
    }

    #[test]
    fn a_piece_is_asked_when_its_quarter_hour_was_touched() {
        let touches = touches(10, &[(900, 3, 5)]);
        let reaches = |from_ms, to_ms| touches.reaches(Span { from_ms, to_ms });
        assert!(reaches(1_000_000, 1_000_001));
        assert!(!reaches(0, 900_000));
        assert!(!reaches(1_800_000, 1_800_001));
    }

    #[test]
    fn bounds_are_those_of_all_buckets_and_of_the_quarter_hours_of_pieces() {
        let piece = Piece { span: Span { from_ms: 4_000_000, to_ms: 4_000_001 }, slot: 0 };
        let cover = Cover {
            days: vec![bucket(0, 1800)],
            quarters: vec![bucket(1800, 2700)],
            pieces: vec![piece],
            ..Cover::default()
        };
        assert_eq!(bounds_of(&cover), [0, 1800, 2700, 3600, 4500]);
    }

    #[test]
    fn chunks_of_bounds_leave_no_stretch_out() {
        let bounds: Vec<i64> = (0..20_000).collect();
        let chunks: Vec<&[i64]> = overlapping_chunks(&bounds).collect();
        assert!(chunks.iter().all(|chunk| (2..=BOUNDS_PER_STATEMENT).contains(&chunk.len())));
        assert!(chunks.windows(2).all(|pair| pair[0].last() == pair[1].first()));
        assert_eq!(chunks.last().unwrap().last(), bounds.last());
        assert_eq!(overlapping_chunks(&[]).count(), 0);
    }
}
