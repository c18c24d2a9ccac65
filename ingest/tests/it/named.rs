//! Workers that the group knows by a name, which they have again after a restart.

use crate::load::Load;
use crate::topic::publish;
use crate::worker::Worker;
use std::time::Duration;
use system_tests::{Manner, Proxy, Room, Stack, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn partitions_that_a_killed_worker_was_handing_over_are_read_again() {
    let room = Room::new(&Stack::shared(), "handingover").await;
    let mut load = Load::default();
    let one = ("KAFKA_GROUP_INSTANCE_ID", "one");
    let mut first = Worker::start(&room, &[one, ("FAILPOINT", "at_revoke:1")]).await;
    let mut second = Worker::spawn(&room, &[("KAFKA_GROUP_INSTANCE_ID", "two")]).await;
    eventually("the first to be killed while it hands over", async || {
        if first.process.has_ended() { Ok(()) } else { Err("it runs".to_owned()) }
    })
    .await;
    first.process.says("fail point reached").await;
    let mut first = Worker::spawn(&room, &[one]).await;
    publish(&room, "calls", &load.more(1000)).await;
    load.is_counted(&room).await;
    assert!(first.process.stop().success() && second.process.stop().success());
}

/// The library alone would wait ten minutes for an answer that never comes.
const PATIENT: (&str, &str) = ("KAFKA_PROPERTIES", "max.poll.interval.ms=600000");

/// Each way.
const DELAY: Duration = Duration::from_millis(150);

/// A worker whose request to join the group anew has gone into a half-open connection, and that sends its group's broker
/// nothing else that would make it notice: it commits nothing, because where partitions start is not known, with the
/// engine away.
async fn lost_one(room: &Room, kafka: &Proxy, engine: &Proxy) -> Worker {
    let url = format!("http://{}", engine.address());
    let by_proxies = [("KAFKA_BROKERS", kafka.address()), ("CLICKHOUSE_URL", &url)];
    let settings = [PATIENT, ("KAFKA_GROUP_INSTANCE_ID", "one"), ("KAFKA_TIMEOUT", "5s")];
    let settings = [by_proxies.as_slice(), &settings].concat();
    for _ in 0..8 {
        engine.set(Manner::Passes);
        kafka.set(Manner::Delays(DELAY));
        let mut worker = Worker::spawn(room, &settings).await;
        worker.process.says("assigned: calls").await;
        engine.set(Manner::Swallows);
        // It asks for the directory's topic, and when that answer is there, to join anew.
        tokio::time::sleep(2 * DELAY + DELAY / 2).await;
        kafka.set(Manner::Swallows);
        tokio::time::sleep(Duration::from_secs(8)).await;
        kafka.set(Manner::Passes);
        tokio::time::sleep(Duration::from_secs(8)).await;
        if !worker.process.has_said("directory/0") {
            return worker;
        }
        // The moment was missed.
        worker.process.kill();
    }
    panic!("the client found back each time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_find_back_into_the_group_is_replaced() {
    let proxy = Proxy::unaimed().await;
    let stack = Stack::start_own_behind(&proxy);
    let room = Room::new(&stack, "lostway").await;
    room.create_topics().await;
    let mut load = Load::default();
    let engine = Proxy::before(stack.variable("CLICKHOUSE_URL").trim_start_matches("http://")).await;
    let mut worker = lost_one(&room, &proxy, &engine).await;
    worker.process.says("out of the consumer group").await;
    engine.set(Manner::Passes);
    worker.process.says("directory/0 starts").await;
    publish(&room, "calls", &load.more(1000)).await;
    load.is_counted(&room).await;
    worker.ready().await;
    assert_eq!(worker.metric("ingest_clients_renewed_total", "").await, 1);
    assert!(worker.process.stop().success());
}
