//! What happens when nothing happens: signs of life, markers at the end of a log, folded batches.

use crate::ledger::{self, ask};
use crate::load::Load;
use crate::topic::{Raw, publish, publish_with};
use crate::worker::Worker;
use system_tests::{PARTITIONS, Room, Stack, call, eventually};

/// Waits until everything appended before `instant_ms` is said to be counted, in every partition.
async fn complete_until(room: &Room, instant_ms: i64) {
    eventually("every partition to be complete", async || {
        let complete = ask(
            room,
            &format!(
                "SELECT count() FROM (SELECT partition, max(appended_at) AS until FROM batches \
                 WHERE bitShiftRight(from_position, 48) = 1 GROUP BY partition \
                 HAVING toUnixTimestamp64Milli(until) >= {instant_ms})"
            ),
        )
        .await;
        if complete == u64::from(PARTITIONS) { Ok(()) } else { Err(format!("{complete} partitions")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_partition_goes_on_saying_until_when_it_is_complete() {
    let room = Room::new(&Stack::shared(), "idle").await;
    let _worker = Worker::start(&room, &[("IDLE_INTERVAL", "100ms")]).await;
    let first = service::clock::now_ms();
    complete_until(&room, first).await;
    publish(&room, "calls", &[Raw::of(&call().build())]).await;
    let second = service::clock::now_ms();
    complete_until(&room, second).await;
    assert_eq!(ledger::settled(&room).await.rows, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_ends_with_a_transaction_is_read_to_its_end() {
    let room = Room::new(&Stack::shared(), "markers").await;
    let mut worker = Worker::start(&room, &[("IDLE_INTERVAL", "100ms")]).await;
    let calls: Vec<_> = (0..40).map(|n| Raw::of(&call().org(&format!("org-{n}")).build())).collect();
    let transaction = room.name.clone();
    publish_with(&room, "calls", &calls, &[("transactional.id", &transaction)]).await;
    let counts = ledger::settled(&room).await;
    assert_eq!(counts.rows, 40);
    assert_eq!(counts.empty_offsets, u64::from(PARTITIONS), "the commit marker of each partition");
    complete_until(&room, service::clock::now_ms()).await;
    assert!(worker.process.stop().success());

    // A marker behind what the ledger has, found by the next worker.
    publish_with(&room, "calls", &calls, &[("transactional.id", &transaction)]).await;
    let _worker = Worker::start(&room, &[("IDLE_INTERVAL", "100ms")]).await;
    let counts = ledger::settled(&room).await;
    assert_eq!((counts.rows, counts.empty_offsets), (80, 2 * u64::from(PARTITIONS)));
}

#[tokio::test(flavor = "multi_thread")]
async fn old_batches_are_folded_while_calls_arrive_and_no_sum_changes() {
    let room = Room::new(&Stack::shared(), "fold").await;
    let mut load = Load::default();
    // Most rows are signs of life, which cost less than batches.
    let often = [
        ("BATCH_ROWS_MAX", "20"),
        ("FOLD_INTERVAL", "1s"),
        ("FOLD_ROWS_MAX", "100"),
        ("FOLD_KEEP", "10"),
        ("IDLE_INTERVAL", "50ms"),
    ];
    let worker = Worker::start(&room, &often).await;
    eventually("batches to be folded", async || {
        publish(&room, "calls", &load.more(100)).await;
        ledger::caught_up(&room).await;
        let folded = worker.metric("ingest_folded_rows_total", "").await;
        if folded > 100 { Ok(()) } else { Err(format!("{folded} rows folded")) }
    })
    .await;
    load.is_counted(&room).await;
}
