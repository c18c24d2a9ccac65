//! The command `warehouse`: brings the schema up to date, and lists what was told of again.

use anyhow::{Context, ensure};
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
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
    #[arg(long)]
    org: Option<String>,
    /// Only calls that happened at or after this instant, e.g. 2026-11-01T00:00:00Z, or 2026-11-01 for the beginning of
    /// that day (UTC)
    #[arg(long, value_name = "INSTANT", default_value = "2000-01-01", value_parser = instant)]
    since: DateTime<Utc>,
    /// Only calls that happened before this instant
    #[arg(long, value_name = "INSTANT", default_value = "2100-01-01", value_parser = instant)]
    until: DateTime<Utc>,
    /// Only calls of which one message said something else
    #[arg(long)]
    conflicts: bool,
    /// At most so many calls; where there are more, stderr says so
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

fn instant(text: &str) -> Result<DateTime<Utc>, String> {
    let of_day = |day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc();
    let read = text.parse().or_else(|_| text.parse().map(of_day));
    read.map_err(|_| "write an instant like 2026-11-01T00:00:00Z, or a day like 2026-11-01".to_owned())
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

/// Prints the calls to stdout. Refuses what can only select nothing, for an empty list would look like a clean ledger.
async fn print_anomalies(warehouse: &Warehouse, args: AnomaliesArgs) -> anyhow::Result<()> {
    let AnomaliesArgs { org, since, until, conflicts, limit } = args;
    ensure!(since < until, "--since {since} is not before --until {until}: no instant is selected");
    if let Some(org) = &org {
        let has_calls = warehouse.has_calls(org).await.context("cannot look for its calls")?;
        ensure!(has_calls, "organisation `{org}` has no calls; check its spelling");
    }
    let wanted = Wanted {
        org_id: org.unwrap_or_default(),
        since_ms: since.timestamp_millis(),
        until_ms: until.timestamp_millis(),
        conflicts_only: conflicts,
        // One more tells whether that is all.
        limit: limit.saturating_add(1),
    };
    let rows = warehouse.told_again(&wanted).await.context("cannot list them")?;
    let calls: Vec<_> = rows.chunk_by(|one, next| (&one.org, &one.id) == (&next.org, &next.id)).collect();
    for call in calls.iter().take(limit as usize) {
        let Some((first, later)) = call.split_first() else { continue };
        println!("{} {}\n  counts    {first}", first.org, first.id);
        for message in later {
            let name = if ToldRow::repeats(message, first) { "repeat" } else { "conflict" };
            println!("  {name:<9} {message}");
        }
    }
    match calls.len() > limit as usize {
        true => eprintln!(
            "the first {limit} calls that were told of again; there are more: raise --limit or set --since"
        ),
        false => eprintln!("calls that were told of again: {}", calls.len()),
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
