//! The binary `rollup`.

use clap::{Parser, Subcommand};
use rollup::RollupSettings;
use service::run::CommonArgs;
use std::process::ExitCode;

#[derive(Parser)]
#[command(version, about = "Keeps the rollups of the AI usage audit log up to date")]
struct Arguments {
    #[command(flatten)]
    common: CommonArgs,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Run the worker (the default)
    Run,
}

fn main() -> ExitCode {
    let Arguments { common, command } = Arguments::parse();
    match command.unwrap_or(Command::Run) {
        Command::Run => service::run::service::<RollupSettings, _, _>("rollup", &common, rollup::run),
    }
}
