//! Plumbing of all services: settings, telemetry, health, shutdown, retry. Knows no Kafka topic, no table, no organisation.

pub mod clock;
pub mod error;
pub mod failpoint;
pub mod health;
pub mod metrics;
pub mod ops;
pub mod retry;
pub mod run;
pub mod settings;
pub mod shutdown;
pub mod tasks;
pub mod telemetry;
