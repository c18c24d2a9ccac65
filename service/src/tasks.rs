//! The tasks of a service, each with a name, none of which may end unnoticed.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, anyhow};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};
use tracing::Instrument;

use crate::error::chain;
use crate::health::Health;
use crate::shutdown::Shutdown;

/// A set of named tasks that live and die together. A task that ends, fails or panics while nobody asked for the end
/// stops all others, and [`wait`](TaskSet::wait) returns an error that names it: half a service looks alive and does
/// nothing. Dropping the set aborts its tasks.
///
/// Where panics abort, as in release builds, a panic ends the process by itself; the log names the task all the same.
#[derive(Debug)]
pub struct TaskSet {
    shutdown: Shutdown,
    health: Health,
    budget: Duration,
    running: JoinSet<anyhow::Result<()>>,
    names: HashMap<Id, String>,
}

impl TaskSet {
    /// A set without tasks. Once the end is asked for, the tasks have the time `budget` to finish.
    pub fn new(shutdown: &Shutdown, health: &Health, budget: Duration) -> Self {
        let (shutdown, health) = (shutdown.clone(), health.clone());
        Self { shutdown, health, budget, running: JoinSet::new(), names: HashMap::new() }
    }

    /// Starts a task. It must watch the shutdown and return `Ok` soon after it was triggered, and not before.
    pub fn spawn<F>(&mut self, name: &str, task: F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        // The span names the task in whatever it logs, a panic included.
        let handle = self.running.spawn(task.instrument(tracing::error_span!("task", name)));
        self.names.insert(handle.id(), name.to_owned());
    }

    /// Starts a task on a thread of its own, for calls that block. The same rules hold; only that a thread cannot be
    /// aborted: when it overstays the budget, the process ends under it.
    pub fn spawn_blocking<F>(&mut self, name: &str, task: F)
    where
        F: FnOnce() -> anyhow::Result<()> + Send + 'static,
    {
        let span = tracing::error_span!("task", name);
        let handle = self.running.spawn_blocking(move || span.in_scope(task));
        self.names.insert(handle.id(), name.to_owned());
    }

    /// Waits until all tasks have ended.
    ///
    /// # Errors
    ///
    /// The first thing that went wrong: a task that ended, failed or panicked although nobody asked for the end, a task
    /// that failed or panicked while finishing, or tasks that did not finish within the budget.
    pub async fn wait(mut self) -> anyhow::Result<()> {
        let mut first_error = None;
        let mut deadline: Option<Instant> = None;
        while !self.names.is_empty() {
            tokio::select! {
                biased;
                ended = self.running.join_next_with_id() => {
                    let Some(ended) = ended else { break };
                    if let Err(error) = self.outcome(ended) {
                        tracing::error!("{}", chain(error.as_ref()));
                        first_error.get_or_insert(error);
                        self.shutdown.trigger();
                    }
                }
                () = self.shutdown.triggered(), if deadline.is_none() => {
                    deadline = Some(Instant::now() + self.budget);
                }
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    let error = self.overstayed();
                    return Err(match first_error {
                        Some(first) => first.context(error),
                        None => anyhow!(error),
                    });
                }
            }
        }
        first_error.map_or(Ok(()), Err)
    }

    fn outcome(&mut self, ended: Result<(Id, anyhow::Result<()>), JoinError>) -> anyhow::Result<()> {
        let (id, result) = match ended {
            Ok((id, result)) => (id, result.context("failed")),
            Err(error) => (error.id(), Err(anyhow!("panicked: {}", panic_text(error)))),
        };
        let name = self.names.remove(&id).unwrap_or_default();
        let result = match result {
            Ok(()) if !self.shutdown.is_triggered() => Err(anyhow!("ended although nobody asked it to")),
            result => result,
        };
        if let Err(error) = &result {
            self.health.component(&name).failed(chain(error.as_ref()));
        }
        result.with_context(|| format!("task `{name}`"))
    }

    fn overstayed(&self) -> String {
        let mut names: Vec<&str> = self.names.values().map(String::as_str).collect();
        names.sort_unstable();
        let budget = humantime::format_duration(self.budget);
        format!("gave up the shutdown after {budget}, still running: {}", names.join(", "))
    }
}

fn panic_text(error: JoinError) -> String {
    let Ok(payload) = error.try_into_panic() else { return "aborted".to_owned() };
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => payload.downcast_ref::<&str>().map_or("no message", |text| text).to_owned(),
    }
}

#[cfg(test)]
mod tests;
