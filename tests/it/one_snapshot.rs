//! One snapshot, one answer: while calls pour in and the rollup worker runs, is frozen, and is doubled, whatever is said
//! at one `as_of` ties out to the last digit, and is what the topic held up to that position.
//!
//! `make snapshots` asks more, faster, and judges the age of fresh snapshots.

mod answers;
mod judge;
mod question;
mod settings;
mod snapshots;
mod stream;

use crate::api::Api;
use answers::Answers;
use judge::Judge;
use question::Question;
use rustix::process::Signal;
use settings::Settings;
use snapshots::{Fresh, Snapshots};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use stream::{MEMBERS, ORGS, Stream, dice};
use system_tests::{CAREFUL, Client, Room, Stack, eventually_for, row};
use tokio::task::{JoinSet, block_in_place};

/// Calls of the months before.
const HISTORY: i64 = 1_500;
/// People who ask at the same time.
const READERS: u64 = 3;
/// How often it is told how far the questions are.
const TOLD_EVERY: u64 = 25;
/// Nothing here is judged by time.
const PATIENCE: Duration = Duration::from_secs(300);
const ROLLUP: [(&str, &str); 1] = [("WORKER_STEP_INTERVAL", "200ms")];

/// What becomes of the rollup worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Runs,
    IsFrozen,
    IsDoubled,
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_said_at_one_snapshot_is_what_the_topic_held() {
    let settings = Settings::read();
    println!("again: {settings}");
    let stack = Stack::shared();
    let room = Room::new(&stack, "one_snapshot").await;
    // Where the age of snapshots is judged, the machine has to be quick enough.
    let careful: &[_] = if settings.age_ms_max.is_none() { &[CAREFUL] } else { &[] };
    let _ingest = room.start("ingest", careful).await;
    let rollup = room.start("rollup", &ROLLUP).await;
    let members = ORGS.iter().flat_map(|(org, _)| (0..MEMBERS).map(move |n| (*org, format!("m-{n}"))));
    let members = members.map(|(org, member)| (org, member.clone(), row::name_of(&member)));
    room.tell_directory(&ORGS, &members.collect::<Vec<_>>()).await;
    let history = Stream::history(HISTORY, &mut dice(settings.seed, u64::MAX));
    room.publish_calls(&history).await;
    room.ledger_holds(HISTORY as u64).await;
    room.passed_quarters_are_computed().await;

    let organisations = ORGS.map(|(org, _)| org.to_owned());
    let api = Api::start(&stack, &room, &organisations).await;
    let client = Client::new(&api.address, &api.token);
    let stream = Arc::new(Stream::start(&room, settings.rate, history, dice(settings.seed, u64::MAX - 1)));
    let snapshots = Snapshots::default();
    let collecting = tokio::spawn(snapshots.clone().collect(client.clone()));
    let (mut twin, mut told) = (None, Vec::new());
    for (number, phase) in (0u64..).zip([Phase::Runs, Phase::IsFrozen, Phase::IsDoubled]) {
        match phase {
            Phase::Runs => {}
            Phase::IsFrozen => {
                rollup.signal(Signal::STOP);
                nothing_is_computed(&room).await;
            }
            Phase::IsDoubled => {
                rollup.signal(Signal::CONT);
                twin = Some(room.start("rollup", &ROLLUP).await);
            }
        }
        every_organisation_is_heard_of(&snapshots).await;
        let computed = computed_through(&room).await;
        let questions = settings.filters * number / 3..settings.filters * (number + 1) / 3;
        let answers = ask(&client, &stream, &snapshots, questions, settings.seed).await;
        assert!(!collecting.is_finished(), "whoever asks for fresh snapshots gave up");
        if phase == Phase::IsFrozen {
            assert_eq!(computed_through(&room).await, computed, "the worker is frozen");
        } else {
            eventually_for(PATIENCE, "rollups to move on", async || {
                let now = computed_through(&room).await;
                if now > computed { Ok(()) } else { Err(format!("through {now}")) }
            })
            .await;
        }
        told.push((phase, answers));
    }
    collecting.abort();
    drop(twin);

    let stream = Arc::into_inner(stream).expect("nobody asks any more");
    let (published, rate) = block_in_place(|| stream.stop());
    let heard = snapshots.all();
    let judge = block_in_place(|| Judge::of(&room));
    judge.nothing_is_left_out(&heard);
    let mut with_calls = 0;
    for (phase, answers) in told {
        let rows = block_in_place(|| judge.judge(&answers));
        let (asked, found) = (rows.len(), rows.iter().filter(|rows| **rows > 0).count());
        let (rows, pages) =
            (rows.iter().sum::<usize>(), answers.iter().map(|each| each.pages).sum::<usize>());
        println!(
            "{phase:?}: {asked} filters, {found} with calls; {rows} rows on {pages} pages, as the {} messages say",
            judge.messages()
        );
        with_calls += found;
    }
    let age = [50, 90, 99, 100].map(|percent| Fresh::age_ms(&heard, percent));
    let [repeats, conflicts] = judge.truth.later;
    println!(
        "{published} messages, {rate}/s, {repeats} repeats, {conflicts} conflicts; age of {} fresh snapshots: {} ms \
         in the middle, {} ms p90, {} ms p99, {} ms at most",
        heard.len(),
        age[0],
        age[1],
        age[2],
        age[3]
    );
    assert!(repeats > 0 && conflicts > 0);
    assert!(with_calls as u64 * 100 >= settings.filters * 80, "only {with_calls} filters have calls");
    if let Some(age_ms_max) = settings.age_ms_max {
        assert!(rate * 100 >= settings.rate * 95, "the machine gives only {rate} messages a second");
        assert!(age[2] <= age_ms_max, "p99 of the age of a fresh snapshot is {} ms", age[2]);
    }
}

/// Asks questions by several readers at the same time.
async fn ask(
    client: &Client,
    stream: &Arc<Stream>,
    snapshots: &Snapshots,
    numbers: std::ops::Range<u64>,
    seed: u64,
) -> Vec<Answers> {
    let next = Arc::new(AtomicU64::new(numbers.start));
    let mut readers = JoinSet::new();
    for _ in 0..READERS {
        let (client, snapshots, next) = (client.clone(), snapshots.clone(), Arc::clone(&next));
        let stream = Arc::clone(stream);
        readers.spawn(async move {
            let mut answers = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= numbers.end {
                    return answers;
                }
                if number > numbers.start && number % TOLD_EVERY == 0 {
                    println!("question {number}; this phase ends with {}", numbers.end);
                }
                let mut dice = dice(seed, number);
                let question = Question::random(&stream, &snapshots, &mut dice);
                answers.push(Answers::to(&client, question, &mut dice).await);
            }
        });
    }
    readers.join_all().await.into_iter().flatten().collect()
}

/// Waits until every organisation has a snapshot of this very moment or later.
async fn every_organisation_is_heard_of(snapshots: &Snapshots) {
    let before = snapshots.all().len();
    eventually_for(PATIENCE, "fresh snapshots", async || {
        let heard = snapshots.all().len() - before;
        if heard > ORGS.len() { Ok(()) } else { Err(format!("{heard} snapshots")) }
    })
    .await;
}

/// Waits until a worker that is frozen has nothing under way in the engine any more.
async fn nothing_is_computed(room: &Room) {
    eventually_for(PATIENCE, "rollups to stand still", async || {
        let before = computed_through(room).await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        let after = computed_through(room).await;
        if before == after { Ok(()) } else { Err(format!("{before}, then {after}")) }
    })
    .await;
}

/// Up to where some rollup row was computed.
async fn computed_through(room: &Room) -> u64 {
    let query = room.warehouse().read("SELECT max(through) FROM usage_quarter_hourly");
    room.warehouse().fetch_one("looking at the rollups", query).await.expect("ClickHouse answers")
}
