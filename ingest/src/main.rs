//! The `ingest` binary: arguments, and the exit code.

use clap::Parser;
use ingest::command::{self, Command};
use service::run::{self, CommonArgs};
use std::process::ExitCode;

/// Reads calls from Kafka and writes them to the ledger, exactly once in effect
#[derive(Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    common: CommonArgs,
    #[command(subcommand)]
    command: Option<Command>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match args.command {
        None | Some(Command::Run) => run::service("ingest", &args.common, ingest::run),
        Some(command) => run::command("ingest", &args.common, |settings, shutdown| {
            command::execute(command, settings, shutdown)
        }),
    }
}
