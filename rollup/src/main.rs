//! The binary `rollup`.

use clap::builder::NonEmptyStringValueParser;
use clap::{Parser, Subcommand};
use rollup::verify::Report;
use rollup::{Progress, RollupSettings, Selection};
use service::run::CommonArgs;
use std::cell::Cell;
use std::process::ExitCode;
use warehouse::Warehouse;

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
    /// Compute rollups anew in a higher generation, level by level, while everything serves
    Rebuild {
        #[command(flatten)]
        selection: Selection,
        /// Why; kept beside the generation
        #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
        reason: String,
    },
    /// Prove rollups, touches and batches against the raw rows of the ledger, also while everything runs. Exit code 0: no
    /// difference, 1: differences, 2: could not be verified
    Verify {
        #[command(flatten)]
        selection: Selection,
        /// Report differences and counts as JSON, one object a line
        #[arg(long)]
        json: bool,
    },
}

fn main() -> ExitCode {
    let Arguments { common, command } = Arguments::parse();
    match command.unwrap_or(Command::Run) {
        Command::Run => service::run::service("rollup", &common, rollup::run),
        Command::Rebuild { selection, reason } => rebuild(&common, &selection, &reason),
        Command::Verify { selection, json } => verify(&common, &selection, json),
    }
}

fn rebuild(common: &CommonArgs, selection: &Selection, reason: &str) -> ExitCode {
    service::run::command("rollup rebuild", common, async |settings: RollupSettings, shutdown| {
        let progress = Progress::shown();
        let rebuilt = rollup::rebuild(&settings, selection, reason, &shutdown, &progress).await?;
        println!("{rebuilt}");
        Ok(())
    })
}

fn verify(common: &CommonArgs, selection: &Selection, json: bool) -> ExitCode {
    const DIFFERENCES: u8 = 1;
    const NOT_VERIFIED: u8 = 2;
    let verified = Cell::new(None);
    let exit = service::run::command("rollup verify", common, async |settings: RollupSettings, shutdown| {
        verified.set(Some(NOT_VERIFIED));
        let warehouse = Warehouse::new(&settings.clickhouse);
        let progress = Progress::shown();
        let bar = progress.clone();
        let report = Report::new(std::io::stdout(), json, move |print| bar.suspend(print));
        let summary = rollup::verify::verify(&warehouse, selection, &shutdown, report, &progress).await?;
        verified.set(Some(if summary.differences == 0 { 0 } else { DIFFERENCES }));
        Ok(())
    });
    // Without a verdict, settings were wrong or only shown.
    verified.get().map_or(exit, ExitCode::from)
}
