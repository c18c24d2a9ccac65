//! The demo's real calls through the whole system: emitted, read from Kafka, rolled up, asked for. What the API says is
//! compared with what a few lines of Python count in the file, to the last digit.

use crate::api::{Api, Published, organisations};
use std::process::Command;
use system_tests::{Process, Room, Stack, repository};

#[tokio::test]
async fn cards_breakdowns_log_and_csv_equal_the_file() {
    let stack = Stack::shared();
    let room = Room::new(&stack, "tie_out").await;
    let demo = repository().join("deploy/demo");
    let (calls, directory) = (demo.join("calls.jsonl"), demo.join("directory.jsonl"));
    let _ingest = room.start("ingest", &[]).await;
    let mut rollup = room.start("rollup", &[]).await;
    let api = Api::start(&stack, &room, &organisations(&directory)).await;

    let folder = tempfile::tempdir().unwrap();
    let shift_file = folder.path().join("shift");
    let emit = |kind: &str| {
        let mut command = Command::new(Process::path("emit"));
        command.args([kind, &format!("{kind}.jsonl")]).current_dir(&demo);
        command.args(["--brokers", room.brokers(), "--topic", &room.topic(kind)]);
        if kind == "calls" {
            command.args(["--shift-to-now", "--shift-file"]).arg(&shift_file);
        }
        let output = command.output().expect("emit is built");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    emit("directory");
    emit("calls");

    let file = Published { calls: &calls, directory: &directory, shift_file: Some(&shift_file) };
    // First whatever the rollups cover yet, then with all passed buckets computed.
    api.equals(&file, 60);
    room.passed_quarters_are_computed().await;
    api.equals(&file, 30);

    // The same file once more: every message is a repeat, and no number moves; also without a rollup worker.
    rollup.kill();
    emit("calls");
    room.ledger_holds(2 * 18_902).await;
    api.equals(&file, 30);
}
