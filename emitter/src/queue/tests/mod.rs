//! The queue as its users see it: append, read, settle, close, open again.

mod damage;
mod kill;
mod model;

use super::*;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Instant;
use tempfile::TempDir;

const SEGMENT_BYTES: u64 = 64 << 10;

fn settings(folder: &Path) -> Settings {
    Settings {
        directory: folder.to_owned(),
        segment_bytes: SEGMENT_BYTES,
        queue_bytes_max: 1 << 30,
        sync_interval: None,
    }
}

fn open(folder: &Path) -> (Queue, Reader, Recovered) {
    Queue::open(&settings(folder)).unwrap()
}

fn append(queue: &Queue, value: &[u8]) -> Result<(), AppendError> {
    queue.append(&Record { accepted_at_ms: 1, key: b"acme", value })
}

/// Appends, waiting for the keeper where a burst is faster than it.
fn append_patiently(queue: &Queue, value: &[u8]) {
    eventually("a segment is ready", || match append(queue, value) {
        Err(AppendError::NotReady) => false,
        outcome => {
            outcome.unwrap();
            true
        }
    });
}

/// Reads and returns everything that is there, in order.
fn drain(reader: &mut Reader) -> Vec<(Entry, Vec<u8>)> {
    let mut found = Vec::new();
    while let Some(entry) = reader.next().unwrap() {
        let record = reader.record(&entry).unwrap();
        assert_eq!((record.key, record.accepted_at_ms), (b"acme".as_slice(), entry.accepted_at_ms));
        found.push((entry, record.value.to_vec()));
    }
    found
}

fn values(found: &[(Entry, Vec<u8>)]) -> Vec<Vec<u8>> {
    found.iter().map(|(_, value)| value.clone()).collect()
}

fn numbered(range: std::ops::Range<u32>) -> Vec<Vec<u8>> {
    range.map(|number| number.to_le_bytes().to_vec()).collect()
}

fn segment_files(folder: &Path) -> usize {
    fs::read_dir(folder)
        .unwrap()
        .filter(|entry| {
            entry.as_ref().unwrap().path().extension().is_some_and(|of_file| of_file == "segment")
        })
        .count()
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "not within 60 s: {what}");
        std::thread::yield_now();
    }
}

#[test]
fn records_come_back_in_order_and_once() {
    let folder = TempDir::new().unwrap();
    let (queue, mut reader, recovered) = open(folder.path());
    assert_eq!(recovered, Recovered::default());
    let written = numbered(0..10_000);
    written.iter().for_each(|value| append_patiently(&queue, value));
    let found = drain(&mut reader);
    assert_eq!(values(&found), written);
    assert!(reader.position() >= queue.tail());
    assert!(drain(&mut reader).is_empty());
}

#[test]
fn what_was_not_settled_comes_again_after_a_restart() {
    let folder = TempDir::new().unwrap();
    let (queue, mut reader, _) = open(folder.path());
    let written = numbered(0..5_000);
    written.iter().for_each(|value| append_patiently(&queue, value));
    let found = drain(&mut reader);
    reader.settle(&found[1233].0);
    drop((queue, reader));

    let (queue, mut reader, recovered) = open(folder.path());
    assert_eq!((recovered.records, recovered.damaged), (5_000 - 1234, 0));
    append_patiently(&queue, b"later");
    let mut expected = written[1234..].to_vec();
    expected.push(b"later".to_vec());
    assert_eq!(values(&drain(&mut reader)), expected);
}

#[test]
fn settled_segments_are_removed_and_the_limit_counts_the_rest() {
    let folder = TempDir::new().unwrap();
    let limit = 4 * SEGMENT_BYTES;
    let full = Settings { queue_bytes_max: limit, ..settings(folder.path()) };
    let (queue, mut reader, _) = Queue::open(&full).unwrap();
    let value = [7; 1000];
    eventually("the queue is full", || append(&queue, &value) == Err(AppendError::Full));
    let on_disk: u64 =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
    assert!(on_disk <= limit + 200, "{on_disk}");

    let found = drain(&mut reader);
    assert!(found.len() > 200, "{}", found.len());
    reader.settle(&found.last().unwrap().0);
    eventually("there is room again", || append(&queue, &value).is_ok());
    eventually("settled segments are gone", || segment_files(folder.path()) <= 3);
}

#[test]
fn a_queue_that_was_full_opens_and_refuses_until_there_is_room() {
    let folder = TempDir::new().unwrap();
    let full = Settings { queue_bytes_max: 3 * SEGMENT_BYTES, ..settings(folder.path()) };
    let (queue, reader, _) = Queue::open(&full).unwrap();
    eventually("the queue is full", || append(&queue, &[7; 1000]) == Err(AppendError::Full));
    drop((queue, reader));

    let (queue, mut reader, recovered) = Queue::open(&full).unwrap();
    assert_eq!(append(&queue, b"more"), Err(AppendError::Full));
    let found = drain(&mut reader);
    assert_eq!(found.len() as u64, recovered.records);
    reader.settle(&found.last().unwrap().0);
    eventually("there is room again", || append(&queue, b"more").is_ok());
    assert_eq!(values(&drain(&mut reader)), [b"more"]);
}

#[test]
fn restarts_give_unused_room_back() {
    let folder = TempDir::new().unwrap();
    for round in 0..20u32 {
        let (queue, _reader, recovered) = open(folder.path());
        assert_eq!(recovered.records, u64::from(round));
        append_patiently(&queue, &round.to_le_bytes());
    }
    let (_queue, mut reader, _) = open(folder.path());
    assert_eq!(values(&drain(&mut reader)), numbered(0..20));
    let lengths = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len());
    assert_eq!(
        lengths.filter(|bytes| *bytes == SEGMENT_BYTES).count(),
        2,
        "only spares have their full length"
    );
}

#[test]
fn a_record_larger_than_a_segment_is_refused_and_the_largest_is_not() {
    let folder = TempDir::new().unwrap();
    let (queue, mut reader, _) = open(folder.path());
    let bytes_max = Segment::record_bytes_max(SEGMENT_BYTES as usize);
    let largest = vec![1; bytes_max - record::FRAME_BYTES - record::BODY_HEADER_BYTES - 4];
    let larger = [largest.as_slice(), b"12345678"].concat();
    append_patiently(&queue, b"first");
    assert!(matches!(append(&queue, &larger), Err(AppendError::TooLarge { .. })));
    append_patiently(&queue, &largest);
    append_patiently(&queue, b"last");
    assert_eq!(values(&drain(&mut reader)), [b"first".as_slice(), &largest, b"last"]);
}

#[test]
fn threads_append_at_once_and_each_keeps_its_order() {
    const THREADS: u32 = 8;
    const EACH: u32 = 20_000;
    let folder = TempDir::new().unwrap();
    let (queue, mut reader, _) = open(folder.path());
    let mut found = Vec::new();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let queue = &queue;
            scope.spawn(move || {
                for number in 0..EACH {
                    let padding = vec![0xaa; (number % 50) as usize];
                    append_patiently(
                        queue,
                        &[&thread.to_le_bytes(), &number.to_le_bytes(), padding.as_slice()].concat(),
                    );
                }
            });
        }
        // Read and settle while they write, so that segments come and go meanwhile.
        eventually("all are read", || {
            let more = drain(&mut reader);
            if let Some((last, _)) = more.last() {
                reader.settle(last);
            }
            found.extend(values(&more));
            found.len() as u32 >= THREADS * EACH
        });
    });
    let mut next = [0; THREADS as usize];
    for value in &found {
        let (thread, rest) = value.split_first_chunk::<4>().unwrap();
        let number = u32::from_le_bytes(*rest.first_chunk().unwrap());
        let expected = &mut next[u32::from_le_bytes(*thread) as usize];
        assert_eq!(number, *expected);
        *expected += 1;
    }
    assert_eq!(next, [EACH; THREADS as usize]);
    assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), found.len());
    eventually("settled segments are gone", || segment_files(folder.path()) <= 4);
}

#[test]
fn a_disk_that_gives_no_room_is_told_and_work_goes_on_when_it_does() {
    let folder = TempDir::new().unwrap();
    let (queue, mut reader, _) = open(folder.path());
    // What makes the files fail that come after the first three: their names are taken.
    let obstacles =
        (4..9).map(|sequence| folder.path().join(format!("{sequence:020}.new"))).collect::<Vec<_>>();
    obstacles.iter().for_each(|obstacle| fs::create_dir(obstacle).unwrap());
    let mut written = Vec::new();
    eventually("no segment is ready and the reason is told", || {
        let value = written.len().to_le_bytes().repeat(40);
        let refused = append(&queue, &value) == Err(AppendError::NotReady);
        if !refused {
            written.push(value);
        }
        refused && queue.disk_trouble().get().is_some()
    });
    let trouble = queue.disk_trouble().get().unwrap();
    assert!(trouble.reason.starts_with("cannot make a new segment: "), "{trouble:?}");
    assert_eq!(values(&drain(&mut reader)), written);

    obstacles.iter().for_each(|obstacle| fs::remove_dir(obstacle).unwrap());
    append_patiently(&queue, b"more");
    assert_eq!(values(&drain(&mut reader)), [b"more"]);
    eventually("the trouble is over", || queue.disk_trouble().get().is_none());
}

#[test]
fn a_segment_of_a_later_format_is_left_alone() {
    let folder = TempDir::new().unwrap();
    let (queue, reader, _) = open(folder.path());
    append_patiently(&queue, b"one");
    drop((queue, reader));
    let file = folder.path().join(format!("{:020}.segment", 1));
    let mut bytes = fs::read(&file).unwrap();
    bytes[8] = 2;
    fs::write(&file, &bytes).unwrap();
    let Err(error) = Queue::open(&settings(folder.path())) else { panic!("opened what it cannot read") };
    assert!(error.to_string().contains("later version"), "{error}");
    assert_eq!(fs::read(&file).unwrap(), bytes);
}
