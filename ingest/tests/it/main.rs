//! Ingest on a real Kafka and the real ClickHouse engine, as the binary that is deployed.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on says so by panicking")]

mod directory;
mod ends;
mod foreign;
mod full_disk;
mod joining;
mod kill;
mod leaderless;
mod leaving;
mod ledger;
mod load;
mod named;
mod outage;
mod proxied;
mod quiet;
mod rebalance;
mod redrive;
mod restored;
mod stop;
mod topic;
mod topics;
mod verify;
mod way;
mod worker;
mod workers;
