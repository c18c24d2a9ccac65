//! The rollup worker on the real engine. `make test` starts it; see `system_tests::Stack` for running one test.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod crash;
mod levels;
mod outage;
mod rebuild;
mod routes;
mod told_again;
mod verify;
mod workers;
mod world;
