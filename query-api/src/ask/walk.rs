//! The way back through the log.
//!
//! A page must not search the month for its fifty rows. The rollups tell how many calls of each bucket the filter keeps,
//! so the walk finds the newest quarter hours that hold enough of them, and the ledger is asked for nothing else.

use crate::cover::{Bucket, Cover, Cutter, Level};
use crate::filter::Narrow;
use crate::period::Span;
use crate::problem::Problem;
use crate::queries;
use crate::reader::{AnswerRow, Reader};
use clickhouse::Row;
use serde::Deserialize;
use std::collections::{HashMap, HashSet, VecDeque};

/// A walk through a span, from its newest call to its oldest.
pub struct Walk<'a> {
    reader: &'a Reader,
    narrow: &'a Narrow,
    ahead: VecDeque<Stretch>,
}

/// A stretch of the way, with what is known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stretch {
    /// Nothing yet.
    Unasked(Level, Bucket),
    /// So many calls that the filter keeps, more than none.
    Counted(Level, Bucket, u64),
    /// No rollup row can tell, only the ledger.
    Ledger(Span),
}

#[derive(Debug, Clone, Row, Deserialize)]
struct MatchRow {
    start: u32,
    sum_calls: u64,
}

impl AnswerRow for MatchRow {
    type Cell = u32;

    fn cell(&self) -> Self::Cell {
        self.start
    }

    fn add(&mut self, later: Self) {
        self.sum_calls += later.sum_calls;
    }

    fn used(&self) -> &[u32] {
        std::slice::from_ref(&self.start)
    }

    fn bytes(&self) -> usize {
        size_of::<Self>()
    }
}

/// Buckets asked in the first round; each further one asks for more. A busy organisation finds a page in the first.
const BUCKETS_FIRST: usize = 32;
/// Quarter hours named in one statement: its parameter stays below the limit of a form field (128 KiB).
const QUARTERS_MAX: usize = 4_000;

impl<'a> Walk<'a> {
    /// Stands before the newest call of a span.
    ///
    /// # Errors
    /// ClickHouse's.
    pub async fn begin(reader: &'a Reader, narrow: &'a Narrow, span: Span) -> Result<Self, Problem> {
        let mut cover = Cover::default();
        reader.cutter.add(&mut cover, span, 0, Level::Month);
        let touches = reader.touches(&cover).await?;
        let mut ahead: VecDeque<Stretch> = newest_first(&cover).into();
        ahead.retain(|stretch| match stretch {
            Stretch::Unasked(_, bucket) | Stretch::Counted(_, bucket, _) => touches.of(*bucket).is_some(),
            Stretch::Ledger(span) => touches.reaches(*span),
        });
        Ok(Self { reader, narrow, ahead })
    }

    /// The next windows, each inside one quarter hour, newest first: they hold at least `wanted` calls, or all that are
    /// left. `None` at the end of the way.
    ///
    /// # Errors
    /// ClickHouse's.
    pub async fn next(&mut self, wanted: usize) -> Result<Option<Vec<Span>>, Problem> {
        let mut windows = Vec::new();
        let mut certain = 0u64;
        let mut round = BUCKETS_FIRST;
        while certain < wanted as u64 && windows.len() < QUARTERS_MAX {
            match self.ahead.pop_front() {
                None => break,
                Some(Stretch::Ledger(span)) => windows.push(span),
                Some(Stretch::Counted(Level::Quarter, bucket, calls)) => {
                    windows.push(bucket.interval.into());
                    certain += calls;
                }
                Some(Stretch::Counted(level, bucket, _)) => self.refine(level, bucket),
                Some(unasked @ Stretch::Unasked(..)) => {
                    self.ahead.push_front(unasked);
                    self.count(round).await?;
                    round = round.saturating_mul(4);
                }
            }
        }
        Ok((!windows.is_empty()).then_some(windows))
    }

    /// Counts the next buckets that were not asked yet. What holds nothing leaves the way.
    async fn count(&mut self, at_most: usize) -> Result<(), Problem> {
        let mut near = Vec::new();
        let mut cover = Cover::default();
        let mut asked = 0;
        while asked < at_most
            && let Some(stretch) = self.ahead.pop_front()
        {
            if let Stretch::Unasked(level, bucket) = stretch {
                cover.push(level, bucket);
                asked += 1;
            }
            near.push(stretch);
        }
        let question = if self.narrow.keeps_all() { &queries::ALL_MATCHES } else { &queries::MATCHES };
        let round = self.reader.round::<MatchRow>(question, self.narrow, &cover).await?;
        let unusable: HashSet<(Level, Bucket)> = round.unused.into_iter().collect();
        let counts: HashMap<(Level, i64), u64> = round
            .rows
            .iter()
            .filter_map(|(level, row)| {
                Some(((level.as_ref().copied()?, i64::from(row.start)), row.sum_calls))
            })
            .collect();
        // Oldest first, each in front of the former: the newest ends up in front.
        for stretch in near.into_iter().rev() {
            let Stretch::Unasked(level, bucket) = stretch else {
                self.ahead.push_front(stretch);
                continue;
            };
            if unusable.contains(&(level, bucket)) {
                self.refine(level, bucket);
                continue;
            }
            match counts.get(&(level, bucket.interval.starts_at)) {
                Some(0) | None => {}
                Some(calls) => self.ahead.push_front(Stretch::Counted(level, bucket, *calls)),
            }
        }
        Ok(())
    }

    /// Puts the parts of a bucket in its place.
    fn refine(&mut self, level: Level, bucket: Bucket) {
        for stretch in parts_of(&self.reader.cutter, level, bucket).into_iter().rev() {
            self.ahead.push_front(stretch);
        }
    }
}

/// The parts of a bucket one level below, newest first.
fn parts_of(cutter: &Cutter, level: Level, bucket: Bucket) -> Vec<Stretch> {
    let mut cover = Cover::default();
    cutter.split(&mut cover, level, bucket);
    newest_first(&cover)
}

fn newest_first(cover: &Cover) -> Vec<Stretch> {
    let mut stretches: Vec<(i64, Stretch)> = Vec::new();
    for level in Level::ALL {
        let buckets = cover.buckets(level).iter();
        stretches.extend(
            buckets.map(|bucket| (bucket.interval.starts_at * 1000, Stretch::Unasked(level, *bucket))),
        );
    }
    stretches.extend(cover.pieces.iter().map(|piece| (piece.span.from_ms, Stretch::Ledger(piece.span))));
    stretches.sort_unstable_by_key(|(from_ms, _)| std::cmp::Reverse(*from_ms));
    stretches.into_iter().map(|(_, stretch)| stretch).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use warehouse::calendar::Tz;

    fn spans(stretches: Vec<Stretch>) -> Vec<Span> {
        let span_of = |stretch| match stretch {
            Stretch::Unasked(_, bucket) | Stretch::Counted(_, bucket, _) => bucket.interval.into(),
            Stretch::Ledger(span) => span,
        };
        stretches.into_iter().map(span_of).collect()
    }

    #[test]
    fn the_way_runs_from_the_newest_to_the_oldest() {
        let cutter = Cutter { zone: Tz::Europe__Berlin, now_ms: 1_793_487_600_123 };
        let span = Span { from_ms: 1_780_000_000_001, to_ms: 1_793_500_000_007 };
        let mut cover = Cover::default();
        cutter.add(&mut cover, span, 0, Level::Month);
        let way = spans(newest_first(&cover));
        assert_eq!(way.first().unwrap().to_ms, span.to_ms);
        assert_eq!(way.last().unwrap().from_ms, span.from_ms);
        assert!(way.windows(2).all(|pair| pair[0].from_ms == pair[1].to_ms));
        let month = cover.months[0];
        let days = spans(parts_of(&cutter, Level::Month, month));
        assert_eq!(days.first().unwrap().to_ms, month.interval.ends_at * 1000);
        assert!(days.windows(2).all(|pair| pair[0].from_ms == pair[1].to_ms));
    }
}
