//! Everything is started in the wrong order: services before the engines they need. Each says what it waits for, none
//! gives up, and nothing is lost.

use crate::api::Api;
use system_tests::{Component, Process, Room, Stack, call, eventually, http_get};

/// Runs a program to its end; returns whether it succeeded, and what it said.
fn command(room: &Room, binary: &str, arguments: &[&str], extra: &[(&str, &str)]) -> (bool, String) {
    let mut process = room.spawn(binary, arguments, extra);
    let status = process.wait();
    (status.success(), process.log().join("\n"))
}

/// Waits until `/readyz` names what a service waits for.
async fn waits_for(process: &Process, text: &str) {
    let url = format!("http://{}/readyz", process.ops_address().await);
    eventually(&format!("a service to wait for `{text}`"), async || {
        let answer = http_get(&url).await.map_err(|error| error.to_string())?;
        let is_ready = answer.status().is_success();
        let report = answer.text().await.unwrap_or_default();
        if !is_ready && report.contains(text) { Ok(()) } else { Err(report) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn services_that_start_before_kafka_and_clickhouse_wait_and_go_on() {
    let stack = Stack::start_own();
    let room = Room::new(&stack, "early").await;
    stack.stop(Component::Kafka);
    stack.stop(Component::ClickHouse);
    let is_it_running = "is it running, and is clickhouse.url right?";

    let (went_well, said) = command(&room, "warehouse", &["migrate"], &[]);
    assert!(!went_well && said.contains(is_it_running), "{said}");
    let file = tempfile::Builder::new().suffix(".jsonl").tempfile().unwrap();
    let path = file.path().to_str().unwrap();
    let now = warehouse::calendar::date_of(warehouse::calendar::Tz::UTC, service::clock::now_ms());
    std::fs::write(
        path,
        format!(
            r#"{{"occurred_at":"{now}T00:00:00Z","org_id":"acme","member_id":"ada","reason":"chat","provider":"openai","model":"m","input_tokens":1,"output_tokens":2,"credits":"0.5"}}"#
        ),
    )
    .unwrap();
    let topic = room.topic("calls");
    let emit = ["calls", path, "--topic", &topic];
    let (went_well, said) = command(&room, "emit", &[emit.as_slice(), &["--timeout", "1s"]].concat(), &[]);
    assert!(!went_well && said.contains("start Kafka, or name it with --brokers"), "{said}");

    let (ingest, rollup) = (room.spawn("ingest", &[], &[]), room.spawn("rollup", &[], &[]));
    waits_for(&rollup, is_it_running).await;
    let api = Api::spawn(&stack, &room, &["acme".to_owned()]).await;
    waits_for(&api.process, is_it_running).await;
    waits_for(&ingest, "being able to prepare topics and sources").await;
    stack.start(Component::ClickHouse);
    api.process.ready().await;
    stack.start(Component::Kafka);
    for process in [&ingest, &rollup] {
        process.ready().await;
    }
    let (went_well, said) = command(&room, "emit", &emit, &[]);
    assert!(went_well, "{said}");
    room.publish_calls(&[call().org("acme").build()]).await;
    room.ledger_holds(2).await;
    let (went_well, said) = command(&room, "rollup", &["verify"], &[]);
    assert!(went_well, "{said}");
}

#[tokio::test]
async fn a_wrong_password_is_named_by_everything_that_asks_clickhouse() {
    let stack = Stack::shared();
    let room = Room::new(&stack, "password").await;
    let wrong = [("CLICKHOUSE_PASSWORD", "wrong")];
    let advice = "set clickhouse.user and clickhouse.password";
    for (binary, arguments) in
        [("warehouse", ["migrate"].as_slice()), ("ingest", &["source", "show"]), ("rollup", &["verify"])]
    {
        let (went_well, said) = command(&room, binary, arguments, &wrong);
        assert!(!went_well && said.contains(advice), "{binary}: {said}");
    }
    for binary in ["ingest", "rollup"] {
        waits_for(&room.spawn(binary, &[], &wrong), advice).await;
    }
    let key = ("AUTH_KEY", "a-key-for-tests-of-at-least-32-bytes");
    let api = room.spawn("query-api", &[], &[wrong[0], key, ("HTTP_LISTENER", "127.0.0.1:0")]);
    waits_for(&api, advice).await;
}
