//! A message's way, when nothing fails.

use crate::worker::Worker;
use system_tests::{PARTITIONS, Room, Stack, call};

#[tokio::test(flavor = "multi_thread")]
async fn calls_become_rows_touches_and_batch_rows() {
    let room = Room::new(&Stack::shared(), "way").await;
    let mut ingest = Worker::start(&room, &[]).await;
    let calls: Vec<_> = (0..1000).map(|n| call().org(&format!("org-{}", n % 17)).build()).collect();
    room.publish_calls(&calls).await;
    room.ledger_holds(1000).await;
    room.batches_cover(1000).await;
    let query = room.warehouse().read(
        "SELECT uniqExact(org_id) FROM touches WHERE last_position >= first_position AND first_position > 0",
    );
    assert_eq!(room.warehouse().fetch_one::<u64>("counting", query).await.unwrap(), 17);
    let query = room.warehouse().read("SELECT toUInt64(count()) FROM sources WHERE kind = 'calls'");
    assert_eq!(room.warehouse().fetch_one::<u64>("counting", query).await.unwrap(), u64::from(PARTITIONS));
    assert!(ingest.process.stop().success());
}
