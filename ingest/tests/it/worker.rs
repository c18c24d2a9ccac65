//! The binary under test, and what it says about itself.

use chrono::{DateTime, Utc};
use ingest::command::DeadLetter;
use reqwest::StatusCode;
use system_tests::{Process, Room, eventually, http_get};

/// Most memory that a worker may ever take, whatever it waits for, in KiB.
const MEMORY_KIB_MAX: u64 = 256 * 1024;

/// A running ingest worker.
pub struct Worker {
    /// Its process.
    pub process: Process,
    ops: String,
}

impl Worker {
    /// Starts one and waits until it is ready.
    pub async fn start(room: &Room, extra: &[(&str, &str)]) -> Self {
        let worker = Self::spawn(room, extra).await;
        worker.ready().await;
        worker
    }

    /// Starts one and waits until it answers, ready or not.
    pub async fn spawn(room: &Room, extra: &[(&str, &str)]) -> Self {
        let process = room.spawn("ingest", &[], extra);
        let line = process.says("health and metrics on http://").await;
        let ops = line.split("http://").nth(1).expect("an address in the line").trim().to_owned();
        Self { process, ops }
    }

    /// Waits until every component works. A worker that has only just begun has none yet, and would seem ready.
    pub async fn ready(&self) {
        eventually("ingest to be ready", async || {
            let (is_ready, report) = self.health().await;
            if is_ready && report.contains("\"consumer\"") { Ok(()) } else { Err(report) }
        })
        .await;
    }

    /// Waits until the health report holds a text.
    pub async fn waits_for(&self, text: &str) {
        eventually(&format!("ingest to wait for `{text}`"), async || {
            let (_, report) = self.health().await;
            if report.contains(text) { Ok(()) } else { Err(report) }
        })
        .await;
    }

    /// Waits until a component waits for something that holds `text`; returns since when. `/readyz` says so with 503,
    /// `/healthz` with 200, because starting the process anew would not help.
    pub async fn component_waits(&self, component: &str, text: &str) -> DateTime<Utc> {
        let mut since = None;
        for (path, expected) in [("readyz", StatusCode::SERVICE_UNAVAILABLE), ("healthz", StatusCode::OK)] {
            since = eventually(&format!("/{path} to name {component} and `{text}`"), async || {
                let answer = http_get(format!("http://{}/{path}", self.ops)).await;
                let answer = answer.map_err(|error| error.to_string())?;
                let status = answer.status();
                let report: serde_json::Value = answer.json().await.map_err(|error| error.to_string())?;
                let state = &report["components"][component];
                let names_it = state["for_what"].as_str().is_some_and(|for_what| for_what.contains(text));
                let since = state["since"].as_str().and_then(|since| since.parse().ok());
                if status == expected && state["state"] == "waiting" && names_it && since.is_some() {
                    Ok(since)
                } else {
                    Err(format!("{status} {report}"))
                }
            })
            .await;
        }
        since.expect("both said it")
    }

    /// Asserts that the process never took more memory than it may; returns the most it took, in MiB.
    pub fn memory_is_bounded(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a line");
        let most: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        assert!(most <= MEMORY_KIB_MAX, "the worker took {most} KiB");
        most / 1024
    }

    async fn health(&self) -> (bool, String) {
        match http_get(format!("http://{}/readyz", self.ops)).await {
            Ok(answer) => (answer.status().is_success(), answer.text().await.unwrap_or_default()),
            Err(error) => (false, error.to_string()),
        }
    }

    /// The sum of all values of a metric whose labels hold `labels`.
    pub async fn metric(&self, name: &str, labels: &str) -> u64 {
        let text = http_get(format!("http://{}/metrics", self.ops)).await.unwrap().text().await.unwrap();
        text.lines()
            .filter(|line| line.starts_with(name) && line.contains(labels))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
            .sum()
    }
}

/// Runs a subcommand to its end; returns whether it succeeded, and what it said.
pub fn command(room: &Room, arguments: &[&str]) -> (bool, String) {
    let mut process = room.spawn("ingest", arguments, &[("TELEMETRY_LEVEL", "error")]);
    let status = process.wait();
    (status.success(), process.log().join("\n"))
}

/// Runs a subcommand that no worker may be beside: the group forgets one that ended badly only when its session is over.
pub async fn command_alone(room: &Room, arguments: &[&str]) -> (bool, String) {
    eventually("the group to be empty", async || {
        let (ended_well, said) = command(room, arguments);
        if said.contains("stop them first") { Err(said) } else { Ok((ended_well, said)) }
    })
    .await
}

/// The dead letters of the room, as the command lists them.
pub fn dead_letters(room: &Room, filter: &[&str]) -> Vec<DeadLetter> {
    let (ended_well, said) = command(room, &[&["dead-letters", "list", "--json"], filter].concat());
    assert!(ended_well, "{said}");
    // What is logged goes to stderr, which the process's log has too.
    let objects = said.lines().filter(|line| line.starts_with('{'));
    objects.map(|line| serde_json::from_str(line).expect("a JSON object a line")).collect()
}
