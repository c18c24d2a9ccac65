use std::future::ready;
use std::io::{self, ErrorKind};

use super::*;
use crate::health::{Health, State};
use crate::tasks::TaskSet;
use crate::test_log::TestLog;

#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("no answer")]
    Away(#[from] io::Error),
    #[error("no such table")]
    Wrong,
}

fn away() -> Trouble {
    Trouble::Away(ErrorKind::ConnectionRefused.into())
}

fn classify(error: &Trouble) -> Verdict {
    match error {
        Trouble::Away(_) => Verdict::Retry,
        Trouble::Wrong => Verdict::Permanent,
    }
}

fn backoff() -> Backoff {
    Backoff::new(Duration::from_millis(100), Duration::from_secs(10))
}

fn retry() -> Retry {
    Retry::new("insert a batch", &Health::new().component("writer"), &Shutdown::new(), backoff())
}

#[test]
fn delays_double_to_their_bound_with_jitter_below() {
    let mut backoff = backoff();
    for nominal in [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000] {
        let delay = backoff.next_delay().as_millis();
        assert!((nominal / 2..=nominal).contains(&delay), "{delay} of {nominal}");
    }
    backoff.reset();
    assert!(backoff.next_delay() <= Duration::from_millis(100));
}

#[test]
fn delays_are_never_nothing_and_never_overflow() {
    let mut none = Backoff::new(Duration::ZERO, Duration::ZERO);
    assert!((0..100).all(|_| none.next_delay() >= Duration::from_micros(500)));
    let mut endless = Backoff::new(Duration::MAX, Duration::MAX);
    assert!((0..100).all(|_| endless.next_delay() >= Duration::MAX / 2));
    let mut upside_down = Backoff::new(Duration::from_secs(9), Duration::from_secs(1));
    assert!((0..100).all(|_| upside_down.next_delay() <= Duration::from_secs(1)));
}

#[test]
fn two_clients_do_not_wait_the_same_time() {
    let delays: std::collections::BTreeSet<Duration> = (0..100).map(|_| backoff().next_delay()).collect();
    assert!(delays.len() > 90, "{} different delays of 100", delays.len());
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_an_hour_is_waited_out_and_logged_in_few_lines() {
    let log = TestLog::start();
    let (retry, began, mut failures) = (retry(), Instant::now(), 0_u32);
    let operation = || {
        let is_back = began.elapsed() >= Duration::from_secs(3600);
        failures += u32::from(!is_back);
        ready(if is_back { Ok("inserted") } else { Err(away()) })
    };
    assert_eq!(retry.run(classify, operation).await.expect("it comes back"), "inserted");
    assert_eq!(retry.component.state(), State::Ok);
    assert!((360..=800).contains(&failures), "{failures} failures");

    let lines = log.text();
    let warnings: Vec<&str> = lines.lines().filter(|line| line.contains("WARN")).collect();
    assert!((8..=14).contains(&warnings.len()), "{} warnings:\n{lines}", warnings.len());
    assert!(warnings[0].contains("cannot insert a batch, next attempt in"), "{lines}");
    assert!(warnings[0].contains("no answer: connection refused failures=1"), "{lines}");
    let last = lines.lines().last().expect("a last line");
    assert!(last.contains("INFO") && last.contains("could insert a batch again"), "{last}");
    assert!(last.contains(&format!("failures={failures} waited=36")), "{last}");
}

#[tokio::test(start_paused = true)]
async fn meanwhile_the_component_says_what_it_waits_for_and_since_when() {
    let retry = retry();
    retry.component.ok();
    let mut seen = Vec::new();
    let operation = || {
        seen.push(retry.component.state());
        ready(if seen.len() < 4 { Err(away()) } else { Ok(()) })
    };
    retry.run(classify, operation).await.expect("it comes back");
    assert_eq!(seen[0], State::Ok);
    let State::Waiting { for_what, .. } = &seen[1] else { panic!("not waiting: {seen:?}") };
    assert_eq!(for_what, "being able to insert a batch: no answer: connection refused");
    assert!(seen[1] == seen[2] && seen[2] == seen[3], "since stays: {seen:?}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_logged_when_nothing_fails() {
    let log = TestLog::start();
    assert_eq!(retry().run(classify, || ready(Ok(7))).await.expect("it works"), 7);
    assert_eq!(log.text(), "");
}

#[tokio::test(start_paused = true)]
async fn each_run_begins_with_short_delays_again() {
    let (retry, began) = (retry(), Instant::now());
    for _ in 0..50 {
        let mut attempts = 0;
        let operation = || {
            attempts += 1;
            ready(if attempts < 2 { Err(away()) } else { Ok(()) })
        };
        retry.run(classify, operation).await.expect("it comes back");
    }
    assert!(began.elapsed() <= Duration::from_secs(6), "{:?} for 50 first delays", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_permanent_error_goes_to_the_caller_at_once() {
    let (retry, mut attempts) = (retry(), 0);
    let operation = || {
        attempts += 1;
        ready(Err::<(), _>(if attempts < 3 { away() } else { Trouble::Wrong }))
    };
    let error = retry.run(classify, operation).await.expect_err("it cannot work");
    assert_eq!(attempts, 3);
    assert_eq!(chain(&error), "cannot insert a batch: no such table");
    assert!(matches!(error, RetryError::Permanent { source: Trouble::Wrong, .. }));
    assert_eq!(retry.component.state(), State::Ok, "it did answer");
}

#[tokio::test(start_paused = true)]
async fn the_shutdown_ends_the_waiting_but_one_attempt_is_always_made() {
    let (retry, began) = (retry(), Instant::now());
    let ending = retry.shutdown.clone();
    tokio::spawn(async move {
        sleep(Duration::from_secs(60)).await;
        ending.trigger();
    });
    let error = retry.run(classify, || ready(Err::<(), _>(away()))).await.expect_err("it never came back");
    assert_eq!(began.elapsed().as_secs(), 60);
    let wanted = "the shutdown came before it was possible to insert a batch: no answer: connection refused";
    assert_eq!(chain(&error), wanted);
    assert_eq!(retry.run(classify, || ready(Ok(7))).await.expect("one attempt"), 7);
}

#[tokio::test(start_paused = true)]
async fn a_spawned_task_can_retry_with_what_it_owns_and_borrows() {
    let (shutdown, health) = (Shutdown::new(), Health::new());
    let mut tasks = TaskSet::new(&shutdown, &health, Duration::from_secs(1));
    let retry = Retry::new("insert a batch", &health.component("writer"), &shutdown, backoff());
    tasks.spawn("writer", async move {
        let (batch, mut attempts) = (vec![1, 2, 3], 0);
        let rows = &batch;
        let insert = || {
            attempts += 1;
            async move {
                tokio::task::yield_now().await;
                if attempts < 3 { Err(away()) } else { Ok(rows.len()) }
            }
        };
        assert_eq!(retry.run(classify, insert).await?, 3);
        shutdown.trigger();
        Ok(())
    });
    tasks.wait().await.expect("it comes back");
}
