//! The life of a whole process, seen from outside: `examples/minimal.rs`, started, asked, and ended by signals.

#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::timeout;

/// Far beyond what anything here takes, even on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// `cargo test` builds the examples beside the tests: `target/debug/examples/`, seen from `target/debug/deps/`.
fn program() -> PathBuf {
    let test = std::env::current_exe().expect("a program");
    let folder = test.parent().and_then(|deps| deps.parent()).expect("a build folder");
    let program = folder.join("examples/minimal");
    assert!(program.exists(), "{} is missing: run `cargo build -p service --examples`", program.display());
    program
}

fn command(settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(program());
    command.env_clear().env("WORK_TOKEN", "hunter2").envs(settings.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

async fn output(arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    let output = command(settings).args(arguments).output();
    timeout(DEADLINE, output).await.expect("it ends in time").expect("it starts")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

/// The service, up and serving.
struct Running {
    child: Child,
    log: Lines<BufReader<ChildStderr>>,
    seen: Vec<String>,
    address: String,
}

impl Running {
    async fn start(settings: &[(&str, &str)]) -> Self {
        let mut child = command(settings).spawn().expect("it starts");
        let log = BufReader::new(child.stderr.take().expect("a log")).lines();
        let mut running = Self { child, log, seen: Vec::new(), address: String::new() };
        let line = running.line_with("health and metrics on http://").await;
        let address = line.split("http://").nth(1).expect("an address");
        running.address = address.chars().take_while(|c| c.is_ascii_digit() || ".:".contains(*c)).collect();
        running
    }

    /// Reads the log up to a line with this text.
    async fn line_with(&mut self, text: &str) -> String {
        loop {
            let line = timeout(DEADLINE, self.log.next_line()).await.expect("a line in time").expect("a log");
            let line = line.unwrap_or_else(|| panic!("no line has `{text}`:\n{}", self.seen.join("\n")));
            self.seen.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed())).expect("it runs");
        kill_process(pid, signal).expect("it is there");
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let client = reqwest::Client::builder().no_proxy().timeout(DEADLINE).build().expect("a client");
        let answer = client.get(format!("http://{}{path}", self.address)).send().await.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("a body"))
    }

    /// Waits until `/readyz` answers with this status; returns the body. The log may say so a moment before.
    async fn readiness(&self, wanted: u16) -> String {
        let began = std::time::Instant::now();
        loop {
            let (status, body) = self.get("/readyz").await;
            if status == wanted && !body.contains(r#""components":{}"#) {
                return body;
            }
            assert!(began.elapsed() < DEADLINE, "{status} {body}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits for the end: exit code, all log lines, and what went to stdout.
    async fn end(mut self) -> (Option<i32>, Vec<String>, String) {
        while let Some(line) = timeout(DEADLINE, self.log.next_line()).await.expect("its end").expect("a log")
        {
            self.seen.push(line);
        }
        let output =
            timeout(DEADLINE, self.child.wait_with_output()).await.expect("its end").expect("a status");
        (output.status.code(), self.seen, text(&output.stdout).to_owned())
    }
}

#[tokio::test]
async fn sigterm_ends_it_well_and_stdout_stays_empty() {
    let mut running = Running::start(&[]).await;
    assert!(
        running.seen[0].contains("minimal starts with ops.listener=\"127.0.0.1:0\""),
        "{:?}",
        running.seen
    );
    assert!(running.seen[0].contains("work.token=\"***\""), "{:?}", running.seen);
    running.signal(Signal::TERM);
    running.line_with("SIGTERM: finishing open work").await;
    let (code, log, stdout) = running.end().await;
    assert_eq!(code, Some(0), "{log:?}");
    assert!(log.last().is_some_and(|line| line.contains("minimal ended as asked")), "{log:?}");
    assert_eq!(stdout, "");
}

#[tokio::test]
async fn sigint_ends_it_well_too() {
    let running = Running::start(&[]).await;
    running.signal(Signal::INT);
    assert_eq!(running.end().await.0, Some(0));
}

#[tokio::test]
async fn while_it_finishes_it_is_alive_but_not_ready_and_a_second_signal_ends_it_at_once() {
    let mut running = Running::start(&[("WORK_FINISH", "1h"), ("OPS_SHUTDOWN_BUDGET", "10m")]).await;
    running.readiness(200).await;
    assert!(running.get("/metrics").await.1.contains("service_component_ready{component=\"worker\"} 1"));

    running.signal(Signal::TERM);
    running.line_with("SIGTERM: finishing open work").await;
    let body = running.readiness(503).await;
    assert!(body.contains(r#""shutdown":{"state":"waiting","for_what":"open work to finish""#), "{body}");
    assert_eq!(running.get("/healthz").await.0, 200);

    running.signal(Signal::TERM);
    let (code, log, _) = running.end().await;
    assert_eq!(code, Some(128 + 15), "{log:?}");
    assert!(log.last().is_some_and(|line| line.contains("SIGTERM during the shutdown")), "{log:?}");
}

#[tokio::test]
async fn a_task_that_overstays_the_budget_is_an_error_that_names_it() {
    let running = Running::start(&[("WORK_FINISH", "1h"), ("OPS_SHUTDOWN_BUDGET", "100ms")]).await;
    running.signal(Signal::TERM);
    let (code, log, _) = running.end().await;
    assert_eq!(code, Some(1), "{log:?}");
    let last = log.last().expect("a last line");
    let wanted = "minimal ends: gave up the shutdown after 100ms, still running: worker";
    assert!(last.contains("ERROR") && last.contains(wanted), "{last}");
}

#[tokio::test]
async fn a_fail_point_kills_it_and_an_unknown_one_is_refused() {
    let output_armed = output(&[], &[("FAILPOINT", "after_step:3")]).await;
    assert_eq!(output_armed.status.signal(), Some(9));
    assert!(text(&output_armed.stderr).contains("fail point reached"), "{}", text(&output_armed.stderr));

    let refused = output(&[], &[("FAILPOINT", "after_lunch:3")]).await;
    assert_eq!(refused.status.code(), Some(1));
    let wanted = "FAILPOINT cannot be used: there is no fail point `after_lunch`, only after_step";
    assert!(text(&refused.stderr).contains(wanted), "{}", text(&refused.stderr));
}

#[tokio::test]
async fn a_port_in_use_is_one_clear_message() {
    let first = Running::start(&[]).await;
    let second = output(&[], &[("OPS_LISTENER", &first.address)]).await;
    assert_eq!(second.status.code(), Some(1));
    let log = text(&second.stderr);
    assert!(log.contains("free the port, or set ops.listener (OPS_LISTENER) to another"), "{log}");
    assert_eq!(log.matches("ERROR").count(), 1, "{log}");
}

#[tokio::test]
async fn mistakes_in_the_settings_are_told_at_once_before_anything_starts() {
    let settings = [("WORK_EVERY", "5"), ("WORK_TOKEN", ""), ("TELEMETRY_FORMAT", "xml")];
    let refused = output(&[], &settings).await;
    assert_eq!(refused.status.code(), Some(2));
    assert_eq!(
        text(&refused.stderr),
        "minimal: 3 mistakes in the settings
  telemetry.format = \"xml\" (environment TELEMETRY_FORMAT): unknown variant `xml`, expected `text` or `json`
  work.every = \"5\" (environment WORK_EVERY): expected a duration with its unit, such as `250ms`, `2s` or `1h`
  work.token = \"\" (environment WORK_TOKEN): must not be empty: give any text
"
    );
}

#[tokio::test]
async fn check_config_prints_the_masked_settings_and_starts_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("minimal.toml");
    std::fs::write(&file, "[work]\nevery = '2s'\n").expect("the file is written");
    let file = file.to_str().expect("text");
    let checked = output(&["--settings", file, "--check-config"], &[]).await;
    assert_eq!(checked.status.code(), Some(0));
    assert_eq!(
        text(&checked.stdout),
        "ops.listener = \"127.0.0.1:0\"
ops.shutdown_budget = \"10s\"
telemetry.format = \"text\"
telemetry.level = \"info\"
work.every = \"2s\"
work.finish = \"0s\"
work.token = \"***\"
"
    );
    assert_eq!(text(&checked.stderr), "");

    std::fs::write(file, "[work]\nevery = '2h'\n").expect("the file is written");
    let refused = output(&["--settings", file, "--check-config"], &[]).await;
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("work.every = \"2h\" (file "), "{}", text(&refused.stderr));
}

#[tokio::test]
async fn json_logs_are_one_object_a_line() {
    let running = Running::start(&[("TELEMETRY_FORMAT", "json")]).await;
    running.signal(Signal::TERM);
    let (code, log, _) = running.end().await;
    assert_eq!(code, Some(0));
    for line in &log {
        let object: serde_json::Value = serde_json::from_str(line).expect(line);
        assert!(object["message"].is_string() && object["level"].is_string(), "{line}");
    }
}
