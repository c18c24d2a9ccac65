//! The claim: ingest and rollup as they are deployed, until no passed bucket is left to compute.

use super::{Clock, Cost, Load, POLL};
use crate::engine;
use crate::machine::{Counted, peak_memory_kib};
use anyhow::{Result, bail};
use std::time::{Duration, Instant};
use system_tests::Room;
use warehouse::Warehouse;

/// Buckets of all levels that have passed, were touched, and have no row that knows all of their touches: the rule
/// of `warehouse::row_is_usable` at the present frontier. Organisations are in UTC.
const STALE_BUCKETS: &str = include_str!("stale_buckets.sql");

/// Lets our services take in the load and counts what it cost.
///
/// # Errors
/// If they do not count every message within an hour.
pub async fn measure(room: &Room, load: &Load<'_>) -> Result<Cost> {
    let warehouse = room.warehouse();
    let engine = engine::process()?;
    let clock = Clock::start(std::slice::from_ref(&engine))?;
    let mut ingest = room.start("ingest", &[]).await;
    let mut rollup = room.start("rollup", &[]).await;
    let services = ["ingest", "rollup"].map(str::to_owned).into_iter().zip([ingest.id(), rollup.id()]);
    let services: Vec<_> = services.map(|(name, pid)| Counted { name, pid }).collect();
    let clock = clock.with(&services);

    wait_until_counted(warehouse, load.messages).await?;
    let done = clock.read()?;
    engine::settle(warehouse, warehouse.database()).await?;
    let settled = clock.read()?;
    let peaks = services.iter().map(|service| Ok((service.name.clone(), peak_memory_kib(service.pid)?)));
    let peak_memory_kib = peaks.collect::<Result<_>>()?;
    ingest.stop();
    rollup.stop();
    Ok(Cost { done, settled, peak_memory_kib })
}

/// Waits until so many messages are read and no passed bucket is left to compute; the second question is dearer.
///
/// # Errors
/// If that takes more than an hour.
pub async fn wait_until_counted(warehouse: &Warehouse, messages: u64) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(3600);
    let (mut read, mut stale) = (0, 0);
    while Instant::now() < deadline {
        read = engine::number(
            warehouse,
            "SELECT toUInt64(sum(high - low)) FROM (SELECT max(to_position) AS high, min(from_position) AS low \
             FROM batches WHERE bitShiftRight(from_position, 48) IN (SELECT source FROM sources WHERE kind = 'calls') \
             GROUP BY partition)",
        )
        .await?;
        if read >= messages {
            stale = engine::number(warehouse, STALE_BUCKETS).await?;
            if stale == 0 {
                return Ok(());
            }
        }
        tokio::time::sleep(POLL).await;
    }
    bail!("after an hour {read} of {messages} messages are read and {stale} passed buckets are not computed")
}
