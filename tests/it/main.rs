//! The whole system, end to end, on the real stack. One binary, a module a theme.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on says so by panicking")]

mod anomalies;
mod api;
mod calendar;
mod demo;
mod durability;
mod killed;
mod late;
mod one_snapshot;
mod outage;
mod python_emitter;
mod restore;
mod sasl;
mod scripts;
mod slow_broker;
mod tidy;
mod tie_out;
mod warehouse_contract;
