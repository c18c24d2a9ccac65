//! The engine under measurement: its process, its rest, and what it says about itself.

use crate::machine::Counted;
use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use warehouse::Warehouse;

/// The data folder of the stack that `benches/run` started.
///
/// # Errors
/// If it was not told.
pub fn stack_dir() -> Result<PathBuf> {
    std::env::var_os("AUDIT_TEST_STACK")
        .map(PathBuf::from)
        .context("AUDIT_TEST_STACK does not name a running stack: start with benches/run")
}

/// The engine's process.
///
/// # Errors
/// If it does not run.
pub fn process() -> Result<Counted> {
    let file = stack_dir()?.join("clickhouse.pid");
    let text = std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    let pid = text.trim().parse().with_context(|| format!("{} holds no number", file.display()))?;
    Ok(Counted { name: "engine".into(), pid })
}

/// Its version.
///
/// # Errors
/// If it does not answer.
pub async fn version(warehouse: &Warehouse) -> Result<String> {
    Ok(warehouse.fetch_one("asking for its version", warehouse.read("SELECT version()")).await?)
}

/// One number of a query.
///
/// # Errors
/// If the engine refuses it.
pub async fn number(warehouse: &Warehouse, sql: &str) -> Result<u64> {
    Ok(warehouse.fetch_one("counting", warehouse.read(sql)).await?)
}

/// Waits until a database's background merges have rested for three seconds.
///
/// # Errors
/// If they do not within ten minutes.
pub async fn settle(warehouse: &Warehouse, database: &str) -> Result<()> {
    const REST: Duration = Duration::from_secs(3);
    let sql = format!("SELECT count() FROM system.merges WHERE database = '{database}'");
    let deadline = Instant::now() + Duration::from_secs(600);
    let mut busy_at = Instant::now();
    while busy_at.elapsed() < REST {
        if number(warehouse, &sql).await? > 0 {
            busy_at = Instant::now();
        }
        if Instant::now() > deadline {
            bail!("merges in `{database}` did not end within ten minutes");
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    Ok(())
}

/// Drops a database, so that its merges do not disturb the next measurement.
///
/// # Errors
/// If the engine refuses.
pub async fn drop_database(warehouse: &Warehouse, database: &str) -> Result<()> {
    let query = warehouse.write(&format!("DROP DATABASE IF EXISTS {database} SYNC"));
    Ok(warehouse.execute("dropping what was measured", query).await?)
}
