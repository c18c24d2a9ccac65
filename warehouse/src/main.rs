//! The command `warehouse`: brings the schema up to date.

use clap::{Parser, Subcommand};
use service::ops::OpsSettings;
use service::run::CommonArgs;
use service::settings::{Check, ServiceSettings, Settings};
use service::telemetry::TelemetrySettings;
use std::process::ExitCode;
use warehouse::{Flavour, Warehouse, WarehouseSettings, migrate, rendered_migrations};

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
    let Arguments { common, command: Command::Migrate { dry_run } } = Arguments::parse();
    service::run::command("warehouse", &common, async |settings: WarehouseCommandSettings, _shutdown| {
        let warehouse = Warehouse::new(&settings.clickhouse);
        if dry_run {
            print_statements(warehouse.flavour())?;
        } else {
            let applied = migrate(&warehouse).await?;
            println!("schema of `{}` is up to date ({applied} migrations applied now)", warehouse.database());
        }
        Ok(())
    })
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
