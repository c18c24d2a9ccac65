//! `ingest record-loss`.

use super::{LossArgs, Tools};
use crate::topic::Kind;
use anyhow::ensure;
use proto::Position;
use warehouse::{BatchRow, chain, chain_end};

/// Writes a batch row that covers offsets which Kafka does not have any more.
///
/// A worker that was killed may have inserted some of them into the ledger, without their batch row and perhaps without
/// their touches. They count as soon as the row is there, so they are touched before.
pub async fn record(tools: &Tools, args: &LossArgs) -> anyhow::Result<()> {
    let kind: Kind = args.topic.into();
    let source = tools.open_source(kind).await?;
    tools.ensure_no_workers("they may still hold messages that are to be recorded as lost").await?;
    let partition = args.partition;
    ensure!(
        partition < source.identity.partitions,
        "topic `{}` has no partition {partition}, only 0 to {}",
        source.identity.topic,
        source.identity.partitions - 1
    );
    let rows = tools.warehouse.batches(source.number, &[partition]).await?;
    let start = source.extents[usize::from(partition)].start;
    let chain = chain(start, &rows);
    let from = chain_end(start, &chain);
    let topic = source.identity.topic.clone();
    let log = tools.cluster.ask(move |cluster| cluster.bounds(&topic, partition)).await?;
    ensure!(
        args.through >= from.next_offset(),
        "the ledger has offset {} already; it goes to {}",
        args.through,
        from.next_offset()
    );
    ensure!(
        args.through < log.start,
        "offset {} is not gone: the log starts at {}; up to {} can be recorded as lost",
        args.through,
        log.start,
        log.start - 1
    );
    let to = Position::of_message(source.number, args.through)?;
    let (touches, ledger_rows) = match kind {
        Kind::Calls => tools.warehouse.held_within(partition, from, to).await?,
        // Names are overwritten by later ones; nothing is summed.
        Kind::Directory => (Vec::new(), 0),
    };
    tools.warehouse.insert_rows("touching what was saved", "touches", &touches).await?;
    let row = BatchRow {
        partition,
        from_position: from.as_u64(),
        to_position: to.as_u64(),
        ledger_rows,
        dead_letters: 0,
        rerouted: 0,
        empty_offsets: 0,
        lost: to.as_u64() - from.as_u64() - ledger_rows,
        // When the lost messages were appended is not known; the statement of the rows before still holds.
        appended_at: chain.iter().map(|row| row.appended_at).max().unwrap_or(0),
    };
    tools.warehouse.insert_rows("recording a loss", "batches", &[row]).await?;
    println!(
        "recorded: {} offsets of topic `{}`, partition {partition}, are lost ({} to {}; {ledger_rows} of these were in \
         the ledger and count); ingest goes on at {}",
        row.lost,
        source.identity.topic,
        from.next_offset(),
        args.through,
        to.next_offset()
    );
    Ok(())
}
