//! ClickHouse or Kafka away, for longer than every timeout: the worker waits, says so, and catches up.

use crate::load::Load;
use crate::topic::{Publisher, publish};
use crate::worker::{Worker, command};
use std::time::{Duration, Instant};
use system_tests::{CAREFUL, Component, Room, Stack, eventually};

/// Quick to notice and quick to come back, so that the test is.
const IMPATIENT: [(&str, &str); 5] = [
    CAREFUL,
    ("CLICKHOUSE_TIMEOUT", "1s"),
    ("KAFKA_TIMEOUT", "2s"),
    ("RETRY_MAX", "300ms"),
    ("BATCH_ROWS_MAX", "400"),
];

#[tokio::test(flavor = "multi_thread")]
async fn clickhouse_stopped_frozen_and_killed_under_load_costs_time_only() {
    let stack = Stack::start_own();
    let room = Room::new(&stack, "noclickhouse").await;
    let mut load = Load::default();
    let mut worker = Worker::start(&room, &IMPATIENT).await;
    publish(&room, "calls", &load.more(1000)).await;
    load.is_counted(&room).await;

    stack.stop(Component::ClickHouse);
    publish(&room, "calls", &load.more(3000)).await;
    worker.waits_for("being able to insert calls").await;
    // Full and handed back; the group still keeps the worker.
    worker.process.says("the writer is behind").await;
    stack.start(Component::ClickHouse);
    worker.ready().await;
    load.is_counted(&room).await;

    stack.freeze(Component::ClickHouse);
    publish(&room, "calls", &load.more(1000)).await;
    worker.waits_for("gave no answer within 1s").await;
    stack.thaw(Component::ClickHouse);
    load.is_counted(&room).await;

    publish(&room, "calls", &load.more(1000)).await;
    stack.kill(Component::ClickHouse);
    publish(&room, "calls", &load.more(1000)).await;
    stack.start(Component::ClickHouse);
    load.is_counted(&room).await;
    assert_eq!(worker.metric("ingest_broken_sums_total", "").await, 0);
    assert!(worker.process.stop().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn kafka_not_up_yet_and_killed_under_load_costs_time_only() {
    let stack = Stack::start_own();
    let room = Room::new(&stack, "nokafka").await;
    let mut load = Load::default();
    stack.stop(Component::Kafka);
    let mut worker = Worker::spawn(&room, &IMPATIENT).await;
    worker.waits_for("being able to prepare topics and sources").await;
    stack.start(Component::Kafka);
    worker.ready().await;
    publish(&room, "calls", &load.more(2000)).await;
    load.is_counted(&room).await;

    publish(&room, "calls", &load.more(2000)).await;
    stack.kill(Component::Kafka);
    worker.waits_for("Kafka to tell the ends of the logs").await;
    stack.start(Component::Kafka);
    publish(&room, "calls", &load.more(2000)).await;
    load.is_counted(&room).await;
    worker.ready().await;
    assert!(worker.process.stop().success());
}

/// How long an engine is away: longer than the worker's time-outs, of which the longest is 6 s here.
const OUTAGE: Duration = Duration::from_secs(8);

/// Which component of the worker waits for an engine under load, and in which words.
fn waiting_for(engine: Component) -> (&'static str, &'static str) {
    match engine {
        // Whichever of a batch's inserts it came to.
        Component::ClickHouse => ("clickhouse", "being able to insert"),
        Component::Kafka => ("kafka", "Kafka to tell the ends of the logs"),
    }
}

/// Takes engines away one after the other while messages flow, and gives them back together: health says since when it
/// waits, memory stays bounded, and all is counted.
async fn engines_away(
    (stack, room, worker): (&Stack, &Room, &Worker),
    load: &mut Load,
    engines: &[Component],
    is_killed: bool,
) {
    let began = service::clock::now();
    // It knows what it has sent, so that nothing is published twice: a repeated dead letter would be one more.
    let mut publisher = Publisher::new(room, "calls", &[("enable.idempotence", "true")]);
    publisher.send(&load.more(20_000));
    let (mut since, mut gone_at) = (Vec::new(), Instant::now());
    for engine in engines {
        if is_killed {
            stack.kill(*engine)
        } else {
            stack.freeze(*engine)
        }
        publisher.send(&load.more(10_000));
        gone_at = Instant::now();
        let (component, words) = waiting_for(*engine);
        let at = worker.component_waits(component, words).await;
        assert!(at > began, "{component} since {at}: all was well at {began}");
        since.push(at);
    }
    tokio::time::sleep_until((gone_at + OUTAGE).into()).await;
    for (engine, at) in engines.iter().zip(since) {
        let (component, words) = waiting_for(*engine);
        assert_eq!(worker.component_waits(component, words).await, at);
    }
    for engine in engines {
        if is_killed { stack.start(*engine) } else { stack.thaw(*engine) }
    }
    let (away, back_at) = (gone_at.elapsed(), Instant::now());
    publisher.finish();
    load.is_counted(room).await;
    println!(
        "{engines:?} {} for {away:?}: caught up in {:?}, at most {} MiB of memory",
        if is_killed { "killed" } else { "frozen" },
        back_at.elapsed(),
        worker.memory_is_bounded()
    );
    worker.ready().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_engine_away_or_both_under_load_cost_time_only() {
    // In this order: with Kafka away first, a batch with dead letters would wait for that before it is inserted.
    const BOTH: [Component; 2] = [Component::ClickHouse, Component::Kafka];
    let stack = Stack::start_own();
    let room = Room::new(&stack, "noengines").await;
    let mut load = Load::default();
    let extra = [("KAFKA_PROPERTIES", "session.timeout.ms=6000"), ("BATCH_ROWS_MAX", "2000")];
    let mut worker = Worker::start(&room, &[IMPATIENT.as_slice(), &extra].concat()).await;
    publish(&room, "calls", &load.more(1000)).await;
    load.is_counted(&room).await;
    for engines in [&BOTH[..1], &BOTH[1..], &BOTH] {
        for is_killed in [false, true] {
            engines_away((&stack, &room, &worker), &mut load, engines, is_killed).await;
        }
    }
    // Also where nothing comes, so that only signs of life are to be written.
    stack.freeze(Component::ClickHouse);
    worker.component_waits("idle", "insert signs of life").await;
    stack.freeze(Component::Kafka);
    worker.component_waits("kafka", "Kafka to tell the ends of the logs").await;
    worker.component_waits("idle", "insert signs of life").await;
    BOTH.into_iter().for_each(|component| stack.thaw(component));
    worker.ready().await;
    let (is_clean, said) = command(&room, &["verify", "--read-log"]);
    assert!(is_clean && said.contains("0 differences"), "{said}");
    assert!(worker.process.stop().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_waited_for_and_named() {
    let room = Room::new(&Stack::shared(), "password").await;
    let mut load = Load::default();
    room.create_topics().await;
    publish(&room, "calls", &load.more(500)).await;
    let mut worker = Worker::spawn(&room, &[("CLICKHOUSE_PASSWORD", "wrong"), ("RETRY_MAX", "200ms")]).await;
    worker.waits_for("set clickhouse.user and clickhouse.password").await;
    let line = worker.process.says("ERROR").await;
    assert!(line.contains("set clickhouse.user and clickhouse.password"), "{line}");
    assert!(!worker.process.has_ended(), "it waits, it does not give up");
    assert!(worker.process.stop().success());
    let _worker = Worker::start(&room, &[]).await;
    load.is_counted(&room).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_schema_is_waited_for_and_named() {
    let stack = Stack::shared();
    let room = Room::new(&stack, "schema").await;
    let late = format!("{}_late", room.name);
    let mut worker = Worker::spawn(&room, &[("CLICKHOUSE_DATABASE", &late), ("RETRY_MAX", "200ms")]).await;
    worker.waits_for("run `warehouse migrate` on this database").await;
    let settings = serde_json::json!({
        "url": stack.variable("CLICKHOUSE_URL"),
        "user": stack.variable("CLICKHOUSE_USER"),
        "password": stack.variable("CLICKHOUSE_PASSWORD"),
        "database": late,
        "timeout": "60s",
        "cluster": "",
    });
    let settings = serde_json::from_value(settings).expect("settings of the warehouse");
    warehouse::migrate(&warehouse::Warehouse::new(&settings)).await.expect("the schema");
    worker.ready().await;
    assert!(worker.process.stop().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_topics_and_sources_are_waited_for_and_named_until_a_person_makes_them() {
    let room = Room::new(&Stack::shared(), "topics").await;
    let not_ours = [("KAFKA_CREATE_TOPICS", "false"), ("RETRY_MAX", "200ms")];
    let mut worker = Worker::spawn(&room, &not_ours).await;
    worker.waits_for("create the topics with `ingest topics`").await;
    let (ended_well, said) = command(&room, &["topics"]);
    assert!(ended_well && said.matches(" created").count() == 3, "{said}");
    worker.waits_for("begin a source with `ingest source open --topic calls`").await;
    for topic in ["calls", "directory"] {
        let (ended_well, said) = command(&room, &["source", "open", "--topic", topic]);
        assert!(ended_well, "{said}");
    }
    worker.ready().await;
    let mut load = Load::default();
    publish(&room, "calls", &load.more(300)).await;
    load.is_counted(&room).await;
    assert!(worker.process.stop().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn clickhouse_away_at_the_end_does_not_hold_the_process() {
    let stack = Stack::start_own();
    let room = Room::new(&stack, "farewell").await;
    let mut load = Load::default();
    let mut worker = Worker::start(&room, &IMPATIENT).await;
    stack.stop(Component::ClickHouse);
    publish(&room, "calls", &load.more(2000)).await;
    worker.waits_for("being able to insert calls").await;
    assert!(worker.process.stop().success());
    stack.start(Component::ClickHouse);
    let _worker = Worker::start(&room, &IMPATIENT).await;
    load.is_counted(&room).await;
    eventually("the first worker to have said what happens to its batch", async || {
        let log = worker.process.log().join("\n");
        if log.contains("is read again at the next start") { Ok(()) } else { Err(log) }
    })
    .await;
}
