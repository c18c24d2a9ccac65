//! Waiting for something that is away, without end and without noise.

use std::error::Error;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::error::chain;
use crate::health::Component;
use crate::metrics;
use crate::shutdown::Shutdown;

/// Delays that grow and never end. A number of attempts that runs out would turn an outage of a minute more into a loss.
#[derive(Clone, Debug)]
pub struct Backoff {
    initial: Duration,
    max: Duration,
    next: Duration,
}

/// What to do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It will pass: try again after a while.
    Retry,
    /// Trying the same again cannot help: give the error to the caller.
    Permanent,
}

/// Why a [`Retry`] gave up.
#[derive(Debug, thiserror::Error)]
pub enum RetryError<E> {
    /// The operation failed in a way that trying again cannot mend.
    #[error("cannot {name}")]
    Permanent {
        /// What was tried.
        name: &'static str,
        /// How it failed.
        source: E,
    },
    /// The process ends while the operation still fails. For a worker this is an end as good as any: what is not
    /// written is not committed either, so it lets go of its batch and returns `Ok`.
    #[error("the shutdown came before it was possible to {name}")]
    Shutdown {
        /// What was tried.
        name: &'static str,
        /// How the last attempt failed.
        source: E,
    },
}

/// Without it, a zero in the settings would become a loop that burns a core while it waits.
const DELAY_MIN: Duration = Duration::from_millis(1);
/// Between the first and the second line about the same trouble; doubles from line to line.
const LOG_INTERVAL_FIRST: Duration = Duration::from_secs(10);
/// An operator who looks at the last quarter of an hour of a log must find the trouble.
const LOG_INTERVAL_MAX: Duration = Duration::from_secs(600);

impl Backoff {
    /// Delays of about `initial`, doubling up to `max`. Each is drawn between half and all of its nominal length, so that
    /// many clients that lost the same server do not come back in one wave.
    pub fn new(initial: Duration, max: Duration) -> Self {
        let initial = initial.clamp(DELAY_MIN, max.max(DELAY_MIN));
        Self { initial, max: max.max(initial), next: initial }
    }

    /// How long to wait before the next attempt.
    pub fn next_delay(&mut self) -> Duration {
        let nominal = self.next;
        self.next = nominal.saturating_mul(2).min(self.max);
        rand::random_range(nominal / 2..=nominal)
    }

    /// It worked: the next trouble starts with short delays again.
    pub fn reset(&mut self) {
        self.next = self.initial;
    }
}

/// An operation that is tried until it succeeds. Made once, run as often as there is work. Operations that follow one
/// another can share a component; ones that run at the same time would overwrite each other's state.
#[derive(Clone, Debug)]
pub struct Retry {
    name: &'static str,
    component: Component,
    shutdown: Shutdown,
    backoff: Backoff,
}

impl Retry {
    /// `name` is an infinitive such as "insert a batch": it stands in the log, in the health report and in the metric's
    /// label `operation`. While the operation fails, `component` waits.
    pub fn new(name: &'static str, component: &Component, shutdown: &Shutdown, backoff: Backoff) -> Self {
        Self { name, component: component.clone(), shutdown: shutdown.clone(), backoff }
    }

    /// Tries `operation` until it succeeds, fails permanently, or the process ends.
    ///
    /// Meanwhile the component waits, for what the last error says. The first failure is logged at WARN with its whole
    /// chain of causes, later ones at growing intervals; and at last how long it took.
    ///
    /// At least one attempt is made even after the end was asked for, so that a last batch can be written while
    /// everything is up. An attempt in flight is never cut off, so the operation must bound itself by a timeout.
    ///
    /// # Errors
    ///
    /// The error that `classify` calls permanent, or the last one when the end was asked for.
    ///
    /// # Cancel safety
    ///
    /// As safe as the operation itself.
    // Not `AsyncFnMut`: with it, the compiler cannot prove that the future of a spawned task is `Send`.
    pub async fn run<T, E, F>(
        &self,
        classify: impl Fn(&E) -> Verdict,
        mut operation: impl FnMut() -> F,
    ) -> Result<T, RetryError<E>>
    where
        E: Error + 'static,
        F: Future<Output = Result<T, E>>,
    {
        let name = self.name;
        let mut backoff = self.backoff.clone();
        let mut trouble: Option<Trouble> = None;
        loop {
            let source = match operation().await {
                Ok(value) => {
                    self.component.ok();
                    if let Some(trouble) = trouble {
                        trouble.log_end(name);
                    }
                    return Ok(value);
                }
                Err(source) if classify(&source) == Verdict::Permanent => {
                    // What it waited for did answer; what the answer means is the caller's to decide.
                    self.component.ok();
                    return Err(RetryError::Permanent { name, source });
                }
                Err(source) => source,
            };
            let causes = chain(&source);
            let delay = backoff.next_delay();
            trouble.get_or_insert_with(Trouble::begin).failed(name, &causes, delay);
            self.component.waiting(format!("being able to {name}: {causes}"));
            metrics::retried(name);
            tokio::select! {
                biased;
                () = self.shutdown.triggered() => return Err(RetryError::Shutdown { name, source }),
                () = sleep(delay) => {}
            }
        }
    }
}

/// One uninterrupted time of failures, and when to speak of it.
struct Trouble {
    began: Instant,
    failures: u64,
    next_log: Instant,
    log_interval: Duration,
}

impl Trouble {
    fn begin() -> Self {
        let now = Instant::now();
        Self { began: now, failures: 0, next_log: now, log_interval: LOG_INTERVAL_FIRST }
    }

    fn failed(&mut self, name: &str, causes: &str, delay: Duration) {
        self.failures += 1;
        let now = Instant::now();
        if now < self.next_log {
            return;
        }
        self.next_log = now + self.log_interval;
        self.log_interval = (self.log_interval * 2).min(LOG_INTERVAL_MAX);
        let failures = self.failures;
        tracing::warn!(failures, waited = ?now - self.began, "cannot {name}, next attempt in {delay:?}: {causes}");
    }

    fn log_end(&self, name: &str) {
        tracing::info!(failures = self.failures, waited = ?self.began.elapsed(), "could {name} again");
    }
}

#[cfg(test)]
mod tests;
