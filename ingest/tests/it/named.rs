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

/// A worker whose request to join the group anew has gone into a half-open connection.
async fn lost_one(room: &Room, proxy: &Proxy) -> Worker {
    let by_proxy = ("KAFKA_BROKERS", proxy.address());
    let settings = [by_proxy, PATIENT, ("KAFKA_GROUP_INSTANCE_ID", "one"), ("KAFKA_TIMEOUT", "5s")];
    loop {
        proxy.set(Manner::Delays(DELAY));
        let mut worker = Worker::spawn(room, &settings).await;
        worker.process.says("assigned: calls").await;
        // It asks for the directory's topic, and when that answer is there, to join anew.
        tokio::time::sleep(2 * DELAY + DELAY / 2).await;
        proxy.set(Manner::Swallows);
        tokio::time::sleep(Duration::from_secs(8)).await;
        proxy.set(Manner::Passes);
        tokio::time::sleep(Duration::from_secs(8)).await;
        if !worker.process.has_said("assigned: directory") {
            return worker;
        }
        // The moment was missed.
        worker.process.kill();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_find_back_into_the_group_is_replaced() {
    let proxy = Proxy::unaimed().await;
    let stack = Stack::start_own_behind(&proxy);
    let room = Room::new(&stack, "lostway").await;
    room.create_topics().await;
    let mut load = Load::default();
    let mut worker = lost_one(&room, &proxy).await;
    worker.process.says("out of the consumer group").await;
    worker.process.says("assigned: directory").await;
    publish(&room, "calls", &load.more(1000)).await;
    load.is_counted(&room).await;
    worker.ready().await;
    assert!(worker.process.stop().success());
}
