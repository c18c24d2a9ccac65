//! The end of a process: who asks for it, and who hears of it.

use std::process;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::{CancellationToken, DropGuard};

/// The wish to end, shared by all tasks of a service. Cloning gives another handle to the same wish. Nothing about it is
/// global: each test makes its own.
#[derive(Clone, Debug, Default)]
pub struct Shutdown(CancellationToken);

impl Shutdown {
    /// A wish nobody has uttered yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks everybody to finish and end. Asking again changes nothing.
    pub fn trigger(&self) {
        self.0.cancel();
    }

    /// Asks for the end when the guard is dropped, by whatever way.
    pub fn trigger_on_drop(self) -> DropGuard {
        self.0.drop_guard()
    }

    /// Whether the end was asked for.
    pub fn is_triggered(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Returns when the end was asked for, at once if it already was.
    ///
    /// # Cancel safety
    ///
    /// Safe: belongs into a `select!`.
    pub async fn triggered(&self) {
        self.0.cancelled().await;
    }

    /// Lets SIGTERM and SIGINT ask for the end. A second signal ends the process at once, with the exit code 128 + its
    /// number: whoever sends it does not want to wait any longer, and every write is safe to repeat.
    ///
    /// # Errors
    ///
    /// When the handlers cannot be installed.
    pub fn on_signals(&self) -> anyhow::Result<()> {
        let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
        let shutdown = self.clone();
        tokio::spawn(async move {
            loop {
                let (name, number) = tokio::select! {
                    _ = terminate.recv() => ("SIGTERM", SignalKind::terminate().as_raw_value()),
                    _ = interrupt.recv() => ("SIGINT", SignalKind::interrupt().as_raw_value()),
                };
                if shutdown.is_triggered() {
                    tracing::warn!("{name} during the shutdown: ending at once");
                    process::exit(128 + number);
                }
                tracing::info!("{name}: finishing open work, a second signal ends at once");
                shutdown.trigger();
            }
        });
        Ok(())
    }
}
