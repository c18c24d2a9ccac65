//! The demo's real calls through the whole system: emitted, read from Kafka, rolled up, asked for. What the API says is
//! compared with what a few lines of Python count in the file, to the last digit.

use std::process::Command;
use system_tests::{Process, Room, Stack, repository};

#[tokio::test]
async fn cards_breakdowns_log_and_csv_equal_the_file() {
    let stack = Stack::shared();
    let room = Room::new(&stack, "tie_out").await;
    let _ingest = room.start("ingest", &[]).await;
    let mut rollup = room.start("rollup", &[]).await;
    let key = "a-key-for-tests-of-at-least-32-bytes";
    let api = room
        .start(
            "query-api",
            &[
                ("HTTP_LISTENER", "127.0.0.1:0"),
                ("AUTH_KEY", key),
                ("CLICKHOUSE_USER", stack.variable("CLICKHOUSE_READER_USER")),
                ("CLICKHOUSE_PASSWORD", stack.variable("CLICKHOUSE_READER_PASSWORD")),
            ],
        )
        .await;
    let line = api.says("API on http://").await;
    let address = line.split("http://").nth(1).and_then(|rest| rest.split(',').next()).unwrap().to_owned();

    let demo = repository().join("deploy/demo");
    let shift = tempfile::tempdir().unwrap();
    let shift_file = shift.path().join("shift");
    let emit = |arguments: &[&str]| {
        let output = Command::new(Process::path("emit"))
            .args(arguments)
            .args(["--brokers", room.brokers()])
            .current_dir(&demo)
            .output()
            .expect("emit is built");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    emit(&["directory", "directory.jsonl", "--topic", &room.topic("directory")]);
    let shift_file = shift_file.to_str().unwrap();
    let calls = ["calls", "calls.jsonl", "--shift-to-now", "--shift-file", shift_file, "--topic"];
    emit(&[calls.as_slice(), &[&room.topic("calls")]].concat());

    let token = token(key);
    let compare = |wait: &str| {
        let output = Command::new("python3")
            .arg(demo.join("compare.py"))
            .args([
                "--api",
                &format!("http://{address}"),
                "--shift-file",
                shift_file,
                "--wait",
                wait,
                "--full",
            ])
            .env("TOKEN", &token)
            .output()
            .expect("Python runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    // First whatever the rollups cover yet, then with all passed buckets computed.
    compare("60");
    room.passed_quarters_are_computed().await;
    compare("30");

    // The same file once more: every message is a repeat, and no number moves; also without a rollup worker.
    rollup.kill();
    emit(&[calls.as_slice(), &[&room.topic("calls")]].concat());
    room.ledger_holds(2 * 18_902).await;
    compare("30");
}

/// A token for all organisations of the demo, made by the operators' command.
fn token(key: &str) -> String {
    let demo = repository().join("deploy/demo");
    let names = Command::new("python3").arg(demo.join("compare.py")).arg("--organisations").output().unwrap();
    let names = String::from_utf8(names.stdout).unwrap();
    let output = Command::new(Process::path("query-api"))
        .arg("token")
        .args(names.split_whitespace().flat_map(|org| ["--org", org]))
        .env("AUTH_KEY", key)
        .output()
        .expect("query-api is built");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
