//! A copilot that is killed (SIGKILL) while it emits and publishes: what it was told to be accepted arrives.

use super::calls::{call, numbers_by_org};
use super::kafka::{Kafka, PATIENCE};
use emitter::{Emitter, EmitterSettings, ShutdownReport};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const LIVES: u64 = 6;
/// Numbers of one life; more than it can emit before it is killed.
const NUMBERS: u64 = 100_000_000;
const TOPIC: &str = "copilot";
const CHILD: &str = "killed::the_copilot_that_is_killed";
const CHILD_BROKERS: &str = "EMITTER_TEST_BROKERS";
const CHILD_FOLDER: &str = "EMITTER_TEST_FOLDER";
const CHILD_LIFE: &str = "EMITTER_TEST_LIFE";

fn settings(brokers: &str, folder: &std::path::Path) -> EmitterSettings {
    let mut settings = EmitterSettings::new(brokers, folder);
    TOPIC.clone_into(&mut settings.topic);
    settings.segment_bytes = 64 << 10;
    settings
}

#[test]
fn what_was_accepted_arrives_though_the_copilot_is_killed_again_and_again() {
    let kafka = Kafka::shared();
    kafka.create_topic(TOPIC, 3, &[]);
    let folder = TempDir::new().unwrap();
    let mut accepted = BTreeSet::new();
    for life in 0..LIVES {
        let before = accepted.len();
        live_and_die(&kafka, folder.path(), life, &mut accepted);
        assert!(accepted.len() > before);
    }
    let emitter = Emitter::start(settings(&kafka.brokers, folder.path())).unwrap();
    assert_eq!(emitter.counters().damaged, 0);
    assert_eq!(emitter.shutdown(PATIENCE), ShutdownReport { unsent: 0 });
    let arrived: BTreeSet<u64> = numbers_by_org(&kafka.read(TOPIC)).into_values().flatten().collect();
    let lost: Vec<_> = accepted.difference(&arrived).collect();
    assert!(
        lost.is_empty(),
        "{} of {} accepted calls are lost, the first is {:?}",
        lost.len(),
        accepted.len(),
        lost[0]
    );
    let untold = arrived.difference(&accepted).count() as u64;
    assert!(
        untold <= LIVES,
        "{untold} calls arrived of which nobody was told: at most the last of each life may"
    );
}

/// The child of the test above, which starts it with a broker; without one there is nothing to do.
#[test]
fn the_copilot_that_is_killed() {
    let Ok(brokers) = std::env::var(CHILD_BROKERS) else { return };
    let life: u64 = std::env::var(CHILD_LIFE).unwrap().parse().unwrap();
    let folder = std::env::var_os(CHILD_FOLDER).unwrap();
    let emitter = Emitter::start(settings(&brokers, std::path::Path::new(&folder))).unwrap();
    let mut number = life * NUMBERS;
    // Ends the line in which the test's name stands, where tests run one at a time.
    println!();
    loop {
        if emitter.emit(&call(&format!("org-{}", number % 20), number)).is_ok() {
            // One write a line: the kernel keeps them whole, whoever is killed when.
            rustix::io::write(std::io::stdout(), format!("accepted {number}\n").as_bytes()).unwrap();
            number += 1;
        }
    }
}

/// Runs the copilot until Kafka has some of its calls, and a bit longer.
fn live_and_die(kafka: &Kafka, folder: &std::path::Path, life: u64, accepted: &mut BTreeSet<u64>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", CHILD, "--nocapture"])
        .env(CHILD_BROKERS, &kafka.brokers)
        .env(CHILD_FOLDER, folder)
        .env(CHILD_LIFE, life.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut kill_at = None;
    // The pipe ends when the child is dead, and then holds all it told.
    for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
        let Some(number) = line.strip_prefix("accepted ") else { continue };
        accepted.insert(number.parse().unwrap());
        // Long enough for messages to be on their way: linger is 20 ms, connecting takes a few more.
        let at = *kill_at.get_or_insert_with(|| Instant::now() + Duration::from_millis(100 + life * 70));
        if Instant::now() >= at {
            child.kill().unwrap();
            kill_at = Some(Instant::now() + Duration::from_secs(3600));
        }
    }
    assert!(!child.wait().unwrap().success(), "the child ended by itself");
}
