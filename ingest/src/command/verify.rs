//! `ingest verify`: that every offset the broker has given out has its one named end.
//!
//! `rollup verify` proves the ledger and all that is made of it; this proves, against the broker, that nothing is missing
//! in the ledger: distinct positions read = ledger rows + dead letters + rerouted, without a gap. It may run at any time:
//! the batches are read first, and all else only grows.

mod log;
mod proof;

use super::dead_letters::{Place, each, place_in};
use super::{Tools, reading};
use crate::source::Source;
use crate::topic::Kind;
use anyhow::{bail, ensure};
use clap::Args;
use log::Log;
use proof::{Difference, Partition};
use proto::Position;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use warehouse::BatchRow;

/// How much to prove.
#[derive(Debug, Clone, Args)]
pub struct VerifyArgs {
    /// Read the log too, as far as the broker still has it, and compare offset by offset; else the counts of each batch
    #[arg(long)]
    read_log: bool,
}

/// Positions that are asked for at once: 80 MB.
const POSITIONS_AT_ONCE: i64 = 10_000_000;

/// Proves the open sources, and prints what each partition holds and every difference.
///
/// # Errors
/// If there is a difference, or it could not be verified.
pub async fn verify(tools: &Tools, args: VerifyArgs) -> anyhow::Result<()> {
    let mut differences = 0;
    for kind in Kind::ALL {
        let source = tools.open_source(kind).await?;
        println!("source {}: {} of topic `{}`", source.number, kind.as_str(), source.identity.topic);
        differences += match kind {
            Kind::Calls => verify_calls(tools, &source, args.read_log).await?,
            Kind::Directory => verify_coverage(tools, &source).await?.1,
        };
    }
    ensure!(differences == 0, "{differences} differences");
    println!("0 differences");
    Ok(())
}

/// Looks at the batches of each partition and the bounds of its log, and prints both.
async fn verify_coverage(tools: &Tools, source: &Source) -> anyhow::Result<(Vec<Partition>, u64)> {
    let numbers: Vec<u16> = (0..source.identity.partitions).collect();
    let batches = tools.warehouse.batches(source.number, &numbers).await?;
    let identity = source.identity.clone();
    let bounds = tools.cluster.ask(move |cluster| crate::source::all_bounds(cluster, &identity)).await?;
    let (mut partitions, mut differences) = (Vec::new(), 0);
    for ((number, extent), log) in (0u16..).zip(&source.extents).zip(bounds) {
        let rows: Vec<BatchRow> = batches.iter().filter(|row| row.partition == number).copied().collect();
        let (partition, found) = Partition::new(extent.start, &rows, log);
        let [rows, dead, rerouted, empty, lost] = partition.counts().ends;
        println!(
            "  partition {number}: offsets {} to {} = {rows} rows + {dead} dead letters + {rerouted} rerouted + {empty} \
             without a message + {lost} lost; {} of the log are not read yet",
            partition.start.next_offset(),
            partition.frontier.next_offset(),
            log.end - partition.frontier.next_offset(),
        );
        differences += print(number, &found);
        partitions.push(partition);
    }
    Ok((partitions, differences))
}

async fn verify_calls(tools: &Tools, source: &Source, reads_log: bool) -> anyhow::Result<u64> {
    let (partitions, mut differences) = verify_coverage(tools, source).await?;
    let letters = letters(tools, source).await?;
    let log = if reads_log { Some(Log::read(tools, source, &partitions).await?) } else { None };
    let is_renewed = tools
        .warehouse
        .sources()
        .await?
        .iter()
        .any(|row| row.topic == source.identity.topic && row.topic_id != source.identity.topic_id);
    for (number, partition) in (0u16..).zip(&partitions) {
        let letters: Vec<i64> = letters
            .iter()
            .filter(|place| place.partition == i32::from(number))
            .map(|place| place.offset)
            .collect();
        let rows = offsets_of_rows(tools, number, partition).await?;
        let mut found = partition.compare_counts(&rows, &letters, is_renewed);
        if let Some(log) = &log {
            let held = log.of(number);
            found.extend(partition.compare_log(held.first, &held.ends, &rows, &letters, &held.sent_on));
        }
        differences += print(number, &found);
    }
    Ok(differences)
}

/// Offsets of a partition that have a ledger row, up to the frontier.
async fn offsets_of_rows(tools: &Tools, number: u16, partition: &Partition) -> anyhow::Result<Vec<i64>> {
    let mut offsets = Vec::new();
    let (mut from, source) = (partition.start, partition.start.source());
    while from < partition.frontier {
        let to = Position::before(source, from.next_offset() + POSITIONS_AT_ONCE)?.min(partition.frontier);
        let positions = tools.warehouse.ledger_positions(number, from, to).await?;
        offsets.extend(positions.into_iter().map(|raw| Position::from_u64(raw).next_offset() - 1));
        from = to;
    }
    Ok(offsets)
}

/// Where the dead letters of the source's topic were found, in order, each once.
async fn letters(tools: &Tools, source: &Source) -> anyhow::Result<BTreeSet<Place>> {
    let (settings, topic) = (tools.settings.kafka.clone(), source.identity.topic.clone());
    tokio::task::spawn_blocking(move || {
        let spans = reading::whole(&settings, &settings.dead_letter_topic)?;
        if spans.values().any(|span| span.start > 0) {
            bail!(
                "messages of topic `{}` were deleted; dead letters must be kept",
                settings.dead_letter_topic
            );
        }
        let mut found = BTreeSet::new();
        each(&settings, &spans, |_, all| {
            found.extend(Some(place_in(all)).filter(|place| place.topic == topic));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    })
    .await?
}

fn print(number: u16, found: &[Difference]) -> u64 {
    for Difference { kind, text } in found {
        println!("  {kind}: partition {number}, {text}");
    }
    found.len() as u64
}
