//! `kill -9` between any two steps: the next worker ends in exact totals.

use crate::load::Load;
use crate::topic::publish;
use crate::worker::Worker;
use ingest::writer::FAIL_POINTS;
use system_tests::{Room, Stack, eventually};

/// Small batches, so that a fail point is met several times in a short load.
const SMALL: (&str, &str) = ("BATCH_ROWS_MAX", "150");

/// The next worker gets the partitions of the killed one at once.
const SAME: (&str, &str) = ("KAFKA_GROUP_INSTANCE_ID", "the-only-one");

async fn killed_at(point: &str) {
    let room = Room::new(&Stack::shared(), point).await;
    let mut load = Load::default();
    let mut worker = Worker::spawn(&room, &[SMALL, SAME]).await;
    worker.ready().await;
    publish(&room, "calls", &load.more(500)).await;
    worker.process.kill();
    // The first batch after a start, then later ones.
    for hit in ["1", "3", "2"] {
        let armed = format!("{point}:{hit}");
        let mut worker = Worker::spawn(&room, &[SMALL, SAME, ("FAILPOINT", &armed)]).await;
        publish(&room, "calls", &load.more(1000)).await;
        eventually("the worker to be killed at its fail point", async || {
            if worker.process.has_ended() { Ok(()) } else { Err("it runs".to_owned()) }
        })
        .await;
        worker.process.says("fail point reached").await;
    }
    let mut worker = Worker::start(&room, &[SMALL, SAME]).await;
    load.is_counted(&room).await;
    assert!(worker.process.stop().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_after_the_dead_letters_loses_and_doubles_nothing() {
    killed_at(FAIL_POINTS[0]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_after_the_insert_loses_and_doubles_nothing() {
    killed_at(FAIL_POINTS[1]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_after_the_touches_loses_and_doubles_nothing() {
    killed_at(FAIL_POINTS[2]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_after_the_batch_row_loses_and_doubles_nothing() {
    killed_at(FAIL_POINTS[3]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_after_the_commit_loses_and_doubles_nothing() {
    killed_at(FAIL_POINTS[4]).await;
}
