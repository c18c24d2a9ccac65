//! The way to ClickHouse is slow, half open, or cut again and again: it costs time, nothing else.

use crate::load::Load;
use crate::topic::publish;
use crate::worker::Worker;
use std::time::{Duration, Instant};
use system_tests::{Component, Manner, Proxy, Room, Stack, eventually};

/// Quick to notice and quick to come back.
const IMPATIENT: [(&str, &str); 4] = [
    ("CLICKHOUSE_TIMEOUT", "1s"),
    ("KAFKA_TIMEOUT", "2s"),
    ("RETRY_MAX", "300ms"),
    ("BATCH_ROWS_MAX", "400"),
];

/// A worker that reaches ClickHouse through a proxy only.
async fn proxied(room: &Room, stack: &Stack) -> (Worker, Proxy) {
    let target = stack.variable("CLICKHOUSE_URL").trim_start_matches("http://").to_owned();
    let proxy = Proxy::before(&target).await;
    let url = format!("http://{}", proxy.address());
    let worker = Worker::start(room, &[IMPATIENT.as_slice(), &[("CLICKHOUSE_URL", &url)]].concat()).await;
    (worker, proxy)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_way_slows_down_and_loses_nothing() {
    let stack = Stack::shared();
    let room = Room::new(&stack, "slowway").await;
    let (mut worker, proxy) = proxied(&room, &stack).await;
    let mut load = Load::default();
    proxy.set(Manner::Delays(Duration::from_millis(150)));
    publish(&room, "calls", &load.more(2000)).await;
    load.is_counted(&room).await;
    // Slower than every time-out: no answer comes in time, though each statement is done in the end.
    proxy.set(Manner::Delays(Duration::from_millis(1500)));
    publish(&room, "calls", &load.more(2000)).await;
    worker.waits_for("gave no answer within 1s").await;
    proxy.set(Manner::Passes);
    load.is_counted(&room).await;
    assert!(worker.process.stop().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn half_open_connections_are_given_up_and_memory_stays_bounded() {
    let stack = Stack::shared();
    let room = Room::new(&stack, "halfopen").await;
    let (mut worker, proxy) = proxied(&room, &stack).await;
    let mut load = Load::default();
    publish(&room, "calls", &load.more(500)).await;
    load.is_counted(&room).await;
    proxy.set(Manner::Swallows);
    publish(&room, "calls", &load.more(50_000)).await;
    worker.waits_for("gave no answer within 1s").await;
    worker.process.says("the writer is behind").await;
    worker.memory_is_bounded();
    proxy.set(Manner::Passes);
    let began = Instant::now();
    load.is_counted(&room).await;
    println!("caught up with 50,000 messages in {:?}", began.elapsed());
    worker.ready().await;
    assert!(worker.process.stop().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_cut_in_the_middle_of_everything_lose_nothing() {
    let stack = Stack::shared();
    let room = Room::new(&stack, "cutway").await;
    let (mut worker, proxy) = proxied(&room, &stack).await;
    let mut load = Load::default();
    for _ in 0..30 {
        publish(&room, "calls", &load.more(200)).await;
        let before = proxy.connections();
        proxy.cut();
        eventually(
            "a new connection",
            async || {
                if proxy.connections() > before { Ok(()) } else { Err(before) }
            },
        )
        .await;
    }
    load.is_counted(&room).await;
    assert!(worker.process.stop().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_freezes_costs_time_only() {
    let stack = Stack::start_own();
    let room = Room::new(&stack, "frozenbroker").await;
    let mut worker = Worker::start(&room, &IMPATIENT).await;
    let mut load = Load::default();
    publish(&room, "calls", &load.more(2000)).await;
    load.is_counted(&room).await;
    publish(&room, "calls", &load.more(2000)).await;
    stack.freeze(Component::Kafka);
    worker.waits_for("Kafka to tell the ends of the logs").await;
    stack.thaw(Component::Kafka);
    publish(&room, "calls", &load.more(1000)).await;
    load.is_counted(&room).await;
    worker.ready().await;
    assert!(worker.process.stop().success());
}
