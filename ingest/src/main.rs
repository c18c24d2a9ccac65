//! The `ingest` binary: arguments, and the exit code.

use clap::Parser;
use service::run::{self, CommonArgs};
use std::process::ExitCode;

/// Reads calls from Kafka and writes them to the ledger, exactly once in effect
#[derive(Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    common: CommonArgs,
}

fn main() -> ExitCode {
    let args = Args::parse();
    run::service("ingest", &args.common, ingest::run)
}
