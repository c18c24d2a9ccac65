//! `ingest verify`: that every offset the broker has given out has its one named end.
//!
//! `rollup verify` proves the ledger and all that is made of it; this proves, against the broker, that nothing is missing
//! in the ledger: distinct positions read = ledger rows + dead letters + rerouted, without a gap. It may run at any time:
//! the batches are read first, and all else only grows.

mod comparison;
mod content;
mod letters;
mod log;
mod promises;
mod proof;
mod slice;
mod told;

use super::Tools;
use crate::source::Source;
use crate::topic::Kind;
use anyhow::ensure;
use clap::Args;
use comparison::Comparison;
use letters::Letters;
use proof::{Difference, Partition, Proof};
use warehouse::BatchRow;

/// How much to prove.
#[derive(Debug, Clone, Args)]
pub struct VerifyArgs {
    /// Read the log too, as far as the broker still has it, and compare every column of every row and every byte of every
    /// dead letter with its message; else the counts of each batch
    #[arg(long)]
    read_log: bool,
    /// Offsets that are compared at once; each takes a bit of memory, with `--read-log` nine bytes more. The default keeps
    /// it below 40 MB. The ledger is gone through once for each
    #[arg(long, value_name = "OFFSETS", value_parser = clap::value_parser!(u32).range(1..))]
    at_once: Option<u32>,
}

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
            Kind::Calls => verify_calls(tools, &source, &args).await?,
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

async fn verify_calls(tools: &Tools, source: &Source, args: &VerifyArgs) -> anyhow::Result<u64> {
    let (partitions, mut differences) = verify_coverage(tools, source).await?;
    let letters = Letters::read(tools, source).await?;
    let sources = tools.warehouse.sources().await?;
    let identity = &source.identity;
    let is_renewed =
        sources.iter().any(|row| row.topic == identity.topic && row.topic_id != identity.topic_id);
    let proofs = partitions
        .iter()
        .zip(&letters)
        .map(|(partition, letters)| Proof::new(partition, letters, is_renewed))
        .collect();
    let mut comparison = Comparison::new(tools, source, &partitions, proofs, args);
    differences += comparison.run().await?;
    differences += comparison.finish();
    Ok(differences)
}

fn print(number: u16, found: &[Difference]) -> u64 {
    for Difference { kind, text } in found {
        println!("  {kind}: partition {number}, {text}");
    }
    found.len() as u64
}
