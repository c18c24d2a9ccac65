//! A process that appends is killed (SIGKILL) at random moments: whatever it was told to be accepted is there.

use super::*;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

const THREADS: usize = 3;
const LIVES: u32 = 30;
const CHILD: &str = "queue::tests::kill::the_process_that_is_killed";
const CHILD_FOLDER: &str = "EMITTER_KILL_TEST_FOLDER";
const CHILD_LIFE: &str = "EMITTER_KILL_TEST_LIFE";
const SEED: &str = "EMITTER_KILL_TEST_SEED";

#[test]
fn what_was_accepted_is_found_after_kills_at_random_moments() {
    let seed = std::env::var(SEED).map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    eprintln!("to repeat: {SEED}={seed}");
    let mut random = SmallRng::seed_from_u64(seed);
    let folder = TempDir::new().unwrap();
    let mut accepted_in_all = 0;
    for life in 0..LIVES {
        let told = live_and_die(folder.path(), life, Duration::from_micros(random.random_range(0..60_000)));
        let (queue, mut reader, recovered) = open(folder.path());
        assert_eq!(recovered.damaged, 0, "a killed process damages nothing");
        let found = drain(&mut reader);
        let found_values = found.iter().map(|(_, value)| name_of(value)).collect::<BTreeSet<_>>();
        assert_eq!(found_values.len(), found.len(), "nothing is there twice");
        for accepted in &told.accepted {
            let kept = found_values.contains(accepted) || told.settled.contains(accepted);
            assert!(kept, "{accepted} was accepted in life {life} and is gone");
        }
        accepted_in_all += told.accepted.len();
        // Some of it stays for the next life.
        if let Some((entry, _)) = found.get(random.random_range(0..=found.len())) {
            reader.settle(entry);
        }
        drop((queue, reader));
    }
    eprintln!("{accepted_in_all} records were accepted in {LIVES} lives");
    assert!(accepted_in_all > 1000);
}

/// The child of the test above, which starts it with a folder; without one there is nothing to do. It appends
/// numbered values from several threads, and tells each one after its append has returned.
#[test]
fn the_process_that_is_killed() {
    let Some(folder) = std::env::var_os(CHILD_FOLDER) else { return };
    let life: u32 = std::env::var(CHILD_LIFE).unwrap().parse().unwrap();
    let (queue, mut reader, _) = open(Path::new(&folder));
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let queue = &queue;
            scope.spawn(move || {
                for number in (thread..).step_by(THREADS) {
                    let name = format!("{life}-{number}");
                    append_patiently(queue, format!("{name}:{:.<1$}", "", number * 37 % 900).as_bytes());
                    tell(&format!("accepted {name}\n"));
                }
            });
        }
        // Every other process reads and settles meanwhile, so that kills also hit cursors and removals.
        while life.is_multiple_of(2) {
            let read = drain(&mut reader);
            if let Some((last, _)) = read.last() {
                read.iter().for_each(|(_, value)| tell(&format!("settled {}\n", name_of(value))));
                reader.settle(last);
            }
        }
    });
}

#[derive(Default)]
struct Told {
    accepted: BTreeSet<String>,
    settled: BTreeSet<String>,
}

/// Runs the child until it has accepted something, then for `longer`; returns what it told.
fn live_and_die(folder: &Path, life: u32, longer: Duration) -> Told {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", CHILD, "--nocapture"])
        .env(CHILD_FOLDER, folder)
        .env(CHILD_LIFE, life.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = Told::default();
    let mut kill_at = None;
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    // The pipe ends when the child is dead, and then holds all it told.
    for line in &mut lines {
        if let Some(name) = line.strip_prefix("accepted ") {
            told.accepted.insert(name.to_owned());
            kill_at.get_or_insert_with(|| Instant::now() + longer);
        } else if let Some(name) = line.strip_prefix("settled ") {
            told.settled.insert(name.to_owned());
        }
        if kill_at.is_some_and(|at| Instant::now() >= at) {
            child.kill().unwrap();
            kill_at = Some(Instant::now() + Duration::from_secs(3600));
        }
    }
    assert!(!child.wait().unwrap().success(), "the child ended by itself");
    told
}

/// One write a line: the kernel keeps them whole, whoever is killed when.
fn tell(line: &str) {
    rustix::io::write(std::io::stdout(), line.as_bytes()).unwrap();
}

fn name_of(value: &[u8]) -> String {
    String::from_utf8_lossy(value.split(|byte| *byte == b':').next().unwrap()).into_owned()
}
