//! Computing buckets: `INSERT … SELECT` inside ClickHouse, no row leaves it.
//!
//! A computed row is a function of its bucket and the position alone: the ledger up to there does not change, the
//! lowest position of each identity is one row, sums of decimals do not depend on order, and cells are sorted. So two
//! workers that compute the same bucket at the same position write the same bytes, and one that was frozen for an hour
//! and wakes up writes a row that loses to every newer one or is judged stale by whoever reads it.

use crate::chunks::{Weight, cut};
use crate::frontier::Frontiers;
use crate::level::Level;
use crate::metrics;
use crate::organisations::Organisations;
use crate::queries;
use crate::request::Request;
use crate::settings::WorkerSettings;
use crate::worklist::{Bucket, Due};
use hashbrown::HashMap;
use proto::Position;
use service::shutdown::Shutdown;
use std::time::Instant;
use warehouse::{Warehouse, WarehouseError, row_is_usable};

/// Most days of one statement: each brings the cells of up to 100 quarter hours.
const DAYS_PER_STATEMENT: usize = 200;
/// Most months of one statement: each brings the cells of up to 31 days, and the list of its days is a parameter.
const MONTHS_PER_STATEMENT: usize = 50;

/// Computes buckets at given frontiers.
pub struct Recompute<'a> {
    /// Where everything is.
    pub warehouse: &'a Warehouse,
    /// Names and zones.
    pub organisations: &'a Organisations,
    /// The positions to cut at, and the generation to write in.
    pub frontiers: &'a Frontiers,
    /// How the work is cut.
    pub settings: &'a WorkerSettings,
    /// Ends the work between two statements.
    pub shutdown: &'a Shutdown,
}

impl Recompute<'_> {
    /// Those of the buckets whose stored row fails the rule at the frontier.
    ///
    /// # Errors
    /// ClickHouse's.
    pub async fn without_usable_row(&self, level: Level, due: Vec<Due>) -> Result<Vec<Due>, WarehouseError> {
        let mut open = Vec::new();
        for piece in self.pieces(due, |_| 1, self.settings.buckets_per_statement, |due| due.bucket) {
            let buckets: Vec<Bucket> = piece.iter().map(|due| due.bucket).collect();
            let request = Request::new(Level::Quarter, &buckets, self.organisations, self.frontiers);
            let stored = queries::stored(self.warehouse, level, &request).await?;
            let through: HashMap<(&str, i64, i64), Position> = stored
                .iter()
                .map(|row| {
                    let key = (row.org_id.as_str(), i64::from(row.starts_at), i64::from(row.ends_at));
                    (key, Position::from_u64(row.through))
                })
                .collect();
            open.extend(piece.into_iter().filter(|due| {
                let Bucket { org, interval } = due.bucket;
                let key = (self.organisations.id(org), interval.starts_at, interval.ends_at);
                let partition = self.organisations.partition(org, self.frontiers.count());
                let at = self.frontiers.partitions[partition].at;
                through.get(&key).is_none_or(|through| !row_is_usable(*through, Some(due.last_touch), at))
            }));
        }
        Ok(open)
    }

    /// Computes buckets of one level and tells of each statement's buckets when they are stored. Returns early, without
    /// the rest, when the end is asked for.
    ///
    /// # Errors
    /// ClickHouse's. What was told of is stored; the rest can be asked for again.
    pub async fn compute(
        &self,
        level: Level,
        buckets: Vec<Bucket>,
        mut stored: impl FnMut(&[Bucket]),
    ) -> Result<(), WarehouseError> {
        let mut pieces = self.sized_pieces(level, buckets).await?;
        pieces.reverse();
        while let Some(mut piece) = pieces.pop() {
            if self.shutdown.is_triggered() {
                return Ok(());
            }
            let began = Instant::now();
            match self.insert(level, &piece).await {
                Ok(()) => {
                    metrics::computed(level, piece.len(), began.elapsed());
                    stored(&piece);
                }
                Err(error) if piece.len() > 1 && is_too_much(&error) => {
                    tracing::info!(
                        level = level.name(),
                        buckets = piece.len(),
                        "too much for one statement, halving it"
                    );
                    let half = piece.split_off(piece.len() / 2);
                    pieces.push(half);
                    pieces.push(piece);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn insert(&self, level: Level, buckets: &[Bucket]) -> Result<(), WarehouseError> {
        let request = Request::new(level, buckets, self.organisations, self.frontiers);
        let query = self
            .warehouse
            .write(&statement(level))
            // The rows of one statement have different keys: merging the block with itself would be for nothing.
            .with_setting("optimize_on_insert", "0")
            .param("generation", self.frontiers.generation);
        self.warehouse.execute("computing buckets", request.bind(query)).await
    }

    async fn sized_pieces(
        &self,
        level: Level,
        buckets: Vec<Bucket>,
    ) -> Result<Vec<Vec<Bucket>>, WarehouseError> {
        let most = self.settings.buckets_per_statement;
        match level {
            Level::Quarter => {
                let mut pieces = Vec::new();
                for piece in self.pieces(buckets, |_| 1, most, |bucket| *bucket) {
                    let rows = self.ledger_rows(&piece).await?;
                    let weight = |bucket: &Bucket| rows.get(bucket).copied().unwrap_or_default();
                    pieces.extend(self.pieces(piece, weight, most, |bucket| *bucket));
                }
                Ok(pieces)
            }
            Level::Day => Ok(self.pieces(buckets, |_| 1, most.min(DAYS_PER_STATEMENT), |bucket| *bucket)),
            Level::Month => Ok(self.pieces(buckets, |_| 1, most.min(MONTHS_PER_STATEMENT), |bucket| *bucket)),
        }
    }

    async fn ledger_rows(&self, quarters: &[Bucket]) -> Result<HashMap<Bucket, u64>, WarehouseError> {
        let request = Request::new(Level::Quarter, quarters, self.organisations, self.frontiers);
        let sizes = queries::sizes(self.warehouse, &request).await?;
        let rows: HashMap<(&str, i64), u64> = sizes
            .iter()
            .map(|size| ((size.org_id.as_str(), i64::from(size.quarter)), size.ledger_rows))
            .collect();
        let of = |bucket: &Bucket| {
            let key = (self.organisations.id(bucket.org), bucket.interval.starts_at);
            (*bucket, rows.get(&key).copied().unwrap_or_default())
        };
        Ok(quarters.iter().map(of).collect())
    }

    /// Cuts items into statements. Sorted by organisation and time, as the tables are: what a statement reads lies
    /// together.
    fn pieces<T>(
        &self,
        mut items: Vec<T>,
        rows: impl Fn(&T) -> u64,
        buckets_max: usize,
        bucket_of: impl Fn(&T) -> Bucket,
    ) -> Vec<Vec<T>> {
        items.sort_unstable_by_key(|item| bucket_of(item));
        let mut last = None;
        let weights: Vec<Weight> = items
            .iter()
            .map(|item| {
                let org = bucket_of(item).org;
                let same_org = last.replace(org) == Some(org);
                Weight { rows: rows(item), org_bytes: self.organisations.id(org).len(), same_org }
            })
            .collect();
        let mut items = items.into_iter();
        cut(&weights, self.settings.rows_per_statement, buckets_max)
            .into_iter()
            .map(|length| items.by_ref().take(length).collect())
            .collect()
    }
}

/// Too much memory (241) or time (159, or our own limit): half of it may go through.
fn is_too_much(error: &WarehouseError) -> bool {
    matches!(error.code(), Some(241 | 159)) || matches!(error, WarehouseError::Timeout { .. })
}

/// The statement of a level. What levels share stands in files of its own.
fn statement(level: Level) -> String {
    let statement = match level {
        Level::Quarter => include_str!("../sql/quarters.sql"),
        Level::Day => include_str!("../sql/days.sql"),
        Level::Month => include_str!("../sql/months.sql"),
    };
    let rows_below = |below, level: Level| {
        let rows = include_str!("../sql/rows_below.sql");
        rows.replace("{{below}}", below).replace("{{table}}", level.table())
    };
    [
        ("{{columns}}", include_str!("../sql/columns.sql")),
        ("{{targets}}", include_str!("../sql/targets.sql")),
        ("{{touched}}", include_str!("../sql/touched.sql")),
        ("{{rows_of_days}}", &rows_below("days", Level::Day)),
        ("{{quarter_slots}}", include_str!("../sql/quarter_slots.sql")),
        ("{{rows_of_quarters}}", &rows_below("quarters", Level::Quarter)),
        ("{{ledger_slots}}", include_str!("../sql/ledger_slots.sql")),
        ("{{ledger}}", include_str!("../sql/ledger.sql")),
        ("{{fold}}", include_str!("../sql/fold.sql")),
    ]
    .iter()
    .fold(statement.to_owned(), |statement, (name, part)| statement.replace(name, part.trim()))
}
