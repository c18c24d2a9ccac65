//! Workers join and leave gracefully, one every second, while messages flow: totals stay exact. `REBALANCE_SECONDS=60`
//! judges also how long a partition stands still.

use crate::ledger;
use crate::load::Load;
use crate::topic::publish;
use crate::worker::Worker;
use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};
use system_tests::{PARTITIONS, Room, Stack};

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

/// Each second a guest comes, and the one that is there longest leaves. Returns those that are left.
async fn come_and_go(room: &Room, has_ended: &Cell<bool>) -> VecDeque<Worker> {
    let mut guests = VecDeque::new();
    for _ in 0..asked_for().unwrap_or(10) {
        let second = Instant::now() + Duration::from_secs(1);
        guests.push_back(Worker::spawn(room, &[]).await);
        if guests.len() > GUESTS_AT_ONCE
            && let Some(mut oldest) = guests.pop_front()
        {
            oldest.process.signal(rustix::process::Signal::TERM);
            let ended = tokio::task::spawn_blocking(move || oldest.process.wait());
            assert!(ended.await.unwrap().success());
        }
        tokio::time::sleep_until(second.into()).await;
    }
    has_ended.set(true);
    guests
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_come_and_go_every_second_change_no_total_and_hold_nobody_up() {
    let room = Room::new(&Stack::shared(), "comeandgo").await;
    let mut load = Load::default();
    let mut steady = Worker::start(&room, &[]).await;
    publish(&room, "calls", &load.more(200)).await;
    ledger::settled(&room).await;
    let has_ended = Cell::new(false);
    let publishing = async {
        while !has_ended.get() {
            let pause = tokio::time::sleep(Duration::from_millis(100));
            publish(&room, "calls", &load.more(100)).await;
            pause.await;
        }
    };
    let (guests, stop, ()) =
        tokio::join!(come_and_go(&room, &has_ended), longest_stop(&room, &has_ended), publishing);
    println!("the longest stop of one of {PARTITIONS} partitions: {stop:?}");
    load.is_counted(&room).await;
    for mut worker in guests {
        assert!(worker.process.stop().success());
    }
    assert!(steady.process.stop().success());
    assert!(asked_for().is_none() || stop <= STOP_MAX, "a partition stood still for {stop:?}");
}
