//! The whole system under test, with real parts only: the local stack, a room of its own (database and topics) for
//! each test, the real binaries as processes, builders of calls, and waiting for a condition instead of sleeping.
//!
//! Tests share one stack, which `make test` starts on free ports and stops afterwards; a test that stops an engine or
//! the broker starts a stack of its own.

#![expect(clippy::expect_used, reason = "a test that cannot go on says so by panicking")]

mod call;
mod client;
mod eventually;
mod first_writes;
mod ledger;
mod months;
mod process;
mod proxy;
mod room;
pub mod row;
mod seeded;
mod shrinking;
mod stack;
mod topic;

pub use call::{CallBuilder, call};
pub use client::{Client, http_get, position_of};
pub use eventually::{eventually, eventually_for};
pub use first_writes::{FirstWrites, Sums, Told, Winner, date_of, said_by_name, said_sums};
pub use ledger::{Ledger, LedgerMessage};
pub use months::no_month_ends_meanwhile;
pub use process::Process;
pub use proxy::{Manner, Proxy};
pub use room::{CAREFUL, PARTITIONS, Room};
pub use seeded::seeded;
pub use shrinking::Shrinking;
pub use stack::{Component, Stack};
pub use topic::{AppendTimes, EarliestBehind, Letter, Topic};

/// The root of the repository.
pub fn repository() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the crate lies in the repository")
        .into()
}
