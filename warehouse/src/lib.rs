//! The contract at rest: the schema and its migrations, the rows, the one way to ClickHouse, and the pure rules
//! (position, frontier, row judgement, first write, calendar) that writers, readers and tests share.
//!
//! No SQL stands outside this crate and the two that own queries, `rollup` and `query-api`.

mod batch_log;
pub mod calendar;
mod client;
mod error;
pub mod first_write;
mod flavour;
mod frontier;
mod ledger_block;
mod ledger_read;
mod migrate;
mod native;
mod native_read;
mod rows;
mod rule;
mod told_again;

pub use batch_log::{chain, chain_end};
pub use client::{WRITE_SETTINGS, Warehouse, WarehouseSettings};
pub use error::{ErrorKind, WarehouseError};
pub use flavour::{Flavour, RenderError};
pub use frontier::frontier;
pub use ledger_block::{LedgerBlock, Touch};
pub use ledger_read::{LedgerPlace, LedgerRow};
pub use migrate::{MIGRATIONS, MigrateError, Migration, migrate, rendered_migrations};
pub use native_read::{Dictionary, NativeBlock, NativeColumn, NativeStream};
pub use rows::{BatchRow, DecimalUnits, MemberRow, OrganisationRow, SourceRow, TouchRow};
pub use rule::row_is_usable;
pub use told_again::{ToldRow, Wanted};
