//! Partitions that the group takes from a worker, or that a worker leaves: they are read on until another worker has
//! begun.

use crate::ledger;
use crate::worker::Worker;
use ingest::kafka::group_consumer;
use ingest::rebalance::{Change, GroupContext};
use ingest::settings::IngestSettings;
use ingest::topic::Kind;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rustix::process::Signal;
use service::settings::load;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use system_tests::{Room, Stack, call, eventually};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Reads on as long as it may, for what must happen before nobody has begun.
const PATIENT: [(&str, &str); 2] = [("KAFKA_READ_ON_MAX", "1m"), ("OPS_SHUTDOWN_BUDGET", "2m")];

/// Long enough for what must happen before nobody has begun, where that is waited for, too.
const LESS_PATIENT: [(&str, &str); 1] = [("KAFKA_READ_ON_MAX", "15s")];

/// A member of the workers' group that takes partitions and never reads any, like a worker that has not begun yet.
struct Sleeper {
    leaves: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Sleeper {
    /// Joins, and has partitions.
    async fn join(room: &Room) -> Self {
        let settings: IngestSettings = load(None, room.environment().iter().cloned()).expect("good settings");
        let topic = room.topic("calls");
        let (has_joined, joined) = oneshot::channel();
        let leaves = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&leaves);
        let thread = tokio::task::spawn_blocking(move || {
            let context = GroupContext::new([(Kind::Calls, topic.clone())].into());
            let member: BaseConsumer<_> =
                group_consumer(&settings.kafka).create_with_context(context).expect("a consumer");
            member.subscribe(&[&topic]).expect("subscribed");
            let mut has_joined = Some(has_joined);
            while !end.load(Ordering::Relaxed) {
                drop(member.poll(Duration::from_millis(20)));
                let has_some = |change: &Change| matches!(change, Change::Assigned(partitions) if !partitions.is_empty());
                if member.context().take_changes().iter().any(has_some)
                    && let Some(has_joined) = has_joined.take()
                {
                    let _ = has_joined.send(());
                }
            }
        });
        joined.await.expect("it joins");
        Self { leaves, thread }
    }

    async fn leave(self) {
        self.leaves.store(true, Ordering::Relaxed);
        self.thread.await.expect("no panic");
    }
}

/// Publishes calls of many organisations, in all partitions.
async fn publish_calls(room: &Room) {
    let calls: Vec<_> = (0..50).map(|n| call().org(&format!("org-{n}")).build()).collect();
    room.publish_calls(&calls).await;
}

fn saying(worker: &Worker, text: &str) -> usize {
    worker.process.log().iter().filter(|line| line.contains(text)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_group_takes_away_is_read_on_while_nobody_has_begun() {
    let room = Room::new(&Stack::shared(), "takenaway").await;
    let mut worker = Worker::start(&room, &LESS_PATIENT).await;
    let sleeper = Sleeper::join(&room).await;
    worker.process.says("revoked: calls/").await;
    publish_calls(&room).await;
    room.ledger_holds(50).await;
    worker.process.says("nobody has begun to read it").await;
    sleeper.leave().await;
    publish_calls(&room).await;
    room.ledger_holds(100).await;
    assert!(worker.process.stop().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_back_before_anybody_has_begun_is_read_on_where_it_was() {
    let room = Room::new(&Stack::shared(), "comesback").await;
    let mut worker = Worker::start(&room, &PATIENT).await;
    let starts = saying(&worker, " starts at ");
    let sleeper = Sleeper::join(&room).await;
    worker.process.says("revoked: calls/").await;
    let assigned = saying(&worker, "assigned: calls/");
    sleeper.leave().await;
    publish_calls(&room).await;
    room.ledger_holds(50).await;
    eventually("the partitions to come back", async || {
        if saying(&worker, "assigned: calls/") > assigned { Ok(()) } else { Err("none came back") }
    })
    .await;
    assert!(worker.process.stop().success());
    let log = worker.process.log();
    assert!(!log.iter().any(|line| line.contains("nobody has begun")), "it came back in time");
    assert_eq!(saying(&worker, " starts at "), starts, "nothing was looked up again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_lets_go_when_another_one_has_begun() {
    let room = Room::new(&Stack::shared(), "hasbegun").await;
    let mut first = Worker::start(&room, &PATIENT).await;
    publish_calls(&room).await;
    let mut second = Worker::start(&room, &PATIENT).await;
    first.process.says("is read by another worker now").await;
    publish_calls(&room).await;
    room.ledger_holds(100).await;
    // With all of the other's partitions that were ever busy, and with the directory, which was not.
    assert!(first.process.stop().success());
    second.process.says("calls/0 starts at").await;
    publish_calls(&room).await;
    room.ledger_holds(150).await;
    assert!(second.process.stop().success());
    let log = [first.process.log(), second.process.log()].concat();
    assert!(!log.iter().any(|line| line.contains("nobody has begun")), "each began in time: {log:#?}");
    assert!(!second.process.has_said("revoked"), "a worker that is alone just ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_told_to_end_reads_on_while_nobody_has_begun() {
    let room = Room::new(&Stack::shared(), "toldtoend").await;
    let mut worker = Worker::start(&room, &LESS_PATIENT).await;
    let sleeper = Sleeper::join(&room).await;
    worker.process.says("revoked: calls/").await;
    worker.process.says("nobody has begun to read it").await;
    let told_at_ms = service::clock::now_ms();
    worker.process.signal(Signal::TERM);
    worker.process.says("SIGTERM").await;
    let read: Vec<u16> = (0..4).filter(|number| !worker.process.has_said(&lost(*number))).collect();
    assert!(!read.is_empty() && read.len() < 4, "it has some of the partitions: {read:?}");
    let orgs = (0..50).map(|n| format!("org-{n}"));
    let of_its_partitions = orgs.filter(|org| {
        read.iter()
            .any(|number| proto::partition_of(org.as_bytes(), system_tests::PARTITIONS) == u32::from(*number))
    });
    let calls: Vec<_> = of_its_partitions.map(|org| call().org(&org).build()).collect();
    assert!(!calls.is_empty());
    room.publish_calls(&calls).await;
    room.ledger_holds(calls.len() as u64).await;
    // And idle partitions are looked at: "everything received by then is counted" moves on.
    eventually("a sign of life after the worker was told to end", async || {
        let numbers = read.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let sql = format!(
            "SELECT toUInt64(min(at)) FROM (SELECT toUnixTimestamp64Milli(max(appended_at)) AS at FROM batches \
             WHERE partition IN ({numbers}) AND bitShiftRight(from_position, 48) = 1 GROUP BY partition)"
        );
        let until_ms = ledger::ask(&room, &sql).await as i64;
        if until_ms > told_at_ms + 500 { Ok(()) } else { Err(format!("{until_ms}, told at {told_at_ms}")) }
    })
    .await;
    assert!(!worker.process.has_ended());
    assert!(worker.process.wait().success());
    sleeper.leave().await;
}

fn lost(number: u16) -> String {
    format!("calls/{number} was taken away, and nobody")
}
