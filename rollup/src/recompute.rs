//! Computing buckets: `INSERT … SELECT` inside ClickHouse, no row of the ledger leaves it.
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
use crate::plan::{self, Plan, SLOTS_MAX};
use crate::queries::{self, ToldAgain};
use crate::request::Request;
use crate::settings::WorkerSettings;
use crate::statement::{Fold, statement};
use crate::worklist::{Bucket, Due};
use hashbrown::HashMap;
use proto::Position;
use service::shutdown::Shutdown;
use std::time::Instant;
use warehouse::calendar::{Interval, Tz};
use warehouse::{Warehouse, WarehouseError, row_is_usable};

/// Most days of one statement: each has up to 100 slots.
const DAYS_PER_STATEMENT: usize = 50;
/// Most months of one statement: each has up to 31 slots where its days are there.
const MONTHS_PER_STATEMENT: usize = 150;

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

/// What came of a statement.
enum Outcome {
    Stored,
    /// It was too much for one statement.
    TooMuch,
}

impl Recompute<'_> {
    /// Those of the buckets whose stored row fails the rule at the frontier, each with the position that its row was cut
    /// at, which is zero where there is none.
    ///
    /// # Errors
    /// ClickHouse's.
    pub async fn without_usable_row(
        &self,
        level: Level,
        due: Vec<Due>,
    ) -> Result<Vec<(Bucket, Position)>, WarehouseError> {
        let mut open = Vec::new();
        for piece in self.pieces(due, |due| due.bucket, |_| 0, self.settings.buckets_per_statement) {
            let buckets: Vec<Bucket> = piece.iter().map(|due| due.bucket).collect();
            let request = self.request(&buckets);
            let stored = queries::stored(self.warehouse, level, &request).await?;
            let through: HashMap<_, _> =
                stored.iter().map(|row| ((row.org_id.as_str(), row.interval()), row.through())).collect();
            open.extend(piece.iter().filter_map(|due| {
                let Bucket { org, interval } = due.bucket;
                let partition = self.organisations.partition(org, self.frontiers.count());
                let at = self.frontiers.partitions[partition].at;
                let through = through.get(&(self.organisations.id(org), interval)).copied();
                let is_open = through.is_none_or(|through| !row_is_usable(through, Some(due.last_touch), at));
                is_open.then_some((due.bucket, through.unwrap_or(Position::ZERO)))
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
        mut stored: impl FnMut(usize),
    ) -> Result<(), WarehouseError> {
        let mut pieces = self.sized_pieces(level, buckets).await?;
        pieces.reverse();
        while let Some(mut piece) = pieces.pop() {
            if self.shutdown.is_triggered() {
                return Ok(());
            }
            let began = Instant::now();
            match self.insert(level, &piece).await? {
                Outcome::Stored => {
                    metrics::computed(level, piece.len(), began.elapsed());
                    stored(piece.len());
                }
                Outcome::TooMuch => {
                    tracing::debug!(
                        level = level.name(),
                        buckets = piece.len(),
                        "too much for one statement, halving it"
                    );
                    let half = piece.split_off(piece.len() / 2);
                    pieces.extend([half, piece]);
                }
            }
        }
        Ok(())
    }

    /// Messages that told again of a call of these quarter hours, which were computed just now. Each bucket comes with the
    /// position that it was cut at before: what lies up to there was counted then.
    ///
    /// # Errors
    /// ClickHouse's.
    pub async fn told_again(&self, quarters: Vec<(Bucket, Position)>) -> Result<ToldAgain, WarehouseError> {
        let most = self.settings.buckets_per_statement;
        let mut told = ToldAgain::default();
        for piece in self.pieces(quarters, |(bucket, _)| *bucket, |_| 0, most) {
            let buckets: Vec<Bucket> = piece.iter().map(|(bucket, _)| *bucket).collect();
            let rows = self.ledger_rows(&buckets).await?;
            let counted = queries::calls_of(self.warehouse, &self.request(&buckets)).await?;
            let calls: HashMap<(&str, i64), u64> =
                counted.iter().map(|row| ((row.org_id.as_str(), row.quarter.into()), row.calls)).collect();
            let rows_of = |(bucket, _): &(Bucket, Position)| rows.get(bucket).copied().unwrap_or_default();
            let has_more_rows_than_calls = |quarter: &(Bucket, Position)| {
                let key = (self.organisations.id(quarter.0.org), quarter.0.interval.starts_at);
                rows_of(quarter) > calls.get(&key).copied().unwrap_or_default()
            };
            let suspects = piece.into_iter().filter(has_more_rows_than_calls).collect();
            for piece in self.pieces(suspects, |(bucket, _)| *bucket, rows_of, most) {
                let since: HashMap<(&str, Interval), Position> = (piece.iter())
                    .map(|(bucket, since)| ((self.organisations.id(bucket.org), bucket.interval), *since))
                    .collect();
                let request = self.request(&piece.iter().map(|(bucket, _)| *bucket).collect::<Vec<_>>());
                let since_of = |(place, interval): &(u64, Interval)| {
                    let org = request.orgs[*place as usize - 1].as_str();
                    since.get(&(org, *interval)).copied().unwrap_or(Position::ZERO).as_u64()
                };
                let sinces: Vec<u64> = request.buckets.iter().map(since_of).collect();
                let ToldAgain { repeats, conflicts } =
                    queries::told_again(self.warehouse, &request, &sinces).await?;
                told.repeats += repeats;
                told.conflicts += conflicts;
            }
        }
        Ok(told)
    }

    async fn insert(&self, level: Level, buckets: &[Bucket]) -> Result<Outcome, WarehouseError> {
        let request = self.request(buckets);
        let can_be_halved = buckets.len() > 1;
        let mut fold = Fold::ByNumbers;
        loop {
            let plan = self.plan(level, &request, buckets).await?;
            if plan.len() > SLOTS_MAX && can_be_halved {
                return Ok(Outcome::TooMuch);
            }
            let query = statement(self.warehouse, level, &request, &plan, fold, self.frontiers.generation);
            match self.warehouse.execute("computing buckets", query).await {
                Ok(()) => return Ok(Outcome::Stored),
                Err(error) => match Failure::of(&error) {
                    Some(Failure::TooMuch | Failure::TooManyTexts) if can_be_halved => {
                        return Ok(Outcome::TooMuch);
                    }
                    Some(Failure::TooManyTexts) if fold == Fold::ByNumbers => {
                        tracing::debug!(
                            level = level.name(),
                            "too many combinations of texts, folding by texts"
                        );
                        fold = Fold::ByTexts;
                    }
                    Some(Failure::Replaced) => {
                        tracing::debug!(level = level.name(), "a planned row was replaced, planning again")
                    }
                    _ => return Err(error),
                },
            }
        }
    }

    /// Reads what the plan of a request depends on, level by level.
    async fn plan(
        &self,
        level: Level,
        request: &Request,
        buckets: &[Bucket],
    ) -> Result<Plan, WarehouseError> {
        if level == Level::Quarter {
            return Ok(Plan { ledger: plan::ledger_slots(request), ..Plan::default() });
        }
        let touched = queries::touched_in(self.warehouse, request).await?;
        let mut quarters = plan::quarter_slots(request, &touched);
        let mut days = Vec::new();
        if level == Level::Month {
            let zones: HashMap<&str, Tz> = buckets
                .iter()
                .map(|bucket| (self.organisations.id(bucket.org), self.organisations.zone(bucket.org)))
                .collect();
            let zone_of = |place: u64| {
                zones.get(request.orgs[place as usize - 1].as_str()).copied().unwrap_or_default()
            };
            let slots = plan::day_slots(request, &quarters, zone_of);
            let (pinned, open) = self.choose(Level::Day, request, slots).await?;
            quarters = plan::inside(quarters, &open);
            days = pinned;
        }
        let (quarters, ledger) = self.choose(Level::Quarter, request, quarters).await?;
        Ok(Plan { days, quarters, ledger })
    }

    async fn choose(
        &self,
        level: Level,
        request: &Request,
        slots: Vec<plan::Slot>,
    ) -> Result<(Vec<plan::Pinned>, Vec<plan::Slot>), WarehouseError> {
        let mut stored = Vec::new();
        for piece in slots.chunks(SLOTS_MAX) {
            let asked = request.with_buckets(piece.iter().map(|slot| (slot.org, slot.interval)));
            stored.extend(queries::stored(self.warehouse, level, &asked).await?);
        }
        Ok(plan::choose(request, slots, &stored))
    }

    async fn sized_pieces(
        &self,
        level: Level,
        buckets: Vec<Bucket>,
    ) -> Result<Vec<Vec<Bucket>>, WarehouseError> {
        let bucket = |bucket: &Bucket| *bucket;
        let most = self.settings.buckets_per_statement;
        match level {
            Level::Quarter => {
                let mut pieces = Vec::new();
                for piece in self.pieces(buckets, bucket, |_| 0, most) {
                    let rows = self.ledger_rows(&piece).await?;
                    let rows_of = |bucket: &Bucket| rows.get(bucket).copied().unwrap_or_default();
                    pieces.extend(self.pieces(piece, bucket, rows_of, most));
                }
                Ok(pieces)
            }
            Level::Day => Ok(self.pieces(buckets, bucket, |_| 0, most.min(DAYS_PER_STATEMENT))),
            Level::Month => Ok(self.pieces(buckets, bucket, |_| 0, most.min(MONTHS_PER_STATEMENT))),
        }
    }

    async fn ledger_rows(&self, quarters: &[Bucket]) -> Result<HashMap<Bucket, u64>, WarehouseError> {
        let sizes = queries::sizes(self.warehouse, &self.request(quarters)).await?;
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
        bucket_of: impl Fn(&T) -> Bucket,
        rows_of: impl Fn(&T) -> u64,
        buckets_max: usize,
    ) -> Vec<Vec<T>> {
        items.sort_unstable_by_key(|item| bucket_of(item));
        let mut last = None;
        let weights: Vec<Weight> = items
            .iter()
            .map(|item| {
                let org = bucket_of(item).org;
                let same_org = last.replace(org) == Some(org);
                Weight { rows: rows_of(item), org_bytes: self.organisations.id(org).len(), same_org }
            })
            .collect();
        let mut items = items.into_iter();
        cut(&weights, self.settings.rows_per_statement, buckets_max)
            .into_iter()
            .map(|length| items.by_ref().take(length).collect())
            .collect()
    }

    fn request(&self, buckets: &[Bucket]) -> Request {
        Request::new(buckets, self.organisations, self.frontiers)
    }
}

/// Failures of a statement that this module can do something about.
enum Failure {
    /// Too much memory (241) or time (159, or our own limit): half of it may go through.
    TooMuch,
    /// The texts have too many combinations for one integer.
    TooManyTexts,
    /// A row of the plan has been replaced by a newer one meanwhile.
    Replaced,
}

impl Failure {
    fn of(error: &WarehouseError) -> Option<Self> {
        const THROWN_BY_STATEMENT: i32 = 395;
        match error.code() {
            Some(241 | 159) => Some(Self::TooMuch),
            Some(THROWN_BY_STATEMENT) => {
                let text = service::error::chain(error);
                if text.contains("too many combinations") {
                    Some(Self::TooManyTexts)
                } else {
                    Some(Self::Replaced)
                }
            }
            _ => matches!(error, WarehouseError::Timeout { .. }).then_some(Self::TooMuch),
        }
    }
}
