//! Snapshots: how far an organisation's calls are known, and the position an answer is cut at.

use crate::as_of::AsOf;
use crate::cheaper::cheap_position;
use crate::period::Span;
use crate::problem::{Problem, ProblemKind};
use crate::queries;
use clickhouse::Row;
use proto::Position;
use serde::Deserialize;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use warehouse::calendar::Tz;
use warehouse::{OrganisationRow, SourceRow, Warehouse, WarehouseError};

/// What an answer is cut at, and what is known about it.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The organisation, as the directory last told.
    pub organisation: Organisation,
    /// Position, present and zone.
    pub as_of: AsOf,
    /// Everything the broker appended up to this time is counted, in Unix milliseconds. Absent while a partition has
    /// not got its first batch.
    pub complete_through_ms: Option<i64>,
    /// Whether a client asked for this very snapshot.
    pub pinned: bool,
    /// Whether newer calls are known but were left out, because reading them would take too long just now.
    pub behind: bool,
    partition: Partition,
}

/// An organisation's names and zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organisation {
    /// Its id.
    pub org_id: String,
    /// For file names; the id itself where the directory does not tell and it is fit.
    pub short_name: String,
    /// For people.
    pub display_name: String,
    /// Decides days and months; UTC where the directory does not tell.
    pub zone: Tz,
}

/// The sources as they were last seen: whose partition to ask for a frontier while they are read anew. Only a guess,
/// which counts when it turns out right.
#[derive(Debug, Default)]
pub struct LastSources(Mutex<Vec<SourceRow>>);

impl LastSources {
    fn partition_of(&self, org_id: &str) -> Option<Partition> {
        partition_of(org_id, &self.0.lock().unwrap_or_else(PoisonError::into_inner)).ok()
    }

    /// The topic that a source stands for; every snapshot knows the sources that its positions are of.
    pub fn topic_of(&self, source: u16) -> Option<String> {
        let sources = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sources.iter().find(|row| row.source == source).map(|row| row.topic.clone())
    }

    fn remember(&self, sources: Vec<SourceRow>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = sources;
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Partition {
    number: u16,
    /// Positions of the newest source in this partition begin here …
    start: Position,
    /// … and end before this.
    end: Position,
}

#[derive(Row, Deserialize)]
struct FrontierRow {
    highest: u64,
    covered: u64,
    /// In Unix milliseconds, as is the next.
    complete_through: i64,
    pinned_complete_through: i64,
}

#[derive(Row, Deserialize)]
struct IntervalRow {
    from_position: u64,
    to_position: u64,
    appended_at_ms: i64,
}

/// Chooses the snapshot of an answer: the pinned one, or the newest.
///
/// # Errors
/// An `as_of` of another organisation or beyond what is known, nothing ever ingested, or ClickHouse.
pub async fn take(
    warehouse: &Warehouse,
    last_sources: &LastSources,
    org_id: &str,
    pinned: Option<AsOf>,
) -> Result<Snapshot, Problem> {
    if pinned.is_some_and(|as_of| !as_of.is_of(org_id)) {
        let message = "is of another organisation, or was changed; pass it on exactly as an answer of this one gave it, \
                       or leave it out";
        return Err(Problem::invalid_parameter("as_of", message));
    }
    let pinned_at = pinned.map(|as_of| as_of.position);
    let guessed = last_sources.partition_of(org_id);
    let sources = async { warehouse.sources().await };
    let frontier_of_guessed = async {
        match guessed {
            Some(partition) => frontier(warehouse, partition, pinned_at).await.map(Some),
            None => Ok(None),
        }
    };
    let (organisation, sources, frontier_of_guessed) =
        tokio::try_join!(organisation(warehouse, org_id), sources, frontier_of_guessed)?;
    let partition = partition_of(org_id, &sources)?;
    last_sources.remember(sources);
    let (frontier, complete_through_ms) = match frontier_of_guessed {
        Some(frontier) if guessed == Some(partition) => frontier,
        _ => frontier(warehouse, partition, pinned_at).await?,
    };
    let as_of = match pinned {
        Some(as_of) if as_of.position > frontier => {
            let message =
                "is newer than anything this service knows; pass it on exactly as an answer gave it";
            return Err(Problem::invalid_parameter("as_of", message));
        }
        Some(as_of) => as_of,
        None => AsOf::new(org_id, frontier, service::clock::now_ms(), organisation.zone),
    };
    let pinned = pinned.is_some();
    Ok(Snapshot { organisation, as_of, complete_through_ms, pinned, behind: false, partition })
}

impl Snapshot {
    /// How far its present is ahead of what it is complete through.
    pub fn age(&self) -> Option<Duration> {
        let age_ms = self.as_of.now_ms - self.complete_through_ms?;
        Some(Duration::from_millis(u64::try_from(age_ms).unwrap_or(0)))
    }

    /// An older snapshot at which the rollups answer a period nearly alone, if there is one.
    ///
    /// # Errors
    /// ClickHouse.
    pub async fn cheaper(&self, warehouse: &Warehouse, span: Span) -> Result<Option<Self>, Problem> {
        let org_id = &self.organisation.org_id;
        let Some(position) = cheap_position(warehouse, org_id, span, self.as_of.position).await? else {
            return Ok(None);
        };
        let (_, complete_through_ms) = frontier(warehouse, self.partition, Some(position)).await?;
        let as_of = AsOf::new(org_id, position, self.as_of.now_ms, self.as_of.zone);
        Ok(Some(Self { as_of, complete_through_ms, behind: true, ..self.clone() }))
    }
}

async fn organisation(warehouse: &Warehouse, org_id: &str) -> Result<Organisation, WarehouseError> {
    let query = warehouse.read(queries::ORGANISATION).param("org_id", org_id);
    let rows: Vec<OrganisationRow> = warehouse.fetch_all("reading the organisation", query).await?;
    Ok(match rows.into_iter().next() {
        Some(row) => Organisation {
            org_id: row.org_id,
            short_name: row.short_name,
            display_name: row.display_name,
            zone: row.time_zone.parse().unwrap_or(Tz::UTC),
        },
        None => Organisation {
            org_id: org_id.to_owned(),
            short_name: fit_for_file_names(org_id),
            display_name: org_id.to_owned(),
            zone: Tz::UTC,
        },
    })
}

/// As the directory's short names: lower-case letters, digits, hyphens.
fn fit_for_file_names(org_id: &str) -> String {
    let fit = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    org_id.chars().map(fit).take(64).collect()
}

/// The organisation's partition of the newest source. An older source counts no more: the newer one opened only when
/// every partition had reached its end.
fn partition_of(org_id: &str, sources: &[SourceRow]) -> Result<Partition, Problem> {
    let not_started = || {
        let detail =
            "No call was ever received, so there is nothing to show yet. Try again once ingest has started.";
        Problem::new(ProblemKind::NotStarted, detail)
    };
    let with_partitions = sources.iter().filter(|row| row.kind == "calls" && row.partitions > 0);
    let newest = with_partitions.max_by_key(|row| row.source).ok_or_else(not_started)?;
    let number = proto::partition_of(org_id.as_bytes(), u32::from(newest.partitions));
    let row = sources
        .iter()
        .find(|row| row.source == newest.source && u32::from(row.partition) == number)
        .ok_or_else(not_started)?;
    let start = Position::from_u64(row.start_position);
    let end = Position::before(newest.source.saturating_add(1), 0).unwrap_or(Position::from_u64(u64::MAX));
    Ok(Partition { number: row.partition, start, end })
}

/// The frontier of a partition, and through which append time the pinned position (else the frontier) is complete.
async fn frontier(
    warehouse: &Warehouse,
    partition: Partition,
    pinned: Option<Position>,
) -> Result<(Position, Option<i64>), WarehouseError> {
    let bound = |sql| {
        warehouse
            .read(sql)
            .param("partition", partition.number)
            .param("start", partition.start.as_u64())
            .param("end", partition.end.as_u64())
    };
    let at = pinned.unwrap_or(partition.end);
    let row: FrontierRow = warehouse
        .fetch_one("reading the frontier", bound(queries::FRONTIER).param("at", at.as_u64()))
        .await?;
    let known = |unix_ms: i64| (unix_ms > 0).then_some(unix_ms);
    if row.highest == 0 {
        return Ok((partition.start, None));
    }
    if partition.start.as_u64() + row.covered == row.highest {
        let complete_through_ms =
            if pinned.is_some() { row.pinned_complete_through } else { row.complete_through };
        return Ok((Position::from_u64(row.highest), known(complete_through_ms)));
    }
    let rows: Vec<IntervalRow> = warehouse.fetch_all("reading the batches", bound(queries::BATCHES)).await?;
    let interval =
        |row: &IntervalRow| (Position::from_u64(row.from_position), Position::from_u64(row.to_position));
    let frontier = warehouse::frontier(partition.start, rows.iter().map(interval));
    let at = pinned.unwrap_or(frontier).min(frontier);
    let covered = rows.iter().filter(|row| Position::from_u64(row.to_position) <= at);
    Ok((frontier, covered.map(|row| row.appended_at_ms).max()))
}
