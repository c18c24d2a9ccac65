//! Plumbing of all services: settings, telemetry, health, shutdown, retry. Knows no Kafka topic, no table, no organisation.
//!
//! | module | responsibility |
//! |---|---|
//! | [`run`] | what every `main` does, from arguments to exit code |
//! | [`settings`] | defaults, file and environment become one checked struct; all mistakes are told at once |
//! | [`telemetry`] | logs to stderr, metrics for Prometheus |
//! | [`health`], [`ops`] | `/healthz`, `/readyz`, `/metrics`: what each part waits for, and since when |
//! | [`shutdown`], [`tasks`] | SIGTERM to an orderly end; no task ends unnoticed |
//! | [`retry`] | waiting for what is away, without end and without noise |
//! | [`failpoint`] | named places where a crash test kills the process |
//! | [`clock`] | the only reader of the wall clock |
//! | [`error`], [`metrics`] | an error chain on one line; the metrics all services share |
//!
//! A service is a library that gets everything from outside, and a thin `main`:
//!
//! ```no_run
//! # use std::{process::ExitCode, time::Duration};
//! use service::health::Health;
//! use service::retry::{Backoff, Retry, Verdict};
//! use service::run::{self, CommonArgs};
//! use service::settings::{Check, ServiceSettings, Settings};
//! use service::shutdown::Shutdown;
//! use service::tasks::TaskSet;
//! # use service::{ops::OpsSettings, telemetry::TelemetrySettings};
//!
//! #[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct IngestSettings {
//!     rows_max: u32,
//!     ops: OpsSettings,
//!     telemetry: TelemetrySettings,
//! }
//!
//! impl Settings for IngestSettings {
//!     const DEFAULTS: &'static str = "…"; // include_str!("../settings.toml")
//!
//!     fn validate(&self, check: &mut Check) {
//!         check.within("rows_max", self.rows_max, 1..=500_000);
//!         self.ops.validate(check);
//!     }
//! }
//! # impl ServiceSettings for IngestSettings {
//! #     fn telemetry(&self) -> &TelemetrySettings { &self.telemetry }
//! #     fn ops(&self) -> &OpsSettings { &self.ops }
//! # }
//!
//! async fn ingest(settings: IngestSettings, health: Health, shutdown: Shutdown) -> anyhow::Result<()> {
//!     let mut tasks = TaskSet::new(&shutdown, &health, settings.ops.shutdown_budget.get());
//!     let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(30));
//!     let retry = Retry::new("insert a batch", &health.component("writer"), &shutdown, backoff);
//!     tasks.spawn("writer", async move {
//!         while !shutdown.is_triggered() {
//!             retry.run(|_| Verdict::Retry, || insert("a batch")).await?;
//!         }
//!         Ok(())
//!     });
//!     tasks.wait().await
//! }
//! # async fn insert(_: &str) -> Result<(), std::io::Error> { Ok(()) }
//!
//! fn main() -> ExitCode {
//!     let args = CommonArgs::default(); // flattened into the service's own clap arguments
//!     run::service("ingest", &args, ingest)
//! }
//! ```
//!
//! `examples/minimal.rs` is a whole one that runs.

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

#[cfg(test)]
mod test_log;
