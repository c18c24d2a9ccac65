//! Claim: what it costs that an insert is synced to disk before it is acknowledged, against the same inserts into a table
//! that differs in this alone.

use crate::generator::{Generator, Message, Size, Timeline, World};
use crate::report::{Report, milliseconds, percentile, ratio, thousands};
use crate::{engine, row};
use anyhow::{Context, Result};
use proto::Position;
use std::time::{Duration, Instant};
use system_tests::{Room, Stack};
use warehouse::{LedgerBlock, Warehouse};

/// What is measured.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Inserts of each size into each of the two tables.
    #[arg(long, default_value_t = 200)]
    pub inserts: u32,
}

impl Options {
    /// Small: some seconds.
    pub fn quick(self) -> Self {
        Self { inserts: 20 }
    }
}

/// Ledger rows of one insert: a trickle, a busy second, a batch of a backlog.
const ROWS: [u32; 3] = [100, 5_000, 50_000];
const SYNCED: &str = "ai_calls";
const PLAIN: &str = "ai_calls_unsynced";

/// Makes the second table, and inserts by turns.
///
/// # Errors
/// If the stack fails.
pub async fn run(seed: u64, options: &Options) -> Result<Report> {
    let stack = Stack::shared();
    let room = Room::new(&stack, "durability").await;
    let warehouse = room.warehouse();
    let unsynced = "fsync_after_insert = 0, fsync_part_directory = 0";
    for sql in [
        format!("CREATE TABLE {PLAIN} AS {SYNCED}"),
        format!("ALTER TABLE {PLAIN} MODIFY SETTING {unsynced}"),
    ] {
        warehouse.execute("making the second table", warehouse.write(&sql)).await?;
    }
    let world = World::new(seed, Size::default());
    let timeline = Timeline::new(seed, (0, 3_600_000), u64::from(options.inserts) * u64::from(ROWS[2]));
    let mut calls = Calls { generator: Generator::new(&world, seed), timeline, offset: 0 };
    let head =
        row!["rows of an insert", "synced", "not synced", "ratio", "p95 synced", "p95 not synced", "ratio"];
    let mut table = vec![head];
    for rows in ROWS {
        let (mut synced, mut plain) = (Vec::new(), Vec::new());
        for turn in 0..options.inserts {
            let mut pair = [(SYNCED, &mut synced), (PLAIN, &mut plain)];
            // Neither is always the first.
            if turn % 2 == 1 {
                pair.reverse();
            }
            let block = calls.block(rows)?;
            for (table, times) in pair {
                times.push(insert(warehouse, table, block.clone()).await?);
            }
        }
        engine::settle(warehouse, warehouse.database()).await?;
        synced.sort_unstable();
        plain.sort_unstable();
        let mut cells = row![thousands(u64::from(rows))];
        for percent in [50, 95] {
            let (with, without) = (percentile(&synced, percent), percentile(&plain, percent));
            cells.extend(row![
                milliseconds(with),
                milliseconds(without),
                ratio(with.as_micros(), without.as_micros())
            ]);
        }
        table.push(cells);
    }
    let version = engine::version(warehouse).await?;
    engine::drop_database(warehouse, warehouse.database()).await?;
    Ok(Report::new("What syncing costs", &version, seed)
        .fact("inserts of each size into each table", options.inserts)
        .table(table)
        .note(
            "Medians, then 95th percentiles, of one insert from its first byte to its acknowledgement, one at a time. Both \
             tables get the same bytes, as ingest sends them, by turns; merges go on as they like. How long a sync takes is the \
             disk's own: this is the price on this machine.",
        ))
}

/// Blocks of the ledger, one behind the other.
struct Calls<'w> {
    generator: Generator<'w>,
    timeline: Timeline,
    offset: i64,
}

impl Calls<'_> {
    fn block(&mut self, rows: u32) -> Result<Vec<bytes::Bytes>> {
        let (mut block, mut message) = (LedgerBlock::default(), Message::default());
        for _ in 0..rows {
            self.generator.next_of(&self.timeline, &mut message);
            let call = proto::decode_call(&message.payload)?;
            let position = Position::of_message(1, self.offset).context("an offset is out of range")?;
            block.push(&call, position, 0, call.occurred_at_ms());
            self.offset += 1;
        }
        Ok(block.encode())
    }
}

async fn insert(warehouse: &Warehouse, table: &str, block: Vec<bytes::Bytes>) -> Result<Duration> {
    let started = Instant::now();
    warehouse.insert_native("measuring", table, LedgerBlock::columns(), block).await?;
    Ok(started.elapsed())
}
