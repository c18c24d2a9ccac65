//! Workers that the group knows by a name, which they have again after a restart.

use crate::load::Load;
use crate::topic::publish;
use crate::worker::Worker;
use system_tests::{Room, Stack, eventually};

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
