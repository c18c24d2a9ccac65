//! The command `warehouse`: brings the schema up to date, and lists what was told of again.

use anyhow::Context;
use chrono::{DateTime, Utc};
use clap::{Args, Parser, Subcommand};
use service::ops::OpsSettings;
use service::run::CommonArgs;
use service::settings::{Check, ServiceSettings, Settings};
use service::telemetry::TelemetrySettings;
use std::process::ExitCode;
use warehouse::{Flavour, ToldRow, Wanted, Warehouse, WarehouseSettings, migrate, rendered_migrations};

#[derive(Parser)]
#[command(version, about = "Brings the schema of the AI usage audit log up to date")]
struct Arguments {
    #[command(flatten)]
    common: CommonArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Create the database and apply the migrations that are missing; may be run twice, and at once
    Migrate {
        /// Print the statements instead of running them
        #[arg(long)]
        dry_run: bool,
    },
    /// List calls that several messages told of, with what each said and where it stands; none of them changes a number
    Anomalies(AnomaliesArgs),
}

/// Which calls to list.
#[derive(Args)]
struct AnomaliesArgs {
    /// Only of this organisation
    #[arg(long, default_value = "")]
    org: String,
    /// Only calls that happened at or after this instant, e.g. 2026-11-01T00:00:00Z
    #[arg(long, default_value = "2000-01-01T00:00:00Z")]
    since: DateTime<Utc>,
    /// Only calls that happened before this instant
    #[arg(long, default_value = "2100-01-01T00:00:00Z")]
    until: DateTime<Utc>,
    /// Only calls of which one message said something else
    #[arg(long)]
    conflicts: bool,
    /// At most so many calls
    #[arg(long, default_value_t = 1000)]
    limit: u32,
}

#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct WarehouseCommandSettings {
    clickhouse: WarehouseSettings,
    telemetry: TelemetrySettings,
    ops: OpsSettings,
}

impl Settings for WarehouseCommandSettings {
    const DEFAULTS: &'static str = include_str!("../settings.toml");

    fn validate(&self, check: &mut Check) {
        self.clickhouse.validate(check);
        self.ops.validate(check);
    }
}

impl ServiceSettings for WarehouseCommandSettings {
    fn telemetry(&self) -> &TelemetrySettings {
        &self.telemetry
    }

    fn ops(&self) -> &OpsSettings {
        &self.ops
    }
}

fn main() -> ExitCode {
    let Arguments { common, command } = Arguments::parse();
    service::run::command("warehouse", &common, async |settings: WarehouseCommandSettings, _shutdown| {
        let warehouse = Warehouse::new(&settings.clickhouse);
        match command {
            Command::Migrate { dry_run: true } => print_statements(warehouse.flavour())?,
            Command::Migrate { dry_run: false } => {
                let applied = migrate(&warehouse).await?;
                let database = warehouse.database();
                println!("schema of `{database}` is up to date ({applied} migrations applied now)");
            }
            Command::Anomalies(args) => print_anomalies(&warehouse, args).await?,
        }
        Ok(())
    })
}

async fn print_anomalies(warehouse: &Warehouse, args: AnomaliesArgs) -> anyhow::Result<()> {
    let wanted = Wanted {
        org_id: args.org,
        since_ms: args.since.timestamp_millis(),
        until_ms: args.until.timestamp_millis(),
        conflicts_only: args.conflicts,
        limit: args.limit,
    };
    let rows = warehouse.told_again(&wanted).await.context("cannot list them")?;
    for call in rows.chunk_by(|one, next| (&one.org, &one.id) == (&next.org, &next.id)) {
        let Some((first, later)) = call.split_first() else { continue };
        println!("{} {}\n  counts    {first}", first.org, first.id);
        for message in later {
            let name = if ToldRow::repeats(message, first) { "repeat" } else { "conflict" };
            println!("  {name:<9} {message}");
        }
    }
    Ok(())
}

fn print_statements(flavour: &Flavour) -> anyhow::Result<()> {
    for (migration, statements) in rendered_migrations(flavour)? {
        println!("-- {}", migration.name);
        for statement in statements {
            println!("{statement};\n");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_default_file_names_every_setting() {
        service::settings::check_defaults::<super::WarehouseCommandSettings>().unwrap();
    }
}
