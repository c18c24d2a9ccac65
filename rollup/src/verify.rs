//! Proves the rollups, the touches and the batches against the raw rows of the ledger.
//!
//! Nothing of how rows are computed is used here: no aggregation in SQL, no plan, no calendar. The ledger's rows stream
//! out in the order of their key, the first write of each identity is counted, and everything that claims to know the
//! ledger is compared with that. It works while everything runs: the frontiers are read first, and what lies behind
//! them is not judged.

mod batches;
mod cells;
mod report;
mod rows;
mod stream;
mod sweep;
mod texts;

pub use report::{Difference, Report, Summary};

use crate::frontier::{FrontierReader, Frontiers};
use crate::level::Level;
use crate::progress::Progress;
use crate::request::unix_seconds;
use crate::selection::Selection;
use anyhow::Context;
use batches::Coverage;
use chrono::{DateTime, Months, NaiveTime, Utc};
use hashbrown::HashMap;
use proto::Position;
use rows::{Call, FromBlock, Row, Touch};
use serde::Deserialize;
use service::shutdown::Shutdown;
use std::io::Write;
use stream::Stream;
use sweep::Sweep;
use warehouse::{BatchRow, Warehouse};

/// Most ledger rows of organisations that are gone through together; bounds what is remembered about rows whose
/// interval goes on behind a month.
const ROWS_AT_ONCE: u64 = 20_000_000;
/// Most organisations that are gone through together.
const ORGS_AT_ONCE: usize = 1000;

/// Verifies what is selected, and returns the counts. Batches are counted only when everything is selected.
///
/// # Errors
/// Whatever keeps it from finishing; what was found until then is reported.
pub async fn verify<W: Write>(
    warehouse: &Warehouse,
    selection: &Selection,
    shutdown: &Shutdown,
    report: Report<W>,
    progress: &Progress,
) -> anyhow::Result<Summary> {
    let mut reader = FrontierReader::default();
    let frontiers = (reader.read(warehouse).await?)
        .context("no source of calls is recorded: there is nothing to verify before ingest has run")?;
    let positions: Vec<Position> = frontiers.partitions.iter().map(|frontier| frontier.at).collect();
    let (coverage, differences) = read_batches(warehouse, &frontiers, &positions).await?;
    let mut sweep = Sweep::new(report, selection.is_everything().then_some(coverage), positions);
    for difference in differences {
        sweep.report.add(difference)?;
    }
    let extents = read_extents(warehouse, selection).await?;
    progress.begin("verify", extents.iter().map(|extent| extent.ledger_rows).sum());
    for run in runs(&extents) {
        for (since, until) in months(selection, run) {
            if shutdown.is_triggered() {
                anyhow::bail!("the end was asked for before everything was verified");
            }
            sweep_month(warehouse, selection, run, since, until, &mut sweep, progress).await?;
            sweep.end_month(until)?;
        }
        sweep.end_organisations()?;
    }
    progress.end();
    let reached = reader.read(warehouse).await?.context("the source of calls is gone")?;
    let reached: Vec<Position> = reached.partitions.iter().map(|frontier| frontier.at).collect();
    let mut report = sweep.finish(&reached)?;
    report.finish()?;
    Ok(report.summary)
}

/// Something of an organisation, anywhere.
#[derive(Clone, Debug, clickhouse::Row, Deserialize)]
struct Extent {
    org_id: String,
    ledger_rows: u64,
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

/// Neighbouring organisations that are gone through together.
fn runs(extents: &[Extent]) -> impl Iterator<Item = &[Extent]> {
    let mut rows = 0u64;
    let mut count = 0;
    extents.chunk_by(move |_, next| {
        rows += next.ledger_rows;
        count += 1;
        let goes_on = rows < ROWS_AT_ONCE && count < ORGS_AT_ONCE;
        if !goes_on {
            (rows, count) = (0, 0);
        }
        goes_on
    })
}

/// The spans of a run, each within a month of UTC, in Unix seconds: `[since, until)`. The tables are cut by months, so a
/// span's rows merge from few parts.
fn months(selection: &Selection, run: &[Extent]) -> Vec<(i64, i64)> {
    let (first, last) = selection.span();
    let since = run.iter().map(|extent| extent.since).min().unwrap_or(0).max(first);
    let until = run.iter().map(|extent| extent.until).max().unwrap_or(0).min(last);
    let mut months = Vec::new();
    let mut start = since.div_euclid(900) * 900;
    while start < until {
        let end = next_month(start).unwrap_or(until).min(until.saturating_add(899) / 900 * 900);
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

async fn sweep_month<W: Write>(
    warehouse: &Warehouse,
    selection: &Selection,
    run: &[Extent],
    since: i64,
    until: i64,
    sweep: &mut Sweep<W>,
    progress: &Progress,
) -> anyhow::Result<()> {
    let (Some(first), Some(last)) = (run.first(), run.last()) else { return Ok(()) };
    let query = |sql: &str| {
        warehouse
            .read(sql)
            .param("first_org", &first.org_id)
            .param("last_org", &last.org_id)
            .param("orgs", &selection.orgs)
            .param("since", unix_seconds(since))
            .param("until", unix_seconds(until))
            .param("since_ms", since * 1000)
            .param("until_ms", until * 1000)
    };
    let timeout = warehouse.timeout();
    let rows_of = |level: Level| {
        let sql = include_str!("../sql/verify_rows.sql").replace("<table>", level.table());
        Stream::<Row>::open("reading rollups", query(&sql), timeout)
    };
    let ledger = query(include_str!("../sql/verify_ledger.sql"));
    let mut calls = Stream::<Call>::open("reading the ledger", ledger, timeout)?;
    let touches = query(include_str!("../sql/verify_touches.sql"));
    let mut touches = Stream::<Touch>::open("reading the touches", touches, timeout)?;
    let mut levels = Vec::new();
    for level in Level::ALL {
        levels.push((level, rows_of(level)?));
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
                if let Some(row) = rows.pop().filter(|row| selection.holds(row.interval)) {
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
            progress.advance(here as u64);
            calls.fill(&mut sweep.texts).await?;
        }
    }
}
