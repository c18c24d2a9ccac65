//! Calls that several messages told of: repeats and conflicts. None of them changes a number.

use super::log::{MessageRow, Place, Told};
use crate::period::Span;
use crate::problem::Problem;
use crate::queries;
use crate::reader::Reader;
use proto::EventId;
use uuid::Uuid;

/// Ledger rows that one page looks at, at most: what it costs has a bound, however rare anomalies are.
const ROWS_MAX: u64 = 1_000_000;
/// Messages of one call that a page lists; asked for by its id, the call has them all.
const MESSAGES_MAX: u32 = 20;

/// Some calls with several messages, newest first.
#[derive(Debug)]
pub struct Anomalies {
    /// Each with its messages.
    pub calls: Vec<Told>,
    /// Where the next page begins; `None` at the end of the period. A page may be short, or empty, and not be the last.
    pub next: Option<EventId>,
}

/// The next page.
///
/// # Errors
/// ClickHouse's.
pub async fn anomalies(
    reader: &Reader,
    span: Span,
    place: Place,
    conflicts_only: bool,
    limit: u32,
) -> Result<Anomalies, Problem> {
    let (span, after_ms, after_id) = match place {
        Place::Newest => (span, span.to_ms, Uuid::nil()),
        Place::After(id) => {
            let up_to = Span { from_ms: i64::MIN, to_ms: id.unix_ms() + 1 };
            (span.intersect(up_to), id.unix_ms(), id.uuid())
        }
    };
    if span.is_empty() {
        return Ok(Anomalies { calls: Vec::new(), next: None });
    }
    let query = reader
        .warehouse
        .read(queries::ANOMALIES_FLOOR)
        .param("org_id", &reader.org_id)
        .param("from_ms", span.from_ms)
        .param("before_ms", span.to_ms)
        .param("rows", ROWS_MAX);
    let (floor_ms, seen): (i64, u64) = reader.warehouse.fetch_one("bounding the anomalies", query).await?;
    // What happened in the very millisecond of the oldest row is looked at whole, unless it is all there is.
    let goes_on = seen == ROWS_MAX && floor_ms < span.to_ms - 1;
    let from_ms = if goes_on { floor_ms } else { span.from_ms };
    let query = reader
        .warehouse
        .read(queries::ANOMALIES)
        .param("org_id", &reader.org_id)
        .param("at", reader.at.as_u64())
        .param("from_ms", from_ms)
        .param("before_ms", span.to_ms)
        .param("after_ms", after_ms)
        .param("after_id", after_id.to_string())
        .param("conflicts_only", conflicts_only)
        .param("limit", limit.saturating_add(1))
        .param("messages", MESSAGES_MAX);
    let messages: Vec<MessageRow> = reader.warehouse.fetch_all("reading the anomalies", query).await?;
    let mut calls: Vec<Told> =
        messages.chunk_by(|one, next| one.id == next.id).filter_map(|call| Told::of(call.to_vec())).collect();
    let is_full = calls.len() > limit as usize;
    calls.truncate(limit as usize);
    let last = calls.last().and_then(|call| EventId::from_bytes(call.first.id.as_bytes()).ok());
    // Nothing of that millisecond comes after the least id there can be.
    let floor = goes_on.then(|| EventId::from_parts(floor_ms, [0; 10]));
    Ok(Anomalies { next: if is_full { last } else { floor }, calls })
}
