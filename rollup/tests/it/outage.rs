//! ClickHouse away, or closed to us: the worker waits and says for what; commands end and say why.

use std::process::ExitStatus;
use system_tests::{Component, Process, Room, Stack, call, eventually, http_get};

/// Waits until the health report holds a text.
async fn waits_for(process: &Process, text: &str) {
    let url = format!("http://{}/readyz", process.ops_address().await);
    eventually(&format!("the worker to wait for `{text}`"), async || {
        let report = match http_get(&url).await {
            Ok(answer) => answer.text().await.unwrap_or_default(),
            Err(error) => error.to_string(),
        };
        if report.contains(text) { Ok(()) } else { Err(report) }
    })
    .await;
}

/// Runs a subcommand to its end.
fn command(room: &Room, arguments: &[&str], extra: &[(&str, &str)]) -> (ExitStatus, String) {
    let mut process = room.spawn("rollup", arguments, extra);
    let status = process.wait();
    (status, process.log().join("\n"))
}

#[tokio::test]
async fn clickhouse_not_up_yet_and_killed_costs_time_only() {
    let stack = Stack::start_own();
    let room = Room::new(&stack, "rollup_noclickhouse").await;
    let _ingest = room.start("ingest", &[]).await;
    let an_hour_ago = service::clock::now_ms() - 3_600_000;
    let calls: Vec<_> = (0..50).map(|n| call().at_ms(an_hour_ago - n * 900_000).build()).collect();
    stack.stop(Component::ClickHouse);
    let mut worker = room.spawn("rollup", &[], &[]);
    waits_for(&worker, "is it running, and is clickhouse.url right?").await;
    let (status, said) = command(&room, &["verify"], &[]);
    assert_eq!(status.code(), Some(2), "{said}");
    assert!(said.contains("is it running, and is clickhouse.url right?"), "{said}");

    stack.start(Component::ClickHouse);
    worker.ready().await;
    room.publish_calls(&calls[..25]).await;
    room.ledger_holds(25).await;
    room.passed_quarters_are_computed().await;
    stack.kill(Component::ClickHouse);
    room.publish_calls(&calls[25..]).await;
    waits_for(&worker, "is it running, and is clickhouse.url right?").await;
    stack.start(Component::ClickHouse);
    room.ledger_holds(50).await;
    room.passed_quarters_are_computed().await;
    let (status, said) = command(&room, &["verify"], &[]);
    assert!(status.success(), "{said}");
    assert!(worker.stop().success());
}

#[tokio::test]
async fn a_wrong_password_and_a_missing_schema_are_waited_for_and_named() {
    let room = Room::new(&Stack::shared(), "rollup_password").await;
    for (setting, value, advice) in [
        ("CLICKHOUSE_PASSWORD", "wrong", "set clickhouse.user and clickhouse.password"),
        ("CLICKHOUSE_DATABASE", "nowhere", "run `warehouse migrate` on this database"),
    ] {
        let mut worker = room.spawn("rollup", &[], &[(setting, value)]);
        waits_for(&worker, advice).await;
        let line = worker.says("ERROR").await;
        assert!(line.contains(advice), "{line}");
        assert!(worker.stop().success(), "it waits, it does not give up");
        for (arguments, code) in [(&["verify"][..], 2), (&["rebuild", "--reason", "a test"], 1)] {
            let (status, said) = command(&room, arguments, &[(setting, value)]);
            assert_eq!(status.code(), Some(code), "{arguments:?}: {said}");
            assert!(said.contains(advice), "{arguments:?}: {said}");
        }
    }
}
