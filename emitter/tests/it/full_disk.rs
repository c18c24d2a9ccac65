//! A copilot whose queue lies on a disk that becomes really full: it is told, it is never killed by a signal, and what
//! was accepted arrives.

use super::calls::{call, numbers_by_org};
use super::kafka::{Kafka, PATIENCE};
use emitter::{EmitError, Emitter, EmitterSettings, ShutdownReport};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const TOPIC: &str = "full-disk";
const SEGMENT_BYTES: u64 = 256 << 10;
/// What is left on a full disk.
const FREE_BYTES: u64 = SEGMENT_BYTES / 4;
const CHILD: &str = "full_disk::the_copilot_on_a_small_disk";
const CHILD_BROKERS: &str = "EMITTER_TEST_FULL_DISK_BROKERS";
const CHILD_DISK: &str = "EMITTER_TEST_FULL_DISK";
/// What the child says when its disk is full and calls wait, and for which answer it waits then.
const FULL: &str = "full, and calls wait for the topic";

#[test]
fn a_full_disk_is_told_to_the_caller_and_what_was_accepted_arrives() {
    let kafka = Kafka::shared();
    let folder = TempDir::new().unwrap();
    let mut child = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/small-disk"))
        .arg(folder.path())
        .args(["4m", "1000"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", CHILD, "--nocapture"])
        .env(CHILD_BROKERS, &kafka.brokers)
        .env(CHILD_DISK, folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut accepted = BTreeSet::new();
    let mut is_full = false;
    for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
        if let Some(number) = line.strip_prefix("accepted ") {
            accepted.insert(number.parse::<u64>().unwrap());
        } else if line == FULL {
            is_full = true;
            kafka.create_topic(TOPIC, 3, &[]);
        }
    }
    let status = child.wait().unwrap();
    assert!(status.success() && is_full, "the copilot ended with {status}; its words are above");
    let arrived: Vec<u64> = numbers_by_org(&kafka.read(TOPIC)).into_values().flatten().collect();
    let once: BTreeSet<u64> = arrived.iter().copied().collect();
    assert_eq!(once.len(), arrived.len(), "none twice: Kafka was there all the time");
    assert_eq!(once, accepted, "what was accepted, and nothing that was refused");
}

/// The child of the test above, which starts it on a small disk; without one there is nothing to do.
#[test]
fn the_copilot_on_a_small_disk() {
    let Some(disk) = std::env::var_os(CHILD_DISK).map(PathBuf::from) else { return };
    // Ends what the harness may have written of its line by now.
    println!();
    let brokers = std::env::var(CHILD_BROKERS).unwrap();
    let mut copilot = Copilot { emitter: start(&brokers, &disk), next: 0, refused: 0 };

    // Somebody else takes the room; then all that is left of the queue's segments fills up.
    fill(&disk);
    copilot.emit_until_refused_for(Duration::from_secs(2));
    let counters = copilot.emitter.counters();
    assert_eq!((counters.refused_not_ready, counters.refused_full), (copilot.refused, 0));
    let trouble = copilot.emitter.trouble().expect("it says so");
    assert!(trouble.reason.contains("No space left on device"), "{trouble:?}");

    // There is room again: it goes on by itself.
    std::fs::remove_file(ballast(&disk)).unwrap();
    copilot.emit_patiently(2000);
    // Full once more, and started again there.
    fill(&disk);
    copilot.emit_until_refused_for(Duration::from_secs(2));
    let accepted_before = copilot.next - copilot.refused;
    let Copilot { emitter, next: first, .. } = copilot;
    drop(emitter);
    let emitter = start("127.0.0.1:9", &disk);
    let trouble = || emitter.trouble().expect("it says so at once");
    assert!(trouble().reason.contains("No space left on device"), "{:?}", trouble());
    // The disk is why new calls are refused, and Kafka why it stays full.
    let deadline = Instant::now() + PATIENCE;
    while !(trouble().reason.contains("No space left on device") && trouble().reason.contains("127.0.0.1:9"))
    {
        assert!(Instant::now() < deadline, "{:?}", trouble());
        std::thread::sleep(Duration::from_millis(10));
    }
    drop(emitter);
    let mut copilot = Copilot { emitter: start(&brokers, &disk), next: first, refused: 0 };
    assert!(!copilot.emit(), "there is no room");
    assert_eq!(copilot.emitter.counters().recovered, accepted_before);
    // Now Kafka takes the calls: they leave from a full disk.
    println!("{FULL}");
    assert!(
        copilot.emitter.flush(PATIENCE),
        "{:?} {:?}",
        copilot.emitter.trouble(),
        copilot.emitter.counters()
    );
    // What was published makes room, ballast or not.
    copilot.emit_patiently(2000);
    let Copilot { emitter, next, refused } = copilot;
    assert_eq!(emitter.shutdown(PATIENCE), ShutdownReport { unsent: 0 });
    let counters = emitter.counters();
    let accepted = next - first - refused;
    assert_eq!((counters.accepted, counters.acknowledged), (accepted, accepted_before + accepted));
    assert_eq!((counters.refused_not_ready, counters.damaged), (refused, 0));
}

fn start(brokers: &str, disk: &Path) -> Emitter {
    let mut settings = EmitterSettings::new(brokers, disk.join("queue"));
    TOPIC.clone_into(&mut settings.topic);
    settings.segment_bytes = SEGMENT_BYTES;
    Emitter::start(settings).unwrap()
}

struct Copilot {
    emitter: Emitter,
    /// Number of the next call; one that was refused is not told again.
    next: u64,
    refused: u64,
}

impl Copilot {
    /// Emits the next call; says on stdout if it was accepted, and returns whether.
    fn emit(&mut self) -> bool {
        let number = self.next;
        self.next += 1;
        match self.emitter.emit(&call(&format!("org-{}", number % 20), number)) {
            Ok(()) => {
                // One write a line, which is whole whatever happens next.
                rustix::io::write(std::io::stdout(), format!("accepted {number}\n").as_bytes()).unwrap();
                true
            }
            Err(error) => {
                assert_eq!(error, EmitError::SegmentNotReady);
                self.refused += 1;
                false
            }
        }
    }

    /// Emits until no call was accepted for so long: the keeper has tried the disk again in the meantime.
    fn emit_until_refused_for(&mut self, long: Duration) {
        let mut accepted_at = Instant::now();
        while accepted_at.elapsed() < long {
            if self.emit() {
                accepted_at = Instant::now();
            } else {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    /// Emits until so many more were accepted.
    fn emit_patiently(&mut self, count: u64) {
        let deadline = Instant::now() + PATIENCE;
        for _ in 0..count {
            while !self.emit() {
                assert!(Instant::now() < deadline, "{:?}", self.emitter.trouble());
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

fn ballast(disk: &Path) -> PathBuf {
    disk.join("ballast")
}

/// Takes all the room that is left on the disk but a few pages: a segment can be begun, and not be filled.
fn fill(disk: &Path) {
    let mut file = File::create(ballast(disk)).unwrap();
    let error = loop {
        if let Err(error) = file.write_all(&[1; 4096]) {
            break error;
        }
    };
    assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
    file.set_len(file.metadata().unwrap().len() - FREE_BYTES).unwrap();
}
