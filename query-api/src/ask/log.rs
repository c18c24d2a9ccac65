//! The log: calls newest first, in pages that cost the same at any depth, and the messages behind one call.

use super::walk::Walk;
use crate::filter::Narrow;
use crate::period::Span;
use crate::problem::Problem;
use crate::queries;
use crate::reader::Reader;
use clickhouse::Row;
use proto::EventId;
use serde::Deserialize;
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

/// The messages of one call, each list in the order in which they were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The one that counts.
    pub first: MessageRow,
    /// Later ones with the same content.
    pub repeats: Vec<MessageRow>,
    /// Later ones with another content.
    pub conflicts: Vec<MessageRow>,
}

impl Told {
    /// All messages of one call, in the order in which they were written; `None` if there is none.
    pub fn of(messages: Vec<MessageRow>) -> Option<Self> {
        let mut messages = messages.into_iter();
        let first = messages.next()?;
        let content = LogRow::from(&first);
        let (repeats, conflicts) = messages.partition(|message| LogRow::from(message) == content);
        Some(Self { first, repeats, conflicts })
    }

    /// Everybody whom the messages name.
    pub fn members(&self) -> impl Iterator<Item = &str> {
        let later = self.conflicts.iter().map(|message| message.member.as_str());
        std::iter::once(self.first.member.as_str()).chain(later)
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

/// Messages of one call that are listed. A call has one, seldom two; a stuck emitter could send thousands.
const MESSAGES_MAX: u32 = 1_000;
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
    let mut rows = Vec::new();
    let mut walk = Walk::begin(reader, narrow, span).await?;
    while rows.len() < wanted
        && let Some(windows) = walk.next(wanted - rows.len()).await?
    {
        rows.extend(read(reader, span, &windows, narrow, place, wanted - rows.len()).await?);
    }
    let more = rows.len() == wanted;
    rows.truncate(limit as usize);
    Ok(Page { rows, more })
}

/// Everything the snapshot knows of one call, if it has it.
///
/// # Errors
/// ClickHouse's.
pub async fn call(reader: &Reader, id: EventId) -> Result<Option<Told>, Problem> {
    let query = reader
        .warehouse
        .read(queries::CALL)
        .param("org_id", &reader.org_id)
        .param("occurred_at_ms", id.unix_ms())
        .param("event_id", id.to_string())
        .param("at", reader.at.as_u64())
        .param("limit", MESSAGES_MAX);
    let messages: Vec<MessageRow> = reader.warehouse.fetch_all("reading a call", query).await?;
    Ok(Told::of(messages))
}

/// Calls of some windows, newest first.
async fn read(
    reader: &Reader,
    span: Span,
    windows: &[Span],
    narrow: &Narrow,
    place: Place,
    limit: usize,
) -> Result<Vec<LogRow>, Problem> {
    let oldest = windows.iter().map(|window| window.from_ms).min().unwrap_or(span.to_ms);
    let newest = windows.iter().map(|window| window.to_ms).max().unwrap_or(span.from_ms);
    let span = span.intersect(Span { from_ms: oldest, to_ms: newest });
    if span.is_empty() {
        return Ok(Vec::new());
    }
    let quarters: Vec<i64> = windows.iter().map(|window| quarter_of(window.from_ms).starts_at).collect();
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
