//! Kafka to ledger.
