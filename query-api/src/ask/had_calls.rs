//! Whether there is anything to filter at all.

use crate::queries;
use crate::reader::Reader;
use clickhouse::Row;
use serde::Deserialize;
use warehouse::WarehouseError;

#[derive(Row, Deserialize)]
struct HadRow {
    had: bool,
}

/// Whether the organisation had any call at the snapshot.
///
/// # Errors
/// ClickHouse's.
pub async fn had_calls(reader: &Reader) -> Result<bool, WarehouseError> {
    let query = reader.warehouse.read(queries::HAD_CALLS);
    let query = query.param("org_id", &reader.org_id).param("at", reader.at.as_u64());
    let row: HadRow = reader.warehouse.fetch_one("looking for any call", query).await?;
    Ok(row.had)
}
