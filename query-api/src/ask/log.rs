//! The log: calls newest first, in pages that cost the same at any depth.
//!
//! A page that follows a filter must not search the month for fifty rows. The rollups tell how many calls of each
//! bucket the filter keeps, so the walk takes the newest buckets that hold enough of them, and asks the ledger for
//! nothing else.

use crate::cover::{Bucket, Cover, Cutter, Level};
use crate::filter::Narrow;
use crate::period::Span;
use crate::problem::Problem;
use crate::queries;
use crate::reader::{AnswerRow, Reader};
use clickhouse::Row;
use proto::EventId;
use serde::Deserialize;
use std::collections::VecDeque;
use uuid::Uuid;
use warehouse::DecimalUnits;
use warehouse::calendar::quarter_of;

/// One call of the log.
#[derive(Debug, Clone, PartialEq, Eq, Row, Deserialize)]
pub struct LogRow {
    /// When, in Unix milliseconds.
    pub occurred_at_ms: i64,
    /// Identity.
    #[serde(with = "clickhouse::serde::uuid")]
    pub id: Uuid,
    /// Who.
    pub member: String,
    /// What for.
    pub reason_code: String,
    /// Who answered.
    pub provider_name: String,
    /// With which model.
    pub model_name: String,
    /// Tokens read.
    pub input_tokens: u32,
    /// Tokens written.
    pub output_tokens: u32,
    /// 0 for a BYOK call.
    pub credits: DecimalUnits,
    /// 0 for a call charged in credits.
    pub provider_cost: DecimalUnits,
    /// Empty for a call charged in credits.
    pub currency_code: String,
}

/// One message of a call: the first is the call, the others are repeats or conflicts.
#[derive(Debug, Clone, PartialEq, Eq, Row, Deserialize)]
pub struct MessageRow {
    /// Where it stands among all messages.
    pub position: u64,
    /// Kafka partition.
    pub partition: u16,
    /// When the broker appended it, in Unix milliseconds.
    pub appended_at_ms: i64,
    /// As in [`LogRow`].
    pub occurred_at_ms: i64,
    /// As in [`LogRow`].
    #[serde(with = "clickhouse::serde::uuid")]
    pub id: Uuid,
    /// As in [`LogRow`].
    pub member: String,
    /// As in [`LogRow`].
    pub reason_code: String,
    /// As in [`LogRow`].
    pub provider_name: String,
    /// As in [`LogRow`].
    pub model_name: String,
    /// As in [`LogRow`].
    pub input_tokens: u32,
    /// As in [`LogRow`].
    pub output_tokens: u32,
    /// As in [`LogRow`].
    pub credits: DecimalUnits,
    /// As in [`LogRow`].
    pub provider_cost: DecimalUnits,
    /// As in [`LogRow`].
    pub currency_code: String,
}

impl From<&MessageRow> for LogRow {
    fn from(row: &MessageRow) -> Self {
        Self {
            occurred_at_ms: row.occurred_at_ms,
            id: row.id,
            member: row.member.clone(),
            reason_code: row.reason_code.clone(),
            provider_name: row.provider_name.clone(),
            model_name: row.model_name.clone(),
            input_tokens: row.input_tokens,
            output_tokens: row.output_tokens,
            credits: row.credits,
            provider_cost: row.provider_cost,
            currency_code: row.currency_code.clone(),
        }
    }
}

/// Where a page begins: at the newest call, or after one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// At the newest call of the period.
    Newest,
    /// After this call, which a former page ended with. It need not exist.
    After(EventId),
}

/// Some calls in order, and whether more follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Newest first.
    pub rows: Vec<LogRow>,
    /// Whether there is at least one more.
    pub more: bool,
}

#[derive(Row, Deserialize)]
struct MatchRow {
    start: u32,
    sum_calls: u64,
}

impl AnswerRow for MatchRow {
    fn used(&self) -> &[u32] {
        std::slice::from_ref(&self.start)
    }
}

/// A stretch of the period on the way down: of how many matching calls it holds, as far as a rollup row tells.
#[derive(Debug, Clone, Copy)]
enum Stretch {
    /// Not asked yet.
    Unasked(Level, Bucket),
    /// So many matching calls.
    Counted(Level, Bucket, u64),
    /// No rollup row can tell; only the ledger.
    Ledger(Span),
}

/// Messages of one call that are listed. A call has one, seldom two; a stuck emitter could send thousands.
const MESSAGES_MAX: u32 = 1_000;
/// Buckets asked in the first round of a level; each further round asks for more.
const BUCKETS_FIRST: usize = 8;
/// Quarter hours named in one statement.
const QUARTERS_MAX: usize = 4_000;

/// The next page.
///
/// # Errors
/// ClickHouse's.
pub async fn page(
    reader: &Reader,
    span: Span,
    narrow: &Narrow,
    place: Place,
    limit: u32,
) -> Result<Page, Problem> {
    let span = match place {
        Place::Newest => span,
        Place::After(id) => span.intersect(Span { from_ms: i64::MIN, to_ms: id.unix_ms() + 1 }),
    };
    let wanted = limit.saturating_add(1) as usize;
    let mut rows = if narrow.keeps_all() {
        read(reader, span, &[], narrow, place, wanted).await?
    } else {
        Walk { reader, narrow }.rows(span, place, wanted).await?
    };
    let more = rows.len() == wanted;
    rows.truncate(limit as usize);
    Ok(Page { rows, more })
}

/// Every message of one call that the snapshot knows, first write first. Empty if there is none.
///
/// # Errors
/// ClickHouse's.
pub async fn messages(reader: &Reader, id: EventId) -> Result<Vec<MessageRow>, Problem> {
    let query = reader
        .warehouse
        .read(queries::CALL)
        .param("org_id", &reader.org_id)
        .param("occurred_at_ms", id.unix_ms())
        .param("event_id", id.to_string())
        .param("at", reader.at.as_u64())
        .param("limit", MESSAGES_MAX);
    Ok(reader.warehouse.fetch_all("reading a call", query).await?)
}

struct Walk<'a> {
    reader: &'a Reader,
    narrow: &'a Narrow,
}

impl Walk<'_> {
    async fn rows(&self, span: Span, place: Place, wanted: usize) -> Result<Vec<LogRow>, Problem> {
        let mut ahead = stretches(&self.reader.cutter, span);
        let mut rows = Vec::new();
        while rows.len() < wanted && !ahead.is_empty() {
            let windows = self.next_windows(&mut ahead, wanted - rows.len()).await?;
            let Some(common) = hull(&windows) else { continue };
            let quarters: Vec<i64> =
                windows.iter().map(|window| quarter_of(window.from_ms).starts_at).collect();
            let common = common.intersect(span);
            rows.extend(read(self.reader, common, &quarters, self.narrow, place, wanted - rows.len()).await?);
        }
        Ok(rows)
    }

    /// Takes stretches from the newest on, refining them down to quarter hours, until they hold enough calls for sure.
    async fn next_windows(&self, ahead: &mut VecDeque<Stretch>, wanted: usize) -> Result<Vec<Span>, Problem> {
        let mut windows = Vec::new();
        let mut certain = 0u64;
        let mut round = BUCKETS_FIRST;
        while certain < wanted as u64 && windows.len() < QUARTERS_MAX {
            match ahead.pop_front() {
                None => break,
                Some(Stretch::Ledger(span)) => windows.push(span),
                Some(Stretch::Counted(Level::Quarter, bucket, calls)) => {
                    windows.push(bucket.interval.into());
                    certain += calls;
                }
                Some(Stretch::Counted(level, bucket, _)) => {
                    for stretch in parts_of(&self.reader.cutter, level, bucket).into_iter().rev() {
                        ahead.push_front(stretch);
                    }
                }
                Some(Stretch::Unasked(level, bucket)) => {
                    ahead.push_front(Stretch::Unasked(level, bucket));
                    self.count(ahead, level, round).await?;
                    round = round.saturating_mul(4);
                }
            }
        }
        Ok(windows)
    }

    /// Counts the next buckets of one level, as they stand in front. What holds nothing leaves the way.
    async fn count(
        &self,
        ahead: &mut VecDeque<Stretch>,
        level: Level,
        at_most: usize,
    ) -> Result<(), Problem> {
        let mut buckets = Vec::new();
        while let Some(Stretch::Unasked(found, bucket)) = ahead.front()
            && *found == level
            && buckets.len() < at_most
        {
            buckets.push(*bucket);
            ahead.pop_front();
        }
        buckets.sort_unstable();
        let bind = |query| self.narrow.bind(query);
        let question = &queries::MATCHES;
        let (rows, missing) = self.reader.ask_level::<MatchRow>(question, &bind, level, &buckets).await?;
        // Oldest first, each in front of the former: the newest ends up in front.
        for bucket in buckets {
            let is_this = |row: &&MatchRow| i64::from(row.start) == bucket.interval.starts_at;
            if missing.contains(&bucket) {
                for stretch in parts_of(&self.reader.cutter, level, bucket).into_iter().rev() {
                    ahead.push_front(stretch);
                }
            } else if let Some(row) = rows.iter().find(is_this).filter(|row| row.sum_calls > 0) {
                ahead.push_front(Stretch::Counted(level, bucket, row.sum_calls));
            }
        }
        Ok(())
    }
}

/// A span as stretches, newest first.
fn stretches(cutter: &Cutter, span: Span) -> VecDeque<Stretch> {
    let mut cover = Cover::default();
    cutter.add(&mut cover, span, 0, Level::Month);
    newest_first(cover).into()
}

/// The parts of a bucket one level below, newest first.
fn parts_of(cutter: &Cutter, level: Level, bucket: Bucket) -> Vec<Stretch> {
    let mut cover = Cover::default();
    cutter.split(&mut cover, level, bucket);
    newest_first(cover)
}

fn newest_first(cover: Cover) -> Vec<Stretch> {
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

/// From the first to the last of some spans.
fn hull(spans: &[Span]) -> Option<Span> {
    let from_ms = spans.iter().map(|span| span.from_ms).min()?;
    let to_ms = spans.iter().map(|span| span.to_ms).max()?;
    Some(Span { from_ms, to_ms })
}

async fn read(
    reader: &Reader,
    span: Span,
    quarters: &[i64],
    narrow: &Narrow,
    place: Place,
    limit: usize,
) -> Result<Vec<LogRow>, Problem> {
    if span.is_empty() {
        return Ok(Vec::new());
    }
    let (after_ms, after_id) = match place {
        Place::Newest => (span.to_ms, Uuid::nil()),
        Place::After(id) => (id.unix_ms(), id.uuid()),
    };
    let query = reader
        .warehouse
        .read(&queries::PAGE)
        .param("org_id", &reader.org_id)
        .param("at", reader.at.as_u64())
        .param("from_ms", span.from_ms)
        .param("before_ms", span.to_ms)
        .param("after_ms", after_ms)
        .param("after_id", after_id.to_string())
        .param("quarters", quarters)
        .param("limit", limit as u64);
    Ok(reader.warehouse.fetch_all("reading the log", narrow.bind(query)).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use warehouse::calendar::Tz;

    #[test]
    fn stretches_run_from_the_newest_to_the_oldest() {
        let cutter = Cutter { zone: Tz::Europe__Berlin, now_ms: 1_793_487_600_123 };
        let span = Span { from_ms: 1_780_000_000_001, to_ms: 1_793_500_000_007 };
        let spans: Vec<Span> = stretches(&cutter, span)
            .into_iter()
            .map(|stretch| match stretch {
                Stretch::Unasked(_, bucket) | Stretch::Counted(_, bucket, _) => bucket.interval.into(),
                Stretch::Ledger(span) => span,
            })
            .collect();
        assert_eq!(spans.first().unwrap().to_ms, span.to_ms);
        assert_eq!(spans.last().unwrap().from_ms, span.from_ms);
        assert!(spans.windows(2).all(|pair| pair[0].from_ms == pair[1].to_ms));
    }
}
