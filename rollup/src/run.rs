//! The service: steps of the worker, as often as they are worth it.

use crate::metrics;
use crate::settings::RollupSettings;
use crate::worker::{FAIL_POINTS, Step, Worker};
use anyhow::Context;
use service::failpoint;
use service::health::{Component, Health};
use service::retry::{Backoff, Retry, Verdict};
use service::shutdown::Shutdown;
use service::tasks::TaskSet;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use warehouse::Warehouse;

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
/// # Errors
/// What waiting cannot mend: a missing schema, a wrong password, a fail point that does not exist.
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
    let verdict = |error: &warehouse::WarehouseError| {
        if error.is_transient() { Verdict::Retry } else { Verdict::Permanent }
    };
    while !shutdown.is_triggered() {
        let began = Instant::now();
        let step = match retry.run(verdict, async || worker.lock().await.step().await).await {
            Ok(step) => step,
            Err(service::retry::RetryError::Shutdown { .. }) => break,
            Err(error) => {
                return Err(error).context(
                    "the worker cannot go on; is the schema there and up to date (`warehouse migrate`)?",
                );
            }
        };
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
