//! The query API on the real engine, against a naive model. `make test` starts the engine; see `system_tests::Stack`
//! for running one test.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod anomalies;
mod answers;
mod api;
mod behind;
mod call;
mod contract;
mod errors;
mod export;
mod kept;
mod log;
mod model;
mod names;
mod outage;
mod pages;
mod snapshots;
mod tenancy;
mod tokens;
mod world;
