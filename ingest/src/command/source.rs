//! `ingest source show`, `open` and `close`.

use super::Tools;
use crate::prepare;
use crate::source::{Source, all_bounds};
use crate::topic::Kind;
use anyhow::{Context, bail, ensure};
use proto::{OFFSET_MAX, Position};
use rdkafka::error::KafkaError;
use warehouse::{BatchRow, chain, chain_end, frontier};

/// Lists all sources.
pub async fn show(tools: &Tools) -> anyhow::Result<()> {
    let rows = tools.warehouse.sources().await?;
    if rows.is_empty() {
        println!("no source was opened yet");
    }
    for row in rows {
        let end = match row.end_position {
            0 => "open".to_owned(),
            end => format!("closed at offset {}", Position::from_u64(end).next_offset()),
        };
        println!(
            "source {}: {} of topic `{}` (id {}, cluster {}), partition {} from offset {}, {end}",
            row.source,
            row.kind,
            row.topic,
            row.topic_id,
            row.cluster_id,
            row.partition,
            Position::from_u64(row.start_position).next_offset(),
        );
    }
    Ok(())
}

/// Begins a source.
pub async fn open(tools: &Tools, kind: Kind) -> anyhow::Result<()> {
    let rows = tools.warehouse.sources().await?;
    if let Some(source) = Source::newest(&rows, kind)? {
        ensure!(
            source.is_closed(),
            "source {} is still open; end it with `ingest source close --topic {}`",
            source.number,
            kind.as_str()
        );
    }
    prepare::open(&tools.settings.kafka, &tools.warehouse, &tools.cluster, &rows, &[kind]).await?;
    show(tools).await
}

/// Records the end of the open source.
pub async fn close(tools: &Tools, kind: Kind, at_frontier: bool) -> anyhow::Result<()> {
    let rows = tools.warehouse.sources().await?;
    let mut source = Source::newest(&rows, kind)?.context("no source was opened yet")?;
    ensure!(!source.is_closed(), "source {} is closed already", source.number);
    match tools.ensure_no_workers("they would read on behind the end").await {
        // The topic's cluster may be gone for good.
        Err(error) if at_frontier && error.is::<KafkaError>() => {}
        checked => checked?,
    }
    let partitions: Vec<u16> = (0..source.identity.partitions).collect();
    let batches = tools.warehouse.batches(source.number, &partitions).await?;
    let ends = if at_frontier {
        let ends = ends_of_ledger(&source, &batches);
        delete_beyond(tools, source.number, &ends).await?;
        ends
    } else {
        ends_of_log(tools, &source, &batches).await?
    };
    for (extent, end) in source.extents.iter_mut().zip(ends) {
        extent.end = Some(end);
    }
    tools.warehouse.insert_rows("recording the end of a source", "sources", &source.rows()).await?;
    show(tools).await
}

/// Where the ledger is.
fn ends_of_ledger(source: &Source, batches: &[BatchRow]) -> Vec<Position> {
    let ends = (0..).zip(&source.extents).map(|(partition, extent)| {
        let rows = batches.iter().filter(|row: &&BatchRow| row.partition == partition);
        frontier(extent.start, rows.map(BatchRow::interval))
    });
    ends.collect()
}

/// What a killed worker had inserted without its batch row was never counted, and must not be once the next source has
/// moved everybody's position beyond it.
async fn delete_beyond(tools: &Tools, number: u16, ends: &[Position]) -> anyhow::Result<()> {
    let last = Position::of_message(number, OFFSET_MAX as i64)?;
    for (partition, end) in (0..).zip(ends) {
        tools.warehouse.delete_ledger_rows(partition, *end, last).await?;
    }
    Ok(())
}

/// Where the log is, if the ledger is there too.
async fn ends_of_log(tools: &Tools, source: &Source, batches: &[BatchRow]) -> anyhow::Result<Vec<Position>> {
    tools.open_source(source.kind).await?;
    let identity = source.identity.clone();
    let bounds = tools.cluster.ask(move |cluster| all_bounds(cluster, &identity)).await?;
    let mut ends = Vec::new();
    let mut missing = Vec::new();
    for ((partition, extent), log) in (0..).zip(&source.extents).zip(bounds) {
        let rows: Vec<BatchRow> = batches.iter().filter(|row| row.partition == partition).copied().collect();
        let end = chain_end(extent.start, &chain(extent.start, &rows));
        if end.next_offset() != log.end {
            missing.push(format!(
                "partition {partition}: the ledger goes to {}, the log to {}",
                end.next_offset(),
                log.end
            ));
        }
        ends.push(end);
    }
    if !missing.is_empty() {
        bail!(
            "not everything in topic `{}` is in the ledger: {}. Stop the emitters, let a worker run until \
             ingest_lag_messages is 0, stop it, and try again",
            source.identity.topic,
            missing.join("; ")
        );
    }
    Ok(ends)
}
