//! Claim: `rollup verify`, `ingest verify` and `ingest verify --read-log` go through at least three million ledger rows a
//! second, against the engine's own bare scan of the columns that each of them reads.

use crate::generator::{Generator, Message, Size, Timeline, World};
use crate::ingest::wait_until_counted;
use crate::machine::peak_memory_kib;
use crate::publisher::Publisher;
use crate::report::{Report, milliseconds, per_second, ratio, thousands};
use crate::{engine, row};
use anyhow::{Context, Result, ensure};
use chrono::Months;
use service::clock;
use std::time::{Duration, Instant};
use system_tests::{PARTITIONS, Process, Room, Stack};
use warehouse::{Warehouse, calendar};

/// What is asked for three million of.
const ROWS_PER_SECOND: u64 = 3_000_000;

/// What is measured.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Calls of last month.
    #[arg(long, default_value_t = 20_000_000)]
    pub calls: u64,
    /// Organisations they belong to.
    #[arg(long, default_value_t = 200)]
    pub organisations: u32,
    /// How often each command runs; the fastest counts.
    #[arg(long, default_value_t = 3)]
    pub runs: u32,
}

impl Options {
    /// Small: half a minute.
    pub fn quick(self) -> Self {
        Self { calls: 300_000, organisations: 20, runs: 1 }
    }
}

/// One command, and what it reads.
struct Command {
    name: &'static str,
    binary: &'static str,
    arguments: &'static [&'static str],
    /// Columns of the ledger, for the bare scan.
    columns: &'static str,
}

const PLACE: &str = "partition, position";
const ALL: &str = "org_id, occurred_at, event_id, position, partition, appended_at, member_id, reason, provider, model, \
                   input_tokens, output_tokens, credits, provider_cost, currency";
const COMMANDS: [Command; 3] = [
    Command { name: "rollup verify", binary: "rollup", arguments: &["verify"], columns: ALL },
    Command { name: "ingest verify", binary: "ingest", arguments: &["verify"], columns: PLACE },
    Command {
        name: "ingest verify --read-log",
        binary: "ingest",
        arguments: &["verify", "--read-log"],
        columns: ALL,
    },
];

/// Fills a month, waits until the rollups stand, and verifies.
///
/// # Errors
/// If the stack fails, or something differs.
pub async fn run(seed: u64, options: &Options) -> Result<Report> {
    let stack = Stack::shared();
    let room = Room::new(&stack, "verify").await;
    room.create_topics().await;
    let mut workers = [room.start("ingest", &[]).await, room.start("rollup", &[]).await];
    fill(seed, options, &room).await?;
    for worker in &mut workers {
        worker.stop();
    }
    let warehouse = room.warehouse();
    engine::settle(warehouse, warehouse.database()).await?;
    let rows = engine::number(warehouse, "SELECT count() FROM ai_calls").await?;
    let mut table = vec![row![
        "command",
        "time",
        "ledger rows a second",
        "of 3,000,000",
        "bare scan of the same columns",
        "times the scan",
        "most memory"
    ]];
    for command in &COMMANDS {
        let (mut best, mut peak, mut scan) = (Duration::MAX, 0, Duration::MAX);
        for _ in 0..options.runs.max(1) {
            scan = scan.min(bare_scan(warehouse, command.columns).await?);
            let (time, kib) = timed(&room, command).await?;
            (best, peak) = (best.min(time), peak.max(kib));
        }
        let best_ms = u64::try_from(best.as_millis())?.max(1);
        table.push(row![
            command.name,
            milliseconds(best),
            per_second(rows, best_ms),
            ratio(u128::from(rows * 1000 / best_ms), u128::from(ROWS_PER_SECOND)),
            milliseconds(scan),
            ratio(best.as_micros(), scan.as_micros()),
            format!("{} MiB", peak / 1024)
        ]);
    }
    let version = engine::version(warehouse).await?;
    let mut rollups = 0;
    for level in ["usage_quarter_hourly", "usage_daily", "usage_monthly"] {
        rollups += engine::number(warehouse, &format!("SELECT count() FROM {level}")).await?;
    }
    engine::drop_database(warehouse, warehouse.database()).await?;
    Ok(Report::new("Proving the ledger", &version, seed)
        .fact("ledger rows", thousands(rows))
        .fact("organisations", options.organisations)
        .fact("rollup rows", thousands(rollups))
        .table(table)
        .note(
            "Each time is that of the whole process, from its start to its exit code 0: a difference would end the \
             measurement. The fastest of all runs counts, of the scan too. The scan reads the same columns of the whole \
             ledger inside the engine, in no order, compares nothing and sends nothing. With --read-log the time \
             is that of reading every message from the broker and judging it anew, beside the ledger's rows.",
        ))
}

async fn fill(seed: u64, options: &Options, room: &Room) -> Result<()> {
    let world = World::new(seed, Size { organisations: options.organisations, members_max: 2_000 });
    let last =
        clock::now().date_naive().checked_sub_months(Months::new(1)).context("there is no last month")?;
    let span = calendar::month(calendar::Tz::UTC, last);
    let timeline = Timeline::new(seed, (span.starts_at * 1000, span.ends_at * 1000), options.calls);
    let mut generator = Generator::new(&world, seed);
    let publisher =
        Publisher::new(&world, room.brokers(), &room.topic("calls"), PARTITIONS, Duration::from_millis(50))?;
    let mut message = Message::default();
    for _ in 0..options.calls {
        generator.next_of(&timeline, &mut message);
        publisher.send(&message)?;
    }
    publisher.flush()?;
    eprintln!("published {} calls", thousands(options.calls));
    wait_until_counted(room.warehouse(), options.calls).await?;
    // Merges rest when rollup has computed everything and nothing is written any more.
    engine::settle(room.warehouse(), room.warehouse().database()).await
}

/// Time and most memory of a whole process, which must find no difference.
async fn timed(room: &Room, command: &Command) -> Result<(Duration, u64)> {
    let started = Instant::now();
    let mut process: Process = room.spawn(command.binary, command.arguments, &[("TELEMETRY_LEVEL", "error")]);
    let mut peak = 0;
    // A process that has ended has no memory any more.
    while let Ok(kib) = peak_memory_kib(process.id()) {
        peak = kib;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let time = started.elapsed();
    ensure!(process.wait().success(), "{}: {}", command.name, process.log().join("\n"));
    eprintln!("{}: {}", command.name, milliseconds(time));
    Ok((time, peak))
}

async fn bare_scan(warehouse: &Warehouse, columns: &str) -> Result<Duration> {
    let started = Instant::now();
    // `ignore` reads its columns and answers 0.
    engine::number(warehouse, &format!("SELECT countIf(ignore({columns}) = 0) FROM ai_calls")).await?;
    Ok(started.elapsed())
}
