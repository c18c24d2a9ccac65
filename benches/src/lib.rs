//! Measured claims: each prints a ratio against a baseline of the same run, and never passes or fails on time.
//!
//! | module | responsibility |
//! |---|---|
//! | [`generator`] | calls of a fixed, realistic shape from a seed |
//! | [`publisher`] | these calls on their way to Kafka |
//! | [`ingest`] | claim: Kafka to ledger and rollups, against ClickHouse's own Kafka engine |
//! | [`freshness`] | claim: from published to visible in the breakdowns, against the same peer |
//! | [`reads`] | claim: cards and breakdowns of a large month, against the ledger's best query |
//! | [`verify`] | claim: ledger rows that are verified in a second, against a bare scan |
//! | [`durability`] | claim: what it costs to sync an insert before it is acknowledged |
//! | [`memory`] | claim: memory of each service, measured during the others |
//! | [`api`] | the query API under measurement, and a client that asks it |
//! | [`engine`], [`machine`] | the engine's state, processor time and memory of processes |
//! | [`report`] | what a claim prints |

pub mod api;
pub mod durability;
pub mod emit;
pub mod engine;
pub mod freshness;
pub mod generator;
pub mod ingest;
pub mod machine;
pub mod memory;
pub mod publisher;
pub mod reads;
pub mod report;
pub mod verify;
