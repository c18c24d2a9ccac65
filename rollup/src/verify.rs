//! Proves the rollups, the touches and the batches against the raw rows of the ledger.
//!
//! Nothing of how rows are computed is used here: no aggregation in SQL, no plan, no calendar. The ledger's rows stream
//! out in the order of their key, the first write of each identity is counted, and everything that claims to know the
//! ledger is compared with that. It works while everything runs: the frontiers are read first, and what lies behind
//! them is not judged.

mod batches;
mod cells;
mod claims;
mod report;
mod rows;
mod stream;
mod sums;
mod sweep;
mod texts;

pub use report::{Difference, Report, Summary};
pub use sums::PartitionSums;

use crate::frontier::{FrontierReader, Frontiers};
use crate::level::Level;
use crate::progress::Progress;
use crate::queries;
use crate::request::unix_seconds;
use crate::selection::Selection;
use anyhow::Context;
use batches::Coverage;
use chrono::{DateTime, Months, NaiveTime, Utc};
use claims::Claims;
use hashbrown::HashMap;
use proto::Position;
use rows::{Call, FromBlock, Row, Touch};
use serde::Deserialize;
use service::shutdown::Shutdown;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::available_parallelism;
use stream::Stream;
use sweep::{Common, Sweep};
use tokio::task::JoinSet;
use warehouse::calendar::QUARTER_SECONDS;
use warehouse::{BatchRow, Warehouse, WarehouseError};

/// Most passes at once. Each holds a few blocks of every table, about 40 MB.
const PASSES_AT_ONCE_MAX: usize = 4;
/// Most ledger rows of organisations that are gone through together; bounds what is remembered about rows whose
/// interval goes on behind a month.
const ROWS_AT_ONCE: u64 = 20_000_000;
/// Most organisations that are gone through together.
const ORGS_AT_ONCE: usize = 1000;
/// Rows of the ledger and of touches in one block.
const ROWS_PER_BLOCK: u64 = 32_768;
/// Rows of days and months in one block: each can hold thousands of cells.
const BUCKETS_PER_BLOCK: u64 = 128;
/// Cells in one block of quarter hours, on average. Small blocks cost more than their rows.
const CELLS_PER_BLOCK: u64 = 50_000;

/// Verifies what is selected, and returns the counts. Batches are counted only when everything is selected.
///
/// # Errors
/// Whatever keeps it from finishing; what was found until then is reported.
pub async fn verify<W: Write + Send + 'static>(
    warehouse: &Warehouse,
    selection: &Selection,
    shutdown: &Shutdown,
    report: Report<W>,
    progress: &Progress,
) -> anyhow::Result<Summary> {
    let mut reader = FrontierReader::default();
    let frontiers = (reader.read(warehouse).await?)
        .context("no source of calls is recorded: there is nothing to verify before ingest has run")?;
    selection.refuse_nothing(&queries::touch_counts(warehouse, &selection.orgs).await?)?;
    // Before any row is read: what they claim is there by then, and stays.
    let claims = Claims::read(warehouse, &frontiers).await?;
    let positions: Vec<Position> = frontiers.partitions.iter().map(|frontier| frontier.at).collect();
    let (coverage, differences) = read_batches(warehouse, &frontiers, &positions).await?;
    let coverage = selection.is_everything().then_some(coverage);
    let common = Arc::new(Common {
        report: Mutex::new(report),
        coverage,
        frontiers: positions,
        claims,
        selection: selection.clone(),
    });
    for difference in differences {
        common.add(difference)?;
    }
    let extents = read_extents(warehouse, selection).await?;
    let total = extents.iter().map(|extent| extent.ledger_rows).sum();
    progress.begin("verify", total);
    let at_once = available_parallelism().map_or(1, |cores| cores.get().min(PASSES_AT_ONCE_MAX));
    let mut passes = JoinSet::new();
    let mut summary = Summary::default();
    let mut rows_go_through = vec![Position::ZERO; frontiers.partitions.len()];
    let mut take = |(counted, through): (Summary, Vec<Position>)| {
        summary.add(&counted);
        rows_go_through
            .iter_mut()
            .zip(through)
            .for_each(|(highest, through)| *highest = (*highest).max(through));
    };
    for run in runs(extents, total / at_once as u64 / 4) {
        if passes.len() == at_once
            && let Some(pass) = passes.join_next().await
        {
            take(pass.context("a pass panicked")??);
        }
        let pass = Pass {
            warehouse: warehouse.clone(),
            selection: selection.clone(),
            shutdown: shutdown.clone(),
            progress: progress.clone(),
            run,
        };
        passes.spawn(pass.sweep(Sweep::new(&common)));
    }
    while let Some(pass) = passes.join_next().await {
        take(pass.context("a pass panicked")??);
    }
    progress.end();
    let mut found = Vec::new();
    if let Some(coverage) = &common.coverage {
        summary.batches = coverage.compare(|difference| found.push(difference));
        coverage.compare_sums(&mut summary.partitions, |difference| found.push(difference));
    }
    let reached = reader.read(warehouse).await?.context("the source of calls is gone")?;
    found.extend(beyond_frontier(&rows_go_through, &reached));
    let mut report = common.report.lock().unwrap_or_else(PoisonError::into_inner);
    for difference in found {
        report.add(difference)?;
    }
    report.summary.add(&summary);
    report.finish()?;
    Ok(report.summary.clone())
}

/// Rollup rows that go through a position which no batch covers, now that everything was read: a batch is gone.
fn beyond_frontier<'a>(
    rows_go_through: &'a [Position],
    reached: &'a Frontiers,
) -> impl Iterator<Item = Difference> + 'a {
    let pairs = rows_go_through.iter().zip(&reached.partitions).enumerate();
    pairs.filter(|(_, (through, reached))| **through > reached.at).map(|(partition, (through, reached))| {
        Difference {
            kind: "rows_beyond_frontier",
            place: format!("partition {partition}"),
            expected: format!("batches up to {through}, through which rollup rows go"),
            found: format!("batches up to {}", reached.at),
        }
    })
}

/// Something of an organisation, anywhere.
#[derive(Clone, Debug, clickhouse::Row, Deserialize)]
struct Extent {
    org_id: String,
    ledger_rows: u64,
    quarter_rows: u64,
    since: i64,
    until: i64,
}

async fn read_extents(warehouse: &Warehouse, selection: &Selection) -> anyhow::Result<Vec<Extent>> {
    let query = warehouse.read(include_str!("../sql/verify_extent.sql")).param("orgs", &selection.orgs);
    Ok(warehouse.fetch_all("counting what there is to verify", query).await?)
}

async fn read_batches(
    warehouse: &Warehouse,
    frontiers: &Frontiers,
    positions: &[Position],
) -> anyhow::Result<(Coverage, Vec<Difference>)> {
    let mut sources = warehouse.sources().await?;
    sources.retain(|source| source.kind == "calls" && source.source <= frontiers.source);
    let mut batches: HashMap<(u16, u16), Vec<BatchRow>> = HashMap::new();
    for source in &sources {
        let rows = warehouse.batches(source.source, &[source.partition]).await?;
        batches.insert((source.source, source.partition), rows);
    }
    let of = |source, partition| batches.get(&(source, partition)).cloned().unwrap_or_default();
    Ok(Coverage::new(&sources, of, frontiers.source, positions))
}

/// Neighbouring organisations that one pass goes through, of about so many rows.
fn runs(extents: Vec<Extent>, rows: u64) -> Vec<Vec<Extent>> {
    let rows_max = rows.min(ROWS_AT_ONCE);
    let mut runs: Vec<Vec<Extent>> = Vec::new();
    let mut rows = 0;
    for extent in extents {
        match runs.last_mut() {
            Some(run) if rows < rows_max && run.len() < ORGS_AT_ONCE => {
                rows += extent.ledger_rows;
                run.push(extent);
            }
            _ => {
                rows = extent.ledger_rows;
                runs.push(vec![extent]);
            }
        }
    }
    runs
}

/// How many rows of quarter hours a block is to hold. A quarter hour has at most as many cells as calls.
fn quarters_per_block(run: &[Extent]) -> u64 {
    let sum = |of: fn(&Extent) -> u64| run.iter().map(of).sum::<u64>();
    let calls_per_quarter = sum(|extent| extent.ledger_rows) / sum(|extent| extent.quarter_rows).max(1);
    (CELLS_PER_BLOCK / calls_per_quarter.max(1)).clamp(BUCKETS_PER_BLOCK, ROWS_PER_BLOCK)
}

/// The spans of a run, each within a month of UTC, in Unix seconds: `[since, until)`. The tables are cut by months, so a
/// span's rows merge from few parts.
fn months(selection: &Selection, run: &[Extent]) -> Vec<(i64, i64)> {
    let (first, last) = selection.span();
    let since = run.iter().map(|extent| extent.since).min().unwrap_or(0).max(first);
    let until = run.iter().map(|extent| extent.until).max().unwrap_or(0).min(last);
    let mut months = Vec::new();
    let mut start = since.div_euclid(QUARTER_SECONDS) * QUARTER_SECONDS;
    while start < until {
        let end = next_month(start).filter(|end| *end < until).unwrap_or(until);
        months.push((start, end));
        start = end;
    }
    months
}

fn next_month(unix_seconds: i64) -> Option<i64> {
    let instant: DateTime<Utc> = DateTime::from_timestamp(unix_seconds, 0)?;
    let first =
        warehouse::calendar::first_of_month(instant.date_naive()).checked_add_months(Months::new(1))?;
    Some(first.and_time(NaiveTime::MIN).and_utc().timestamp())
}

/// What one pass needs.
struct Pass {
    warehouse: Warehouse,
    selection: Selection,
    shutdown: Shutdown,
    progress: Progress,
    run: Vec<Extent>,
}

impl Pass {
    async fn sweep<W: Write>(self, mut sweep: Sweep<W>) -> anyhow::Result<(Summary, Vec<Position>)> {
        for (since, until) in months(&self.selection, &self.run) {
            if self.shutdown.is_triggered() {
                anyhow::bail!("the end was asked for before everything was verified");
            }
            self.sweep_month(&mut sweep, since, until).await?;
            sweep.end_month(until)?;
        }
        Ok(sweep.finish()?)
    }

    async fn sweep_month<W: Write>(
        &self,
        sweep: &mut Sweep<W>,
        since: i64,
        until: i64,
    ) -> anyhow::Result<()> {
        let span = (since, until);
        let sql = include_str!("../sql/verify_ledger.sql");
        let mut calls: Stream<Call> = self.stream("reading the ledger", sql, ROWS_PER_BLOCK, span)?;
        let sql = include_str!("../sql/verify_touches.sql");
        let mut touches: Stream<Touch> = self.stream("reading the touches", sql, ROWS_PER_BLOCK, span)?;
        let mut levels: Vec<(Level, Stream<Row>)> = Vec::new();
        for level in Level::ALL {
            let sql = include_str!("../sql/verify_rows.sql").replace("<table>", level.table());
            let rows_per_block = match level {
                Level::Quarter => quarters_per_block(&self.run),
                Level::Day | Level::Month => BUCKETS_PER_BLOCK,
            };
            levels.push((level, self.stream("reading rollups", &sql, rows_per_block, span)?));
        }
        loop {
            calls.fill(&mut sweep.texts).await?;
            touches.fill(&mut sweep.texts).await?;
            for (_, rows) in &mut levels {
                rows.fill(&mut sweep.texts).await?;
            }
            let places = (calls.rest().first().map(FromBlock::place).into_iter())
                .chain(touches.rest().first().map(FromBlock::place))
                .chain(levels.iter().filter_map(|(_, rows)| rows.rest().first().map(FromBlock::place)));
            let texts = &sweep.texts;
            let Some(place) = places.min_by_key(|(org, instant)| (texts.text(*org), *instant)) else {
                return Ok(());
            };
            sweep.enter(place.0, place.1)?;
            for (level, rows) in &mut levels {
                while rows.rest().first().is_some_and(|row| row.place() == place) {
                    if let Some(row) = rows.pop().filter(|row| self.selection.holds(row.interval)) {
                        sweep.open(*level, row);
                    }
                    rows.fill(&mut sweep.texts).await?;
                }
            }
            while let Some(touch) = touches.rest().first().filter(|touch| touch.place() == place) {
                sweep.touch(touch);
                touches.take(1);
                touches.fill(&mut sweep.texts).await?;
            }
            loop {
                let here = calls.rest().iter().take_while(|call| call.place() == place).count();
                if here == 0 {
                    break;
                }
                sweep.calls(&calls.rest()[..here])?;
                calls.take(here);
                self.progress.advance(here as u64);
                calls.fill(&mut sweep.texts).await?;
            }
        }
    }

    fn stream<T: FromBlock>(
        &self,
        doing: &'static str,
        sql: &str,
        rows_per_block: u64,
        (since, until): (i64, i64),
    ) -> Result<Stream<T>, WarehouseError> {
        let org_id = |extent: Option<&Extent>| extent.map(|extent| extent.org_id.clone()).unwrap_or_default();
        let query = self
            .warehouse
            .read(sql)
            .with_setting("max_block_size", rows_per_block.to_string())
            .param("first_org", org_id(self.run.first()))
            .param("last_org", org_id(self.run.last()))
            .param("orgs", &self.selection.orgs)
            .param("since", unix_seconds(since))
            .param("until", unix_seconds(until))
            .param("since_ms", since * 1000)
            .param("until_ms", until * 1000);
        Stream::open(doing, query, self.warehouse.timeout())
    }
}
