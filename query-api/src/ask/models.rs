//! In which order an organisation's models appeared.

use crate::period::Range;
use crate::queries;
use crate::reader::Reader;
use clickhouse::Row;
use serde::Deserialize;
use warehouse::WarehouseError;

/// A model of the organisation.
#[derive(Debug, Clone, PartialEq, Eq, Row, Deserialize)]
pub struct Seen {
    /// Who answers.
    pub provider: String,
    /// The model.
    pub model: String,
}

/// The row of a month is made soon after its end.
const LAG_SECONDS: i64 = 2 * 86_400;

/// The organisation's first 64 models, oldest first. What appeared today may be missing.
///
/// # Errors
/// ClickHouse's.
pub async fn models(reader: &Reader) -> Result<Vec<Seen>, WarehouseError> {
    let this_month = reader.period_of(Range::ThisMonth).span.from_ms / 1000;
    let days = u32::try_from(this_month - LAG_SECONDS).unwrap_or(0);
    let query = reader.warehouse.read(queries::MODELS).param("org_id", &reader.org_id).param("days", days);
    reader.warehouse.fetch_all("reading the order of the models", query).await
}
