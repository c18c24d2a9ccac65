//! Migrations: plain numbered SQL files, applied by a command that can be run twice, forward only.

use crate::client::Warehouse;
use crate::error::WarehouseError;
use crate::flavour::{Flavour, RenderError};
use clickhouse::Row;
use serde::{Deserialize, Serialize};
use std::hash::Hasher;
use tracing::info;

/// One file of `migrations/`.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// The file's number.
    pub version: u32,
    /// The file's name.
    pub name: &'static str,
    /// Its text, with placeholders.
    pub sql: &'static str,
}

/// All migrations, in order. A released file is never edited: its checksum is kept in the database.
pub const MIGRATIONS: [Migration; 5] = [
    Migration { version: 1, name: "0001_ledger", sql: include_str!("../migrations/0001_ledger.sql") },
    Migration { version: 2, name: "0002_rollups", sql: include_str!("../migrations/0002_rollups.sql") },
    Migration { version: 3, name: "0003_directory", sql: include_str!("../migrations/0003_directory.sql") },
    Migration {
        version: 4,
        name: "0004_rollup_zones",
        sql: include_str!("../migrations/0004_rollup_zones.sql"),
    },
    Migration { version: 5, name: "0005_positions", sql: include_str!("../migrations/0005_positions.sql") },
];

/// Why the schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// ClickHouse said no, or nothing.
    #[error("migration {name} failed")]
    Engine {
        /// Which one.
        name: &'static str,
        /// Why.
        #[source]
        source: WarehouseError,
    },
    /// A file has a placeholder that nobody knows.
    #[error("migration {name} cannot be rendered")]
    Render {
        /// Which one.
        name: &'static str,
        /// Why.
        #[source]
        source: RenderError,
    },
    /// A released file was edited, or this program is older than the database.
    #[error(
        "migration {name} was applied with checksum {applied}, this program has {ours}; deploy the version that fits \
         the database, never edit a released migration"
    )]
    Changed {
        /// Which one.
        name: String,
        /// What the database says.
        applied: String,
        /// What we have.
        ours: String,
    },
}

#[derive(Row, Serialize, Deserialize)]
struct AppliedRow {
    version: u32,
    name: String,
    checksum: String,
}

/// Every statement of every migration in a flavour, for `--dry-run` and the snapshots.
///
/// # Errors
/// A file that cannot be rendered.
pub fn rendered_migrations(flavour: &Flavour) -> Result<Vec<(Migration, Vec<String>)>, MigrateError> {
    MIGRATIONS
        .iter()
        .map(|migration| {
            let statements = flavour
                .render(migration.sql)
                .map_err(|source| MigrateError::Render { name: migration.name, source })?;
            Ok((*migration, statements))
        })
        .collect()
}

/// Creates the database and applies what is missing. Statements are `IF NOT EXISTS`, one a step, so a run that was
/// killed, or two runs at once, end in the same schema. Returns how many migrations were applied.
///
/// # Errors
/// ClickHouse's, and a released migration that was edited.
pub async fn migrate(warehouse: &Warehouse) -> Result<usize, MigrateError> {
    let database = warehouse.database();
    let on_cluster = match warehouse.flavour() {
        Flavour::SingleNode => String::new(),
        Flavour::Cluster(cluster) => format!("ON CLUSTER '{cluster}'"),
    };
    let failed = |name| move |source| MigrateError::Engine { name, source };
    let create = format!("CREATE DATABASE IF NOT EXISTS {database} {on_cluster}");
    let create = warehouse.without_database().query_raw(&create);
    warehouse.execute("creating the database", create).await.map_err(failed("(database)"))?;

    let bookkeeping = "CREATE TABLE IF NOT EXISTS {{table schema_migrations}} {{on_cluster}} \
                       (version UInt32, name String, checksum String) \
                       ENGINE = {{engine ReplacingMergeTree schema_migrations}} ORDER BY version {{settings}};\n\
                       {{distributed schema_migrations rand()}};\n";
    let render_failed = |name| move |source| MigrateError::Render { name, source };
    let bookkeeping = warehouse.flavour().render(bookkeeping).map_err(render_failed("(bookkeeping)"))?;
    for statement in bookkeeping {
        run(warehouse, &statement).await.map_err(failed("(bookkeeping)"))?;
    }
    let applied: Vec<AppliedRow> = warehouse
        .fetch_all(
            "reading the applied migrations",
            warehouse.read("SELECT version, name, checksum FROM schema_migrations FINAL ORDER BY version"),
        )
        .await
        .map_err(failed("(bookkeeping)"))?;

    let mut count = 0;
    for (migration, statements) in rendered_migrations(warehouse.flavour())? {
        let ours = checksum(migration.sql);
        if let Some(row) = applied.iter().find(|row| row.version == migration.version) {
            if row.checksum != ours {
                return Err(MigrateError::Changed {
                    name: row.name.clone(),
                    applied: row.checksum.clone(),
                    ours,
                });
            }
            continue;
        }
        for statement in &statements {
            run(warehouse, statement).await.map_err(failed(migration.name))?;
        }
        let row = AppliedRow { version: migration.version, name: migration.name.into(), checksum: ours };
        warehouse
            .insert_rows("recording a migration", "schema_migrations", &[row])
            .await
            .map_err(failed(migration.name))?;
        info!(migration = migration.name, "migration applied");
        count += 1;
    }
    Ok(count)
}

async fn run(warehouse: &Warehouse, statement: &str) -> Result<(), WarehouseError> {
    warehouse.execute("applying a migration", warehouse.write(statement)).await
}

/// FNV-1a of the file's text: guards against an accidental edit, not against malice.
fn checksum(text: &str) -> String {
    struct Fnv(u64);
    impl Hasher for Fnv {
        fn finish(&self) -> u64 {
            self.0
        }
        fn write(&mut self, bytes: &[u8]) {
            for byte in bytes {
                self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
    }
    let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
    hasher.write(text.as_bytes());
    format!("{:016x}", hasher.finish())
}
