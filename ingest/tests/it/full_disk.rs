//! The engine's disk is full, of bytes or of files: the worker waits, says so, and catches up when there is room.

use crate::load::Load;
use crate::topic::publish;
use crate::worker::{Worker, command};
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::time::{Duration, Instant};
use system_tests::{CAREFUL, Room, Stack};

/// Quick to notice and quick to come back.
const IMPATIENT: [(&str, &str); 6] = [
    CAREFUL,
    ("CLICKHOUSE_TIMEOUT", "1s"),
    ("KAFKA_TIMEOUT", "2s"),
    ("KAFKA_PROPERTIES", "session.timeout.ms=6000"),
    ("RETRY_MAX", "300ms"),
    ("BATCH_ROWS_MAX", "1000"),
];
/// Longer than each of these.
const OUTAGE: Duration = Duration::from_secs(8);
/// Messages that come while the disk is full.
const MEANWHILE: usize = 30_000;

/// Takes all the room there is, to the last page.
fn fill_with_bytes(folder: &Path) {
    let mut ballast = File::create(folder.join("bytes")).unwrap();
    for piece in [1 << 20, 1 << 12] {
        let zeros = vec![0; piece];
        let error = loop {
            if let Err(error) = ballast.write_all(&zeros) {
                break error;
            }
        };
        assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
    }
}

/// Makes so many files that there can be no other.
fn fill_with_files(folder: &Path) {
    let mut files = (0..).map(|number| File::create(folder.join(number.to_string())));
    let error = files.find_map(Result::err).unwrap();
    assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_of_the_engine_costs_time_only_whatever_it_is_full_of() {
    let stack = Stack::start_own_on_small_disk("256m", 40_000);
    let room = Room::new(&stack, "fulldisk").await;
    let mut load = Load::default();
    let mut worker = Worker::start(&room, &IMPATIENT).await;
    publish(&room, "calls", &load.more(2000)).await;
    load.is_counted(&room).await;

    for (of_what, fill) in [("bytes", fill_with_bytes as fn(&Path)), ("files", fill_with_files)] {
        let ballast = stack.engine_disk().join("ballast");
        std::fs::create_dir(&ballast).unwrap();
        let full_at = service::clock::now();
        fill(&ballast);
        publish(&room, "calls", &load.more(MEANWHILE)).await;
        let since = worker.component_waits("clickhouse", "its disk is full").await;
        assert!(since > full_at, "since {since}, full at {full_at}");
        tokio::time::sleep(OUTAGE).await;
        assert_eq!(worker.component_waits("clickhouse", "its disk is full").await, since);
        assert!(!worker.process.has_said("ERROR"), "a full disk is an outage, no mistake");

        std::fs::remove_dir_all(&ballast).unwrap();
        let began = Instant::now();
        load.is_counted(&room).await;
        println!(
            "full of {of_what} for {:?}; caught up with {MEANWHILE} messages in {:?}, at most {} MiB of memory",
            (service::clock::now() - since).to_std().unwrap() - began.elapsed(),
            began.elapsed(),
            worker.memory_is_bounded()
        );
        worker.ready().await;
    }
    let (is_clean, said) = command(&room, &["verify", "--read-log"]);
    assert!(is_clean && said.contains("0 differences"), "{said}");
    assert_eq!(worker.metric("ingest_broken_sums_total", "").await, 0);
    assert!(worker.process.stop().success());
}
