//! The small reads: what the worker asks before it decides. Each has its statement in `sql/`.

use crate::level::Level;
use crate::request::Request;
use clickhouse::Row;
use proto::Position;
use serde::{Deserialize, Serialize};
use warehouse::calendar::Interval;
use warehouse::{Warehouse, WarehouseError};

/// A partition of the newest source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Row, Deserialize)]
pub struct SourceStart {
    /// The source's number.
    pub source: u16,
    /// The partition's number.
    pub partition: u16,
    /// Number of partitions of the source.
    pub partitions: u16,
    /// Consumer position before its first message.
    pub start_position: u64,
    /// The generation that holds.
    pub generation: u32,
}

/// What one batch row covers: `(from, to]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchInterval {
    /// Consumer position before its first message.
    pub from_position: u64,
    /// Consumer position after its last message.
    pub to_position: u64,
    /// Highest append time, in Unix milliseconds.
    pub appended_at_ms: i64,
}

/// A quarter hour that was touched.
#[derive(Clone, Debug, PartialEq, Eq, Row, Deserialize)]
pub struct Touched {
    /// The organisation.
    pub org_id: String,
    /// Start of the quarter hour, in Unix seconds.
    pub quarter: u32,
    /// The last touch.
    pub last_position: u64,
}

/// A stored row of a rollup, without what is in it.
#[derive(Clone, Debug, PartialEq, Eq, Row, Deserialize)]
pub struct Stored {
    /// The organisation.
    pub org_id: String,
    /// Start of its interval, in Unix seconds.
    pub starts_at: u32,
    /// End of its interval, in Unix seconds.
    pub ends_at: u32,
    /// The generation it was written in.
    pub generation: u32,
    /// The position it was cut at.
    pub through: u64,
}

impl Stored {
    /// What it stands for.
    pub fn interval(&self) -> Interval {
        Interval { starts_at: self.starts_at.into(), ends_at: self.ends_at.into() }
    }

    /// The position it was cut at.
    pub fn through(&self) -> Position {
        Position::from_u64(self.through)
    }
}

/// Number of ledger rows of a quarter hour.
#[derive(Clone, Debug, PartialEq, Eq, Row, Deserialize)]
pub struct Size {
    /// The organisation.
    pub org_id: String,
    /// Start of the quarter hour, in Unix seconds.
    pub quarter: u32,
    /// Rows, repeats included.
    pub ledger_rows: u64,
}

/// Number of calls that the stored row of a quarter hour counts.
#[derive(Clone, Debug, PartialEq, Eq, Row, Deserialize)]
pub struct Counted {
    /// The organisation.
    pub org_id: String,
    /// Start of the quarter hour, in Unix seconds.
    pub quarter: u32,
    /// Calls, each once.
    pub calls: u64,
}

/// Messages that told again of a call. They change no number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Row, Deserialize)]
pub struct ToldAgain {
    /// With the same content.
    pub repeats: u64,
    /// With another content.
    pub conflicts: u64,
}

/// The bookmark of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct Bookmark {
    /// The generation it holds for.
    pub generation: u32,
    /// The partition.
    pub partition: u16,
    /// Every bucket touched up to here was computed once it had passed.
    pub bookmark: u64,
}

/// An organisation and the zone in which its days and months are to be computed.
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct Rezoned {
    /// The organisation.
    pub org_id: String,
    /// The zone's name.
    pub time_zone: String,
    /// Position of the change in the directory topic.
    pub position: u64,
}

/// The newest source of calls, one row a partition; empty while none is recorded.
pub(crate) async fn newest_source(warehouse: &Warehouse) -> Result<Vec<SourceStart>, WarehouseError> {
    let query = warehouse.read(include_str!("../sql/newest_source.sql"));
    warehouse.fetch_all("reading the sources", query).await
}

/// The batches at and behind these frontiers, by partition.
pub(crate) async fn batches_from(
    warehouse: &Warehouse,
    frontiers: &[u64],
) -> Result<Vec<(u16, Vec<BatchInterval>)>, WarehouseError> {
    #[derive(Row, Deserialize)]
    struct Batch {
        partition: u16,
        from_position: u64,
        to_position: u64,
        appended_at_ms: i64,
    }
    let query = warehouse.read(include_str!("../sql/batches_from.sql")).param("frontiers", frontiers);
    let rows: Vec<Batch> = warehouse.fetch_all("reading the batches", query).await?;
    let interval = |row: &Batch| BatchInterval {
        from_position: row.from_position,
        to_position: row.to_position,
        appended_at_ms: row.appended_at_ms,
    };
    Ok(rows
        .chunk_by(|left, right| left.partition == right.partition)
        .filter_map(|rows| Some((rows.first()?.partition, rows.iter().map(interval).collect())))
        .collect())
}

/// Touches behind the cursors, by partition the lowest `limit` of them, in the order of their positions.
pub(crate) async fn touched_since(
    warehouse: &Warehouse,
    cursors: &[u64],
    limit: u64,
) -> Result<Vec<Touched>, WarehouseError> {
    let query = warehouse
        .read(include_str!("../sql/touched_since.sql"))
        .param("cursors", cursors)
        .param("lowest_cursor", cursors.iter().min().copied().unwrap_or_default())
        .param("limit", limit);
    warehouse.fetch_all("reading the touches", query).await
}

/// All touches of these organisations.
pub(crate) async fn touched_of(warehouse: &Warehouse, orgs: &[&str]) -> Result<Vec<Touched>, WarehouseError> {
    let query = warehouse.read(include_str!("../sql/touched_of.sql")).param("orgs", orgs);
    warehouse.fetch_all("reading the touches of organisations", query).await
}

/// Organisations with touches and how many they have, in order; all where none are named.
pub(crate) async fn touch_counts(
    warehouse: &Warehouse,
    orgs: &[String],
) -> Result<Vec<(String, u64)>, WarehouseError> {
    let query = warehouse.read(include_str!("../sql/touch_counts.sql")).param("orgs", orgs);
    warehouse.fetch_all("counting touches", query).await
}

/// The touches of the buckets of a request.
pub(crate) async fn touched_in(
    warehouse: &Warehouse,
    request: &Request,
) -> Result<Vec<Touched>, WarehouseError> {
    let query = request.bind(warehouse.read(include_str!("../sql/touched_in.sql")));
    warehouse.fetch_all("reading the touches of buckets", query).await
}

/// The stored rows of the buckets of a request.
pub(crate) async fn stored(
    warehouse: &Warehouse,
    level: Level,
    request: &Request,
) -> Result<Vec<Stored>, WarehouseError> {
    let sql = include_str!("../sql/stored.sql").replace("<table>", level.table());
    warehouse.fetch_all("reading how far rows go", request.bind(warehouse.read(&sql))).await
}

/// The ledger rows of the quarter hours of a request; those without any are left out.
pub(crate) async fn sizes(warehouse: &Warehouse, request: &Request) -> Result<Vec<Size>, WarehouseError> {
    let query = request.bind(warehouse.read(include_str!("../sql/sizes.sql")));
    warehouse.fetch_all("counting ledger rows", query).await
}

/// The calls that the stored rows of quarter hours count; those without a row are left out.
pub(crate) async fn calls_of(
    warehouse: &Warehouse,
    request: &Request,
) -> Result<Vec<Counted>, WarehouseError> {
    let query = request.bind(warehouse.read(include_str!("../sql/calls_of.sql")));
    warehouse.fetch_all("reading how many calls were counted", query).await
}

/// The messages of quarter hours that told again of a call, behind one position a bucket in the order of the request.
pub(crate) async fn told_again(
    warehouse: &Warehouse,
    request: &Request,
    sinces: &[u64],
) -> Result<ToldAgain, WarehouseError> {
    let query = request.bind(warehouse.read(include_str!("../sql/told_again.sql"))).param("sinces", sinces);
    warehouse.fetch_one("counting repeats and conflicts", query).await
}

/// Organisations with a zone other than UTC, and its name.
pub(crate) async fn zones(warehouse: &Warehouse) -> Result<Vec<(String, String)>, WarehouseError> {
    let query = warehouse.read(include_str!("../sql/zones.sql"));
    warehouse.fetch_all("reading the zones", query).await
}

/// Organisations whose days and months are computed in another zone than the directory tells.
pub(crate) async fn changed_zones(warehouse: &Warehouse) -> Result<Vec<Rezoned>, WarehouseError> {
    let query = warehouse.read(include_str!("../sql/changed_zones.sql"));
    warehouse.fetch_all("reading changed zones", query).await
}

/// Remembers in which zone days and months are computed.
pub(crate) async fn write_zones(warehouse: &Warehouse, zones: &[Rezoned]) -> Result<(), WarehouseError> {
    warehouse.insert_rows("writing the zones", "rollup_zones", zones).await
}

/// The bookmarks of a generation.
pub(crate) async fn bookmarks(
    warehouse: &Warehouse,
    generation: u32,
) -> Result<Vec<(u16, u64)>, WarehouseError> {
    let query = warehouse.read(include_str!("../sql/bookmarks.sql")).param("generation", generation);
    warehouse.fetch_all("reading the bookmarks", query).await
}

/// Raises the generation to this number.
pub(crate) async fn raise_generation(
    warehouse: &Warehouse,
    generation: u32,
    reason: &str,
) -> Result<(), WarehouseError> {
    #[derive(Row, Serialize, Deserialize)]
    struct Generation {
        generation: u32,
        reason: String,
        raised_at: i64,
    }
    let row = Generation { generation, reason: reason.to_owned(), raised_at: service::clock::now_ms() };
    warehouse.insert_rows("raising the generation", "generations", &[row]).await
}

/// Deletes what is left of older generations of some organisations' rows whose intervals meet `[since, until)`, in Unix
/// seconds.
pub(crate) async fn delete_older(
    warehouse: &Warehouse,
    level: Level,
    orgs: &[&str],
    (since, until): (i64, i64),
    generation: u32,
) -> Result<(), WarehouseError> {
    let sql = format!(
        "{} WHERE org_id IN {{orgs:Array(String)}} AND generation < {{generation:UInt32}} \
         AND toUInt32(starts_at) < {{until:UInt32}} AND toUInt32(ends_at) > {{since:UInt32}}",
        warehouse.flavour().delete_from(level.table())
    );
    let query = warehouse
        .write(&sql)
        .param("orgs", orgs)
        .param("generation", generation)
        .param("since", since)
        .param("until", until);
    warehouse.execute("deleting older rollup rows", query).await
}

/// Remembers bookmarks.
pub(crate) async fn write_bookmarks(
    warehouse: &Warehouse,
    bookmarks: &[Bookmark],
) -> Result<(), WarehouseError> {
    warehouse.insert_rows("writing the bookmarks", "rollup_progress", bookmarks).await
}
