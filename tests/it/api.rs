//! The query API as a process, and what it says compared with what a few lines of Python count in a file.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use system_tests::{Process, Room, Stack, repository};

const KEY: &str = "a-key-for-tests-of-at-least-32-bytes";

/// A running query API with a token for some organisations.
pub struct Api {
    /// Its process.
    pub process: Process,
    /// `http://host:port`.
    pub address: String,
    /// A token made by the operators' command.
    pub token: String,
}

/// A file of calls, and the file that names their organisations.
pub struct Published<'a> {
    pub calls: &'a Path,
    pub directory: &'a Path,
    /// By how much `emit` moved the calls.
    pub shift_file: Option<&'a Path>,
}

impl Api {
    /// Starts one as the read-only user, and waits until it is ready.
    pub async fn start(stack: &Stack, room: &Room, organisations: &[String]) -> Self {
        let api = Self::spawn(stack, room, organisations).await;
        api.process.ready().await;
        api
    }

    /// As [`Self::start`], with settings of the test's own.
    pub async fn with(
        stack: &Stack,
        room: &Room,
        organisations: &[String],
        settings: &[(&str, &str)],
    ) -> Self {
        let api = Self::spawn_with(stack, room, organisations, settings).await;
        api.process.ready().await;
        api
    }

    /// Starts one and waits until it listens, ready or not.
    pub async fn spawn(stack: &Stack, room: &Room, organisations: &[String]) -> Self {
        Self::spawn_with(stack, room, organisations, &[]).await
    }

    async fn spawn_with(
        stack: &Stack,
        room: &Room,
        organisations: &[String],
        settings: &[(&str, &str)],
    ) -> Self {
        let environment = [
            ("HTTP_LISTENER", "127.0.0.1:0"),
            ("AUTH_KEY", KEY),
            ("CLICKHOUSE_USER", stack.variable("CLICKHOUSE_READER_USER")),
            ("CLICKHOUSE_PASSWORD", stack.variable("CLICKHOUSE_READER_PASSWORD")),
        ];
        let process = room.spawn("query-api", &[], &[environment.as_slice(), settings].concat());
        let line = process.says("API on http://").await;
        let address =
            line.split("API on ").nth(1).and_then(|rest| rest.split(',').next()).unwrap().to_owned();
        Self { process, address, token: token(organisations) }
    }

    /// Compares cards, breakdowns, every page of the log and every line of the CSV with the file, to the last digit.
    ///
    /// # Panics
    /// If they are not equal within so many seconds.
    pub fn equals(&self, published: &Published<'_>, seconds: u32) {
        let mut compare = compare();
        compare.args(["--full", "--api", &self.address, "--wait", &seconds.to_string()]);
        compare.arg("--calls").arg(published.calls).arg("--directory").arg(published.directory);
        if let Some(file) = published.shift_file {
            compare.arg("--shift-file").arg(file);
        }
        let output = compare.env("TOKEN", &self.token).output().expect("Python runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// The organisations that a directory file names.
pub fn organisations(directory: &Path) -> Vec<String> {
    let output = compare().arg("--organisations").arg("--directory").arg(directory).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split_whitespace().map(str::to_owned).collect()
}

fn compare() -> Command {
    let mut command = Command::new("python3");
    command.arg(repository().join("deploy/demo/compare.py"));
    command
}

fn token(organisations: &[String]) -> String {
    let output = Command::new(Process::path("query-api"))
        .arg("token")
        .args(organisations.iter().flat_map(|org| ["--org", org]))
        .env("AUTH_KEY", KEY)
        .output()
        .expect("query-api is built");
    let _ = std::io::stderr().write_all(&output.stderr);
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
