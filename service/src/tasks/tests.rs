use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};

use anyhow::bail;
use tokio::time::sleep;

use super::*;
use crate::health::State;

const BUDGET: Duration = Duration::from_secs(20);

fn task_set() -> (TaskSet, Shutdown, Health) {
    let (shutdown, health) = (Shutdown::new(), Health::new());
    (TaskSet::new(&shutdown, &health, BUDGET), shutdown, health)
}

/// A task as it should be.
async fn until(shutdown: Shutdown) -> anyhow::Result<()> {
    shutdown.triggered().await;
    Ok(())
}

async fn error_of(tasks: TaskSet) -> String {
    chain(tasks.wait().await.expect_err("something is wrong").as_ref())
}

#[tokio::test(start_paused = true)]
async fn tasks_that_end_when_asked_end_well() {
    let (mut tasks, shutdown, health) = task_set();
    tasks.spawn("reader", until(shutdown.clone()));
    tasks.spawn("writer", until(shutdown.clone()));
    tokio::spawn(async move {
        sleep(Duration::from_secs(3600)).await;
        shutdown.trigger();
    });
    let began = Instant::now();
    tasks.wait().await.expect("all is well");
    assert_eq!(began.elapsed().as_secs(), 3600);
    assert_eq!(health.report().status, "ok");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_ends_unasked_stops_the_others_and_is_named() {
    let (mut tasks, shutdown, health) = task_set();
    let finished = Arc::new(AtomicBool::new(false));
    let (other_shutdown, other_finished) = (shutdown.clone(), finished.clone());
    tasks.spawn("reader", async { Ok(()) });
    tasks.spawn("writer", async move {
        other_shutdown.triggered().await;
        sleep(Duration::from_secs(5)).await;
        other_finished.store(true, Ordering::SeqCst);
        Ok(())
    });
    assert_eq!(error_of(tasks).await, "task `reader`: ended although nobody asked it to");
    assert!(finished.load(Ordering::SeqCst), "the other one could finish its work");
    let why = "ended although nobody asked it to".to_owned();
    assert_eq!(health.component("reader").state(), State::Failed { why });
    assert_eq!(health.report().status, "failed");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_fails_is_named_with_all_causes() {
    let (mut tasks, shutdown, _) = task_set();
    tasks.spawn("reader", until(shutdown));
    tasks.spawn("writer", async { Err(anyhow!("disk full").context("cannot write 3 rows")) });
    assert_eq!(error_of(tasks).await, "task `writer`: failed: cannot write 3 rows: disk full");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_panics_stops_the_process_and_is_named() {
    let (mut tasks, shutdown, health) = task_set();
    tasks.spawn("reader", until(shutdown));
    tasks.spawn("writer", async { panic!("row {}", 7) });
    assert_eq!(error_of(tasks).await, "task `writer`: panicked: row 7");
    assert_eq!(health.report().status, "failed");
}

#[tokio::test]
async fn a_blocking_task_is_watched_too() {
    let (mut tasks, _, _) = task_set();
    tasks.spawn_blocking("poller", || panic!("no broker"));
    assert_eq!(error_of(tasks).await, "task `poller`: panicked: no broker");

    let (mut tasks, shutdown, _) = task_set();
    let (stop, stopped) = mpsc::channel::<()>();
    tasks.spawn_blocking("poller", move || stopped.recv().context("nobody said stop"));
    shutdown.trigger();
    stop.send(()).expect("the poller listens");
    tasks.wait().await.expect("all is well");
}

#[tokio::test(start_paused = true)]
async fn the_first_error_counts_and_later_ones_do_not_hide_it() {
    let (mut tasks, shutdown, _) = task_set();
    tasks.spawn("reader", async { bail!("connection reset") });
    tasks.spawn("writer", async move {
        shutdown.triggered().await;
        bail!("channel closed")
    });
    assert_eq!(error_of(tasks).await, "task `reader`: failed: connection reset");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_fails_while_finishing_is_an_error() {
    let (mut tasks, shutdown, _) = task_set();
    shutdown.trigger();
    tasks.spawn("writer", async { bail!("3 rows not written") });
    assert_eq!(error_of(tasks).await, "task `writer`: failed: 3 rows not written");
}

#[tokio::test(start_paused = true)]
async fn tasks_that_do_not_finish_are_given_up_after_the_budget_and_named() {
    let (mut tasks, shutdown, _) = task_set();
    tasks.spawn("reader", until(shutdown.clone()));
    tasks.spawn("writer", pending());
    tasks.spawn("consumer", pending());
    shutdown.trigger();
    let began = Instant::now();
    assert_eq!(error_of(tasks).await, "gave up the shutdown after 20s, still running: consumer, writer");
    assert_eq!(began.elapsed(), BUDGET);
}

#[tokio::test(start_paused = true)]
async fn the_error_that_began_a_shutdown_survives_giving_it_up() {
    let (mut tasks, _, _) = task_set();
    tasks.spawn("reader", async { bail!("connection reset") });
    tasks.spawn("writer", pending());
    let error = error_of(tasks).await;
    let gave_up = "gave up the shutdown after 20s, still running: writer";
    assert_eq!(error, format!("{gave_up}: task `reader`: failed: connection reset"));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_set_leaves_no_task_behind() {
    let (mut tasks, _, _) = task_set();
    let (held, mut released) = tokio::sync::mpsc::channel::<()>(1);
    tasks.spawn("writer", async move {
        let _held = held;
        pending().await
    });
    drop(tasks);
    assert_eq!(released.recv().await, None, "the task was dropped");
}

#[tokio::test(start_paused = true)]
async fn nothing_to_wait_for_is_no_error() {
    let (tasks, _, _) = task_set();
    tasks.wait().await.expect("all is well");
}
