//! Ingest on a real Kafka and the real ClickHouse engine, as the binary that is deployed.

mod way;
mod worker;
