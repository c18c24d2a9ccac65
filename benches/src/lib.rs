//! Measured claims: each prints a ratio against a baseline of the same run, and never passes or fails on time.
//!
//! | module | responsibility |
//! |---|---|
//! | [`generator`] | calls of a fixed, realistic shape from a seed |
//! | [`publisher`] | these calls on their way to Kafka |
//! | [`ingest`] | claim: Kafka to ledger and rollups, against ClickHouse's own Kafka engine |
//! | [`memory`] | claim: memory of each service, measured during the others |
//! | [`engine`], [`machine`] | the engine's state, processor time and memory of processes |
//! | [`report`] | what a claim prints |

pub mod engine;
pub mod generator;
pub mod ingest;
pub mod machine;
pub mod memory;
pub mod publisher;
pub mod report;
