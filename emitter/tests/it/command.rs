//! The command `emit` as people run it.

use super::kafka::{Found, Kafka};
use proto::{Amount, decode_call, decode_directory_change, topics};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A recent time, as ingest counts two years at most; `minute` tells lines apart.
fn time(minute: i64) -> String {
    let now = service::clock::now_ms();
    let at = chrono::DateTime::from_timestamp_millis(now - 86_400_000 + minute * 60_000).unwrap();
    at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

fn json_line(occurred_at: &str, org: &str, charge: &str) -> String {
    format!(
        r#"{{"occurred_at":"{occurred_at}","org_id":"{org}","member_id":"ada","reason":"chat","provider":"openai","model":"gpt-6-sol","input_tokens":100,"output_tokens":20,{charge}}}"#
    )
}

fn emit(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_emit")).args(arguments).env_remove("KAFKA_BROKERS").output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn succeeds(arguments: &[&str]) -> String {
    let output = emit(arguments);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

fn fails(arguments: &[&str]) -> String {
    let output = emit(arguments);
    assert!(!output.status.success(), "{}", text(&output.stdout));
    text(&output.stderr)
}

fn write(folder: &TempDir, name: &str, lines: &[String]) -> String {
    let path: PathBuf = folder.path().join(name);
    std::fs::write(&path, lines.join("\n")).unwrap();
    path.display().to_string()
}

/// Three calls: two identical ones of credits, one of money.
fn three_calls() -> [String; 3] {
    let at = time(0);
    [
        json_line(&at, "acme", r#""credits":"0.25""#),
        json_line(&at, "acme", r#""credits":"0.25""#),
        json_line(&time(1), "globex", r#""provider_cost":"0.000000000001","currency":"USD""#),
    ]
}

fn event_ids(found: &[Found]) -> Vec<String> {
    let mut ids: Vec<_> =
        found.iter().map(|message| decode_call(&message.value).unwrap().event_id.to_string()).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn a_dry_run_shows_exact_sums_and_asks_kafka_nothing() {
    let folder = TempDir::new().unwrap();
    let file = write(&folder, "calls.jsonl", &three_calls());
    let shown = succeeds(&["calls", &file, "--dry-run", "--brokers", "127.0.0.1:9"]);
    assert!(
        shown.starts_with(
            "calls: 3\ncredits: 0.5 (2 calls)\nprovider cost: 0.000000000001 USD (1 calls)\nfrom "
        )
    );
    assert!(shown.ends_with("nothing was published\n"), "{shown}");
}

#[test]
fn wrong_lines_are_named_and_nothing_is_published() {
    let folder = TempDir::new().unwrap();
    let [good, _, other] = three_calls();
    let lines = [
        good,
        json_line(&time(0), "", r#""credits":"1""#),
        json_line(&time(0), "acme", r#""credits":1.5"#),
        other,
    ];
    let file = write(&folder, "calls.jsonl", &lines);
    let error = fails(&["calls", &file, "--brokers", "127.0.0.1:9"]);
    assert!(error.contains(&format!("{file}:2: `org_id` is empty; 1 to 128 bytes are allowed")), "{error}");
    assert!(error.contains(&format!("{file}:3: `credits` is a JSON number")), "{error}");
    assert!(error.contains("2 of 4 lines are wrong; nothing was published"), "{error}");
    let old = write(&folder, "old.jsonl", &[json_line("2019-01-01T00:00:00Z", "acme", r#""credits":"1""#)]);
    let error = fails(&["calls", &old, "--dry-run"]);
    assert!(error.contains(&format!("{old}:1: `occurred_at` is 2019-01-01T00:00:00.000Z")), "{error}");
    assert!(error.contains("--shift-to-now"), "{error}");
}

#[test]
fn both_formats_publish_the_same_messages_and_a_second_run_repeats_them() {
    let kafka = Kafka::shared();
    kafka.create_topic("formats", 3, &[]);
    let folder = TempDir::new().unwrap();
    let calls = three_calls();
    let jsonl = write(&folder, "calls.jsonl", &calls);
    let connection = ["--brokers", &kafka.brokers, "--topic", "formats"];
    let shown = succeeds(&[&["calls", &jsonl], connection.as_slice()].concat());
    assert!(shown.ends_with("published: 3\nacknowledged: 3\n"), "{shown}");
    let first = kafka.read("formats");
    let ids = event_ids(&first);
    assert_eq!(ids.len(), 3);
    assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), 3, "equal lines are two calls");

    let cell = |line: &str, name: &str| {
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        object.get(name).map(|value| value.to_string().replace('"', "")).unwrap_or_default()
    };
    let names = [
        "model",
        "org_id",
        "occurred_at",
        "member_id",
        "reason",
        "provider",
        "input_tokens",
        "output_tokens",
        "credits",
        "provider_cost",
        "currency",
    ];
    let record = |line: &String| names.map(|name| cell(line, name)).join(",");
    let mut lines = vec![names.join(",")];
    lines.extend(calls.iter().map(record));
    let csv = write(&folder, "calls.csv", &lines);
    succeeds(&[&["calls", &csv], connection.as_slice()].concat());
    let mut both: Vec<_> = kafka.read("formats").into_iter().map(|message| message.value).collect();
    both.sort_unstable();
    let mut twice: Vec<_> = first.iter().chain(&first).map(|message| message.value.clone()).collect();
    twice.sort_unstable();
    assert_eq!(both, twice);
}

#[test]
fn a_remembered_shift_makes_old_calls_present_and_repeatable() {
    let kafka = Kafka::shared();
    kafka.create_topic("shifted", 3, &[]);
    let folder = TempDir::new().unwrap();
    let at = ["2019-05-01T12:00:00.000Z", "2019-04-01T12:00:00.000Z"];
    let lines = at.map(|at| json_line(at, "acme", r#""credits":"1""#));
    let file = write(&folder, "calls.jsonl", &lines);
    let shift_file = folder.path().join("shift").display().to_string();
    let arguments = [
        "calls",
        &file,
        "--shift-to-now",
        "--shift-file",
        &shift_file,
        "--brokers",
        &kafka.brokers,
        "--topic",
        "shifted",
    ];
    let began = service::clock::now_ms();
    succeeds(&arguments);
    let first = kafka.read("shifted");
    let times: Vec<_> =
        first.iter().map(|message| decode_call(&message.value).unwrap().occurred_at_ms()).collect();
    assert!((began..=service::clock::now_ms()).contains(&times[0]), "{times:?}");
    assert_eq!(times[0] - times[1], 30 * 86_400_000);
    succeeds(&arguments);
    assert_eq!(kafka.read("shifted"), [first.clone(), first].concat());
}

#[test]
fn calls_go_out_at_the_speed_that_was_asked_for() {
    let kafka = Kafka::shared();
    kafka.create_topic("paced", 1, &[]);
    let folder = TempDir::new().unwrap();
    let lines = [0, 2].map(|minute| json_line(&time(minute), "acme", r#""credits":"1""#));
    let file = write(&folder, "calls.jsonl", &lines);
    let began = Instant::now();
    succeeds(&["calls", &file, "--speed", "120x", "--brokers", &kafka.brokers, "--topic", "paced"]);
    assert!(began.elapsed() >= Duration::from_secs(1), "two minutes at 120x take a second");
    assert_eq!(kafka.read("paced").len(), 2);
}

#[test]
fn a_stream_ends_at_its_first_wrong_line_and_says_what_was_published() {
    let kafka = Kafka::shared();
    kafka.create_topic("stream", 1, &[]);
    let [first, second, third] = three_calls();
    let input = [first, second, "{\"org_id\":7}".to_owned(), third].join("\n");
    let run = |more: &[&str]| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_emit"))
            .args(["calls", "-", "--brokers", &kafka.brokers, "--topic", "stream"])
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    let stopped = run(&[]);
    let error = text(&stopped.stderr);
    assert!(!stopped.status.success());
    assert!(
        error.contains("stdin:3: `occurred_at` is missing; the 2 calls before it were published"),
        "{error}"
    );
    assert_eq!(kafka.read("stream").len(), 2);
    let skipped = run(&["--skip-bad-lines"]);
    assert!(skipped.status.success());
    assert!(text(&skipped.stdout).contains("left out: 1\npublished: 3\nacknowledged: 3\n"));
    assert!(text(&skipped.stderr).contains("stdin:3: `occurred_at` is missing"));
}

#[test]
fn a_missing_topic_and_a_missing_broker_are_told_with_what_to_do() {
    let kafka = Kafka::shared();
    let folder = TempDir::new().unwrap();
    let file = write(&folder, "calls.jsonl", &three_calls());
    let error = fails(&["calls", &file, "--brokers", &kafka.brokers, "--topic", "no-such-topic"]);
    assert!(
        error.contains("topic `no-such-topic` does not exist") && error.contains("start ingest"),
        "{error}"
    );
    let error = fails(&["calls", &file, "--brokers", "127.0.0.1:9", "--timeout", "1s"]);
    assert!(error.contains("no Kafka broker answered at 127.0.0.1:9 within 1s"), "{error}");
    assert!(error.contains("refused") && error.contains("KAFKA_BROKERS"), "{error}");
}

#[test]
fn the_directory_is_published_with_its_keys() {
    let kafka = Kafka::shared();
    kafka.create_topic(topics::DIRECTORY, 3, &[("cleanup.policy", "compact")]);
    let folder = TempDir::new().unwrap();
    let lines = [
        r#"{"org_id":"acme","organisation":{"short_name":"acme","display_name":"Acme GmbH","time_zone":"Europe/Berlin"}}"#,
        r#"{"org_id":"acme","member":{"member_id":"ada","name":"Ada","email":"ada@acme.example","removed":false}}"#,
    ];
    let file = write(&folder, "directory.jsonl", &lines.map(str::to_owned));
    let shown = succeeds(&["directory", &file, "--brokers", &kafka.brokers]);
    assert_eq!(shown, "messages: 2\nacknowledged: 2\n");
    let found = kafka.read(topics::DIRECTORY);
    assert_eq!(found.len(), 2);
    for message in &found {
        assert_eq!(decode_directory_change(&message.value).unwrap().key(), message.key);
        assert_eq!(message.partition as u32, proto::partition_of(&message.key, 3));
    }
    let wrong = write(&folder, "wrong.jsonl", &[r#"{"org_id":"acme"}"#.to_owned()]);
    let error = fails(&["directory", &wrong, "--brokers", &kafka.brokers]);
    assert!(error.contains("wrong.jsonl:1: needs exactly one of `organisation` and `member`"), "{error}");
}

#[test]
fn what_kafka_refused_is_kept_and_can_be_published_later() {
    let kafka = Kafka::shared();
    kafka.create_topic("tight", 1, &[("max.message.bytes", "100")]);
    kafka.create_topic("wide", 1, &[]);
    let folder = TempDir::new().unwrap();
    let file = write(&folder, "calls.jsonl", &three_calls());
    let error = fails(&["calls", &file, "--brokers", &kafka.brokers, "--topic", "tight"]);
    assert!(error.contains("Kafka refuses 3 of 3 calls for good"), "{error}");
    let refused = error.rsplit("emit refused ").next().unwrap().trim();
    let shown = succeeds(&["refused", refused, "--brokers", &kafka.brokers, "--topic", "wide"]);
    assert_eq!(shown, "messages: 3\nacknowledged: 3\n");
    let found = kafka.read("wide");
    let sum = found.iter().map(|message| match decode_call(&message.value).unwrap().charge {
        proto::Charge::Credits(credits) => credits.0,
        proto::Charge::ProviderCost(_) => Amount::ZERO,
    });
    assert_eq!(sum.map(Amount::units).sum::<i128>(), Amount::parse("0.5").unwrap().units());
    std::fs::remove_dir_all(Path::new(refused).parent().unwrap()).unwrap();
}

/// A queue as a run leaves it that was killed before Kafka had acknowledged anything.
fn queue_with_a_call(folder: &TempDir) -> String {
    let queue = folder.path().join("queue").display().to_string();
    let emitter = emitter::Emitter::start(emitter::EmitterSettings::new("127.0.0.1:9", &queue)).unwrap();
    emitter.emit(&super::calls::call("acme", 7)).unwrap();
    queue
}

#[test]
fn a_queue_folder_keeps_what_was_not_acknowledged_for_the_next_run() {
    let kafka = Kafka::shared();
    kafka.create_topic("kept", 1, &[]);
    let folder = TempDir::new().unwrap();
    let queue = queue_with_a_call(&folder);
    let file = write(&folder, "calls.jsonl", &three_calls());
    let shown =
        succeeds(&["calls", &file, "--brokers", &kafka.brokers, "--topic", "kept", "--queue-dir", &queue]);
    assert!(shown.ends_with("resumed from an earlier run: 1\npublished: 3\nacknowledged: 4\n"), "{shown}");
    assert_eq!(kafka.read("kept").len(), 4);
}

#[test]
fn what_a_queue_folder_keeps_goes_out_with_an_input_that_is_empty() {
    let kafka = Kafka::shared();
    kafka.create_topic("kept-alone", 1, &[]);
    let folder = TempDir::new().unwrap();
    let queue = queue_with_a_call(&folder);
    let empty = write(&folder, "empty.jsonl", &[]);
    let arguments =
        ["calls", &empty, "--brokers", &kafka.brokers, "--topic", "kept-alone", "--queue-dir", &queue];
    let shown = succeeds(&[&arguments[..], &["--dry-run"]].concat());
    assert!(shown.ends_with("nothing was published\n"), "{shown}");
    let shift_file = folder.path().join("shift").display().to_string();
    let shown = succeeds(&[&arguments[..], &["--shift-to-now", "--shift-file", &shift_file]].concat());
    assert!(!Path::new(&shift_file).exists(), "no call has chosen a shift");
    assert!(shown.ends_with("resumed from an earlier run: 1\npublished: 0\nacknowledged: 1\n"), "{shown}");
    assert_eq!(kafka.read("kept-alone").len(), 1);
}

#[test]
fn when_kafka_dies_in_the_middle_it_is_told_what_waits_and_what_was_not_taken() {
    let kafka = Kafka::start();
    kafka.create_topic("died", 1, &[]);
    let folder = TempDir::new().unwrap();
    let queue = folder.path().join("queue").display().to_string();
    let arguments = ["--brokers", &kafka.brokers, "--topic", "died", "--queue-dir", &queue];
    let mut child = Command::new(env!("CARGO_BIN_EXE_emit"))
        .args(["calls", "-", "--speed", "as-it-happened", "--timeout", "10s"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let lines = [0, 0, 60].map(|minute| json_line(&time(minute), "acme", r#""credits":"0.25""#));
    writeln!(input, "{}", lines[0]).unwrap();
    let deadline = Instant::now() + super::kafka::PATIENCE;
    while kafka.read("died").is_empty() {
        assert!(Instant::now() < deadline, "nothing arrives");
    }
    kafka.kill();
    // The second is due at once, the third in an hour.
    writeln!(input, "{}\n{}", lines[1], lines[2]).unwrap();
    let output = child.wait_with_output().unwrap();
    let error = text(&output.stderr);
    assert!(!output.status.success() && error.contains("nothing was acknowledged for 10s ("), "{error}");
    let told = format!(
        "1 calls are acknowledged; 1 wait in `{queue}` and go first at the next run; what follows in the input was not \
         taken: publish the same input again: calls keep their ids, so none counts twice"
    );
    assert!(error.trim_end().ends_with(&told), "{error}");

    kafka.start_again();
    let again = write(&folder, "again.jsonl", &lines);
    let shown = succeeds(&[&["calls", &again][..], &arguments].concat());
    assert!(shown.ends_with("resumed from an earlier run: 1\npublished: 3\nacknowledged: 4\n"), "{shown}");
    let ids: std::collections::BTreeSet<_> = event_ids(&kafka.read("died")).into_iter().collect();
    assert_eq!(ids.len(), 3);
}
