//! The binary under test, and what it says about itself.

use ingest::command::DeadLetter;
use system_tests::{Process, Room, eventually};

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

    async fn health(&self) -> (bool, String) {
        match reqwest::get(format!("http://{}/readyz", self.ops)).await {
            Ok(answer) => (answer.status().is_success(), answer.text().await.unwrap_or_default()),
            Err(error) => (false, error.to_string()),
        }
    }

    /// The sum of all values of a metric whose labels hold `labels`.
    pub async fn metric(&self, name: &str, labels: &str) -> u64 {
        let text = reqwest::get(format!("http://{}/metrics", self.ops)).await.unwrap().text().await.unwrap();
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

/// The dead letters of the room, as the command lists them.
pub fn dead_letters(room: &Room, filter: &[&str]) -> Vec<DeadLetter> {
    let (ended_well, said) = command(room, &[&["dead-letters", "list", "--json"], filter].concat());
    assert!(ended_well, "{said}");
    // What is logged goes to stderr, which the process's log has too.
    let objects = said.lines().filter(|line| line.starts_with('{'));
    objects.map(|line| serde_json::from_str(line).expect("a JSON object a line")).collect()
}
