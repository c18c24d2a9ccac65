//! Workers come and go, one every second, while messages flow: gracefully, or killed without a word. Totals stay exact.
//! `make rebalance` does so for a minute, and judges also how long a partition stands still where all leave
//! gracefully.

use crate::ledger;
use crate::load::Load;
use crate::topic::publish;
use crate::worker::{Worker, command};
use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};
use system_tests::{CAREFUL, PARTITIONS, Room, Stack};

/// How long a partition may stand still, on a machine that has nothing else to do.
const STOP_MAX: Duration = Duration::from_secs(3);

/// Guests that are there at once: each has the time to join before it leaves.
const GUESTS_AT_ONCE: usize = 3;

/// Seconds of coming and going, where they are asked for; else a few, of which only the totals are judged.
fn asked_for() -> Option<u64> {
    std::env::var("REBALANCE_SECONDS").ok().and_then(|text| text.parse().ok())
}

/// Watches how far each partition is until told to end; returns the longest stop of any.
async fn longest_stop(room: &Room, has_ended: &Cell<bool>) -> Duration {
    let mut moved: BTreeMap<u16, (u64, Instant)> = BTreeMap::new();
    let mut longest = Duration::ZERO;
    while !has_ended.get() {
        let query = room.warehouse().read(
            "SELECT partition, max(to_position) FROM batches \
             WHERE bitShiftRight(from_position, 48) = 1 GROUP BY partition",
        );
        let now = Instant::now();
        let reached: Vec<(u16, u64)> = room.warehouse().fetch_all("watching", query).await.unwrap();
        for (partition, position) in reached {
            let (last, since) = moved.entry(partition).or_insert((position, now));
            longest = longest.max(now - *since);
            if *last != position {
                (*last, *since) = (position, now);
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    longest
}

/// How a guest goes.
#[derive(Clone, Copy)]
enum Farewell {
    /// It hands its partitions over.
    Leaves,
    /// SIGKILL: the group learns of it when its session ends.
    IsKilled,
}

/// Each second a guest comes, and the one that is there longest goes. Returns those that are left.
async fn come_and_go(
    room: &Room,
    farewell: Farewell,
    extra: &[(&str, &str)],
    has_ended: &Cell<bool>,
) -> VecDeque<Worker> {
    let (mut guests, mut leaving) = (VecDeque::new(), Vec::new());
    for _ in 0..asked_for().unwrap_or(10) {
        let second = Instant::now() + Duration::from_secs(1);
        guests.push_back(Worker::spawn(room, extra).await);
        if guests.len() > GUESTS_AT_ONCE
            && let Some(mut oldest) = guests.pop_front()
        {
            match farewell {
                Farewell::Leaves => {
                    oldest.process.signal(rustix::process::Signal::TERM);
                    // It may take longer than a second: it reads on until another worker has begun.
                    leaving.push(tokio::task::spawn_blocking(move || oldest.process.wait()));
                }
                Farewell::IsKilled => oldest.process.kill(),
            }
        }
        tokio::time::sleep_until(second.into()).await;
    }
    for ended in leaving {
        assert!(ended.await.unwrap().success());
    }
    has_ended.set(true);
    guests
}

/// Publishes a hundred messages every tenth of a second.
async fn keep_publishing(room: &Room, load: &mut Load, has_ended: &Cell<bool>) {
    while !has_ended.get() {
        let pause = tokio::time::sleep(Duration::from_millis(100));
        publish(room, "calls", &load.more(100)).await;
        pause.await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_come_and_go_every_second_change_no_total_and_hold_nobody_up() {
    let room = Room::new(&Stack::shared(), "comeandgo").await;
    let mut load = Load::default();
    let mut steady = Worker::start(&room, &[CAREFUL]).await;
    publish(&room, "calls", &load.more(200)).await;
    ledger::settled(&room).await;
    let has_ended = Cell::new(false);
    let (guests, stop, ()) = tokio::join!(
        come_and_go(&room, Farewell::Leaves, &[CAREFUL], &has_ended),
        longest_stop(&room, &has_ended),
        keep_publishing(&room, &mut load, &has_ended)
    );
    println!("the longest stop of one of {PARTITIONS} partitions: {stop:?}");
    load.is_counted(&room).await;
    let (is_clean, said) = command(&room, &["verify", "--read-log"]);
    assert!(is_clean && said.contains("0 differences"), "{said}");
    for mut worker in guests {
        assert!(worker.process.stop().success());
    }
    assert!(steady.process.stop().success());
    assert!(asked_for().is_none() || stop <= STOP_MAX, "a partition stood still for {stop:?}");
}

/// Each with a batch under way, most likely: batches are small, and messages keep coming.
#[tokio::test(flavor = "multi_thread")]
async fn workers_that_are_killed_every_second_change_no_total() {
    let room = Room::new(&Stack::shared(), "killedevery").await;
    let mut load = Load::default();
    let quick = [CAREFUL, ("KAFKA_PROPERTIES", "session.timeout.ms=6000"), ("BATCH_ROWS_MAX", "200")];
    let mut steady = Worker::start(&room, &quick).await;
    publish(&room, "calls", &load.more(200)).await;
    ledger::settled(&room).await;
    let has_ended = Cell::new(false);
    let (guests, stop, ()) = tokio::join!(
        come_and_go(&room, Farewell::IsKilled, &quick, &has_ended),
        longest_stop(&room, &has_ended),
        keep_publishing(&room, &mut load, &has_ended)
    );
    println!("the longest stop of one of {PARTITIONS} partitions: {stop:?}");
    for mut worker in guests {
        worker.process.kill();
    }
    load.is_counted(&room).await;
    let (is_clean, said) = command(&room, &["verify", "--read-log"]);
    assert!(is_clean && said.contains("0 differences"), "{said}");
    assert!(steady.process.stop().success());
}
