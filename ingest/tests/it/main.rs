//! Ingest on a real Kafka and the real ClickHouse engine, as the binary that is deployed.

mod ends;
mod foreign;
mod kill;
mod ledger;
mod load;
mod topic;
mod way;
mod worker;
mod workers;
