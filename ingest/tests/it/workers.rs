//! Several workers, and workers that freeze and wake up.

use crate::ledger;
use crate::load::Load;
use crate::topic::publish;
use crate::worker::Worker;
use rustix::process::Signal;
use system_tests::{PARTITIONS, Room, Stack, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_join_and_leave_under_load_change_no_total() {
    let room = Room::new(&Stack::shared(), "rebalance").await;
    let mut load = Load::default();
    let small = [("BATCH_ROWS_MAX", "500"), ("BATCH_AGE_MAX", "50ms")];
    let mut steady = Worker::start(&room, &small).await;
    for _ in 0..4 {
        publish(&room, "calls", &load.more(1500)).await;
        let mut guest = Worker::start(&room, &small).await;
        publish(&room, "calls", &load.more(1500)).await;
        guest.process.says("starts at 1:").await;
        assert!(guest.process.stop().success());
    }
    load.is_counted(&room).await;
    assert!(steady.process.stop().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_froze_and_wakes_up_changes_no_total() {
    let room = Room::new(&Stack::shared(), "zombie").await;
    let mut load = Load::default();
    let quick = ("KAFKA_PROPERTIES", "session.timeout.ms=6000,heartbeat.interval.ms=500");
    // Frozen between the insert and the touches of its second batch, with a third one open.
    let armed = ("FAILPOINT", "after_insert:2:stop");
    let mut frozen = Worker::start(&room, &[quick, armed, ("BATCH_ROWS_MAX", "200")]).await;
    publish(&room, "calls", &load.more(3000)).await;
    frozen.process.says("fail point reached").await;
    let mut heir = Worker::spawn(&room, &[quick]).await;
    heir.process.says("starts at 1:").await;
    publish(&room, "calls", &load.more(1000)).await;
    load.is_counted(&room).await;
    frozen.process.signal(Signal::CONT);
    frozen.process.says("revoked").await;
    publish(&room, "calls", &load.more(1000)).await;
    load.is_counted(&room).await;
    assert!(heir.process.stop().success());
    assert!(frozen.process.stop().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_without_partitions_is_ready_and_takes_over_when_the_other_dies() {
    let room = Room::new(&Stack::shared(), "standby").await;
    let mut load = Load::default();
    let quick = ("KAFKA_PROPERTIES", "session.timeout.ms=6000,heartbeat.interval.ms=500");
    let mut first = Worker::start(&room, &[quick]).await;
    publish(&room, "calls", &load.more(1000)).await;
    let second = Worker::start(&room, &[quick]).await;
    first.process.kill();
    publish(&room, "calls", &load.more(1000)).await;
    eventually("the second worker to have all partitions", async || {
        let count = second.metric("ingest_partitions", "calls").await;
        if count == u64::from(PARTITIONS) { Ok(()) } else { Err(format!("{count}")) }
    })
    .await;
    load.is_counted(&room).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_start_at_once_in_an_empty_place_make_it_once() {
    let room = Room::new(&Stack::shared(), "atonce").await;
    let mut load = Load::default();
    let workers =
        tokio::join!(Worker::start(&room, &[]), Worker::start(&room, &[]), Worker::start(&room, &[]));
    publish(&room, "calls", &load.more(1000)).await;
    load.is_counted(&room).await;
    let sources = "SELECT count() FROM (SELECT source, partition FROM sources GROUP BY source, partition)";
    assert_eq!(ledger::ask(&room, sources).await, u64::from(PARTITIONS) + 1, "one source of each kind");
    drop(workers);
}
