//! The baseline: ClickHouse's own Kafka table engine on the same broker, engine and topic.

use super::{Cost, Load};
use crate::engine;
use anyhow::{Context, Result, bail, ensure};
use std::time::{Duration, Instant};
use warehouse::Warehouse;

const SCHEMA: &str = include_str!("peer.sql");

/// The best of what was tried on two processors: one or two consumers, blocks of 65,536 to a million rows, texts or
/// dictionaries in the queue, with and without codecs in the ledger.
const CONSUMERS: u32 = 1;
const ROWS: u32 = 1_048_576;

/// Lets the peer take in the load and counts what it cost.
///
/// # Errors
/// If the engine refuses a statement or does not count every message within an hour.
pub async fn measure(warehouse: &Warehouse, load: &Load<'_>) -> Result<Cost> {
    let peer = Peer::prepare(warehouse, load).await?;
    let processes = [engine::process()?];
    let clock = super::Clock::start(&processes)?;
    peer.start(warehouse).await?;
    wait_until_counted(warehouse, &peer.database, load.messages).await?;
    let done = clock.read()?;
    engine::settle(warehouse, &peer.database).await?;
    let settled = clock.read()?;
    engine::drop_database(warehouse, &peer.database).await?;
    Ok(Cost { done, settled, peak_memory_kib: Vec::new() })
}

/// The peer's tables, not consuming yet.
pub struct Peer {
    /// Where they lie.
    pub database: String,
    start: String,
}

impl Peer {
    /// Makes its tables.
    ///
    /// # Errors
    /// If the engine refuses a statement.
    pub async fn prepare(warehouse: &Warehouse, load: &Load<'_>) -> Result<Self> {
        // The Kafka engine looks schema files up in a folder of the server.
        let contract = system_tests::repository().join("proto/ai_call.proto");
        let copy = engine::stack_dir()?.join("clickhouse/format_schemas/ai_call.proto");
        std::fs::copy(&contract, &copy)
            .with_context(|| format!("copying the contract to {}", copy.display()))?;
        let database = format!("peer_{}", load.name);
        let (preparation, start) = statements(&database, load);
        for statement in &preparation {
            warehouse.execute("making the peer's tables", warehouse.write(statement)).await?;
        }
        Ok(Self { database, start })
    }

    /// Lets it consume.
    ///
    /// # Errors
    /// If the engine refuses.
    pub async fn start(&self, warehouse: &Warehouse) -> Result<()> {
        Ok(warehouse.execute("starting the peer", warehouse.write(&self.start)).await?)
    }
}

/// The peer counts a message once it stands in all three tables.
async fn wait_until_counted(warehouse: &Warehouse, database: &str, messages: u64) -> Result<()> {
    // The ledger's count needs no data; the sums are only asked for once it is complete.
    let ledger = format!("SELECT count() FROM {database}.ai_calls");
    let sums = format!(
        "SELECT assumeNotNull(least((SELECT sum(calls) FROM {database}.usage_hourly), (SELECT sum(calls) FROM {database}.usage_monthly)))"
    );
    let (mut in_ledger, mut counted) = (0, 0);
    let mut progress_at = Instant::now();
    while progress_at.elapsed() < Duration::from_secs(60) {
        let rows = engine::number(warehouse, &ledger).await?;
        if rows != in_ledger {
            (in_ledger, progress_at) = (rows, Instant::now());
        }
        // Merges collapse the few repeats, so the ledger may end a little below the number of messages.
        if in_ledger >= messages - messages / 10_000 {
            counted = engine::number(warehouse, &sums).await?;
            if counted >= messages {
                ensure!(counted == messages, "the peer counts {counted} calls of {messages} messages");
                return Ok(());
            }
        }
        tokio::time::sleep(super::POLL).await;
    }
    let trouble = format!(
        "SELECT substring(arrayElement(exceptions.text, -1), 1, 300) FROM system.kafka_consumers WHERE database = '{database}' LIMIT 1"
    );
    let trouble: String = warehouse.fetch_one("asking what went wrong", warehouse.read(&trouble)).await?;
    bail!("the peer stands at {in_ledger} rows and {counted} of {messages} calls; it says: {trouble}")
}

/// Statements that prepare the peer, and the one that starts it.
fn statements(database: &str, load: &Load<'_>) -> (Vec<String>, String) {
    let values = [
        ("{database}", database.to_owned()),
        ("{brokers}", load.brokers.to_owned()),
        ("{topic}", load.topic.to_owned()),
        ("{consumers}", CONSUMERS.to_string()),
        ("{rows}", ROWS.to_string()),
    ];
    let text = values.iter().fold(SCHEMA.to_owned(), |text, (name, value)| text.replace(name, value));
    let mut statements: Vec<String> =
        text.split(';').map(|statement| statement.trim().to_owned()).filter(|s| !s.is_empty()).collect();
    let start = statements.pop().unwrap_or_default();
    (statements, start)
}
