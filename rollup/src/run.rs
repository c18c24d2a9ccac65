//! The service: steps of the worker, as often as they are worth it.

use crate::metrics;
use crate::settings::RollupSettings;
use crate::worker::{FAIL_POINTS, Step, Worker};
use service::error::chain;
use service::failpoint;
use service::health::{Component, Health};
use service::retry::{Backoff, Retry, Verdict};
use service::shutdown::Shutdown;
use service::tasks::TaskSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use warehouse::{Warehouse, WarehouseError};

/// Delays between attempts while ClickHouse is away.
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(10);

/// After a step the worker rests so many times as long as it took: late calls that trickle in are then computed many
/// at a time, and cost a fifth of a core at most. A reader takes them from the ledger meanwhile.
const REST_FACTOR: u32 = 4;
/// Longest rest: a step that drained a backlog is no reason to let the next one grow.
const REST_MAX: Duration = Duration::from_secs(5);

/// Runs the worker until the end is asked for.
///
/// Whatever ClickHouse says is waited for, without end: ending would only be restarted. What needs a person, such as a wrong
/// password or a missing schema, is logged at ERROR.
///
/// # Errors
/// A fail point that does not exist.
pub async fn run(settings: RollupSettings, health: Health, shutdown: Shutdown) -> anyhow::Result<()> {
    failpoint::init(&FAIL_POINTS)?;
    metrics::describe();
    let mut tasks = TaskSet::new(&shutdown, &health, settings.ops.shutdown_budget.get());
    let component = health.component("worker");
    tasks.spawn("worker", work(settings, component, shutdown));
    tasks.wait().await
}

async fn work(settings: RollupSettings, component: Component, shutdown: Shutdown) -> anyhow::Result<()> {
    let warehouse = Warehouse::new(&settings.clickhouse);
    let worker = Mutex::new(Worker::new(warehouse, settings.worker.clone(), shutdown.clone()));
    let retry = Retry::new("do a step", &component, &shutdown, Backoff::new(RETRY_FIRST, RETRY_MAX));
    let is_told = AtomicBool::new(false);
    let verdict = |error: &WarehouseError| {
        if !error.is_transient() && !is_told.swap(true, Ordering::Relaxed) {
            tracing::error!("somebody must act: {}", chain(error));
        }
        Verdict::Retry
    };
    while !shutdown.is_triggered() {
        let began = Instant::now();
        let Ok(step) = retry.run(verdict, async || worker.lock().await.step().await).await else { break };
        is_told.store(false, Ordering::Relaxed);
        if step == Step::NoSource {
            component
                .waiting("a source of calls in the ledger: ingest records it when it first reads the topic");
        }
        let pause = match step {
            Step::Behind => Duration::ZERO,
            Step::NoSource | Step::Idle | Step::Worked => {
                let rest = began.elapsed().saturating_mul(REST_FACTOR).min(REST_MAX);
                settings.worker.step_interval.get().max(rest)
            }
        };
        tokio::select! {
            biased;
            () = shutdown.triggered() => break,
            () = tokio::time::sleep(pause) => {}
        }
    }
    Ok(())
}
