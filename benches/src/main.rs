//! Runs one claim and prints its report to stdout; progress goes to stderr. `benches/run` starts the stack for it.

use anyhow::Result;
use benches::generator::{Generator, Message, Size, Timeline, World};
use benches::{durability, emit, freshness, ingest, reads, report, verify};
use clap::{Parser, Subcommand};
use std::time::Instant;

/// Measured claims.
#[derive(Parser)]
struct Arguments {
    /// Seed of all generated data.
    #[arg(long, global = true, default_value_t = 20_260_701)]
    seed: u64,
    /// Small sizes, to see that everything runs.
    #[arg(long, global = true)]
    quick: bool,
    #[command(subcommand)]
    claim: Claim,
}

#[derive(Subcommand)]
enum Claim {
    /// How fast the generator itself is, and what it makes.
    Generate {
        /// Messages.
        #[arg(long, default_value_t = 2_000_000)]
        events: u64,
    },
    /// Kafka → ledger and rollups, against ClickHouse's own Kafka engine.
    Ingest(ingest::Options),
    /// From published to visible in the breakdowns, with a large running hour, against the same peer.
    Freshness(freshness::Options),
    /// Cards and breakdowns of a large month, against the best query of the ledger.
    Reads(reads::Options),
    /// `rollup verify` and `ingest verify` of a large ledger, against the engine's bare scan of the same columns.
    Verify(verify::Options),
    /// Inserts into a table that syncs, against the same inserts into one that does not.
    Durability(durability::Options),
    /// What `emit()` takes of a copilot's time, against Kafka's own client.
    Emit(emit::Options),
}

#[tokio::main]
async fn main() -> Result<()> {
    let Arguments { seed, quick, claim } = Arguments::parse();
    let report = match claim {
        Claim::Generate { events } => {
            generate(seed, events);
            return Ok(());
        }
        Claim::Ingest(options) => ingest::run(seed, &if quick { options.quick() } else { options }).await?,
        Claim::Freshness(options) => {
            freshness::run(seed, &if quick { options.quick() } else { options }).await?
        }
        Claim::Reads(options) => reads::run(seed, &if quick { options.quick() } else { options }).await?,
        Claim::Verify(options) => verify::run(seed, &if quick { options.quick() } else { options }).await?,
        Claim::Durability(options) => {
            durability::run(seed, &if quick { options.quick() } else { options }).await?
        }
        Claim::Emit(options) => emit::run(seed, &if quick { options.quick() } else { options }).await?,
    };
    print!("{report}");
    Ok(())
}

fn generate(seed: u64, events: u64) {
    let world = World::new(seed, Size::default());
    let timeline = Timeline::new(seed, (0, 3_600_000), events);
    let mut generator = Generator::new(&world, seed);
    let mut message = Message::default();
    let started = Instant::now();
    let mut bytes = 0u64;
    for _ in 0..events {
        generator.next_of(&timeline, &mut message);
        bytes += message.payload.len() as u64;
    }
    let elapsed_ms = started.elapsed().as_millis() as u64;
    println!(
        "seed {seed}: {} messages of {} bytes on average, {} of them repeats; {} a second",
        report::thousands(events),
        bytes / events.max(1),
        generator.repeats(),
        report::per_second(events, elapsed_ms),
    );
}
