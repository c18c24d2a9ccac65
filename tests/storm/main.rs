//! A kill storm: every process of the system dies, freezes and wakes up while messages flow, and nothing is lost,
//! nothing counts twice. `README.md` beside this file says how to run a long one.

#![expect(clippy::expect_used, reason = "a test that cannot go on says so by panicking")]

mod actor;
mod answers;
mod cast;
mod copilot;
mod flow;
mod judge;
mod levels;
mod outage;
mod settings;
mod supervisor;
mod truth;
mod witness;

use cast::Cast;
use copilot::{Orders, Stage};
use judge::Judge;
use settings::Settings;
use std::sync::Arc;
use std::time::{Duration, Instant};
use supervisor::Supervisor;
use system_tests::{Room, Stack};
use witness::Witness;

/// The storm rests so many times, the last time at its end.
const PARTS: u32 = 3;

/// Pause between two looks at the processes.
const LOOK: Duration = Duration::from_millis(20);

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_loses_nothing_and_counts_nothing_twice() {
    let settings = Settings::read();
    println!("again: {settings}");
    let _last_words = LastWords(settings.to_string());
    let stack = Arc::new(Stack::start_own());
    let room = Room::new(&stack, "storm").await;
    let cast = Cast::of(&stack, &room, &settings).await;
    let witness = Witness::default();
    let mut judge = Judge::new(&room, cast.flow.clone(), cast.api.clone(), witness.clone());
    let asking = tokio::spawn(witness.ask_on(cast.api.clone()));

    let began = Instant::now();
    let mut rested = Duration::ZERO;
    let mut supervisor = Supervisor::start(Arc::clone(&stack), cast.actors, &settings);
    for part in 1..=PARTS {
        blow(&mut supervisor, &settings, part, &cast.stage).await;
        let quiet = Instant::now();
        supervisor.hold(cast::COPILOT);
        judge.judge(&mut supervisor).await;
        rested += quiet.elapsed();
        supervisor.wake();
    }
    let blown = began.elapsed() - rested;
    judge.judge_end(&mut supervisor, &cast.copilots, settings.events).await;
    asking.abort();
    println!("the storm blew for {blown:.0?}, and took {:.0?} with all judgements", began.elapsed());
    supervisor.judge_toll();
}

/// One part of the storm; the last one blows until the copilots have published everything.
async fn blow(supervisor: &mut Supervisor, settings: &Settings, part: u32, stage: &Stage) {
    let began = Instant::now();
    let length = settings.length / PARTS;
    let kills = |parts: u32| settings.kills * u64::from(parts) / u64::from(PARTS);
    let (before, after) = (kills(part - 1), kills(part));
    loop {
        let blown = began.elapsed().min(length);
        let due = before + (after - before) * blown.as_millis() as u64 / length.as_millis().max(1) as u64;
        supervisor.look(Some(due));
        stage.has_blown(length * (part - 1) + blown);
        if supervisor.missing().is_empty() {
            stage.curtain();
        }
        let is_over = blown == length && supervisor.toll.kills >= after && supervisor.is_complete();
        if is_over && (part < PARTS || supervisor.have_finished(cast::COPILOT)) {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Says how to repeat a storm that failed.
struct LastWords(String);

impl Drop for LastWords {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the storm failed; again: {}", self.0);
        }
    }
}

/// The copilots, which the storm starts with orders; without any there is nothing to do.
#[tokio::test(flavor = "multi_thread")]
async fn a_copilot_follows_its_orders() {
    let Ok(orders) = std::env::var(copilot::ORDERS) else { return };
    let orders: Orders = serde_json::from_str(&orders).expect("orders");
    orders.follow().await.expect("all is published");
}
