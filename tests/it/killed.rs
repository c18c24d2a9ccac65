//! `kill -9` of every process in turn, each in the middle of a load; in the end all totals are exact.
//!
//! Where a worker may be killed between two particular steps is the subject of `ingest/tests/it/kill.rs` and
//! `rollup/tests/it/crash.rs`; here the whole system runs, and nobody knows at which step it is hit.

use crate::api::{Api, Published, organisations};
use proto::EventId;
use serde_json::json;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use system_tests::{Component, Process, Room, Stack, eventually};
use tempfile::TempDir;
use warehouse::calendar::{self, Tz};

/// Calls of each load.
const CALLS: u64 = 4_000;
/// How long ago the first call of each load happened, and how much later each next one did: all loads fall into the
/// same three days, so that the rollups of most of them are touched again and again.
const BEGAN_MS_AGO: i64 = 3 * 86_400_000;
const STEP_MS: i64 = (BEGAN_MS_AGO - 3_600_000) / CALLS as i64;
/// Three days in about thirteen seconds.
const SPEED: &str = "20000x";

/// The whole system on a stack of its own, and what was published to it.
struct System {
    stack: Stack,
    room: Room,
    ingest: Process,
    rollup: Process,
    api: Api,
    folder: TempDir,
    organisations: Vec<String>,
    began_ms: i64,
    loads: u64,
}

impl System {
    async fn start() -> Self {
        let stack = Stack::start_own();
        let room = Room::new(&stack, "killed").await;
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("directory.jsonl");
        let mut file = File::create(&directory).unwrap();
        for (org, zone) in [("acme", "Europe/Berlin"), ("globex", "Asia/Kathmandu"), ("initech", "UTC")] {
            let names = json!({ "short_name": org, "display_name": org, "time_zone": zone });
            writeln!(file, "{}", json!({ "org_id": org, "organisation": names })).unwrap();
        }
        let ingest = room.start("ingest", &[("BATCH_ROWS_MAX", "100")]).await;
        let rollup = room.start("rollup", &[]).await;
        let organisations = organisations(&directory);
        let api = Api::start(&stack, &room, &organisations).await;
        let began_ms = service::clock::now_ms() - BEGAN_MS_AGO;
        let system = Self { stack, room, ingest, rollup, api, folder, organisations, began_ms, loads: 0 };
        let path = directory.to_str().unwrap();
        let mut emit =
            system.room.spawn("emit", &["directory", path, "--topic", &system.room.topic("directory")], &[]);
        assert!(emit.wait().success(), "{:?}", emit.log());
        system
    }

    fn all_calls(&self) -> PathBuf {
        self.folder.path().join("all.jsonl")
    }

    /// Writes the file of the next load, and adds it to the file of all.
    fn next_load(&mut self) -> PathBuf {
        self.loads += 1;
        let path = self.folder.path().join(format!("load-{}.jsonl", self.loads));
        let mut load = BufWriter::new(File::create(&path).unwrap());
        let mut all =
            File::options().append(true).create(true).open(self.all_calls()).map(BufWriter::new).unwrap();
        for n in 0..CALLS {
            let line = self.line(n);
            writeln!(load, "{line}").unwrap();
            writeln!(all, "{line}").unwrap();
        }
        path
    }

    fn line(&self, n: u64) -> String {
        let at_ms = self.began_ms + n as i64 * STEP_MS;
        let (day, of_day_ms) = (calendar::date_of(Tz::UTC, at_ms), at_ms % 86_400_000);
        let (hours, minutes) = (of_day_ms / 3_600_000, of_day_ms / 60_000 % 60);
        let (seconds, milliseconds) = (of_day_ms / 1000 % 60, of_day_ms % 1000);
        let reason = ["chat", "generate_field", "summarize_cv"][(n % 3) as usize];
        let organisation = &self.organisations[(n % 7 % 3) as usize];
        let mut call = json!({
            "event_id": EventId::from_parts(at_ms, rand::random()).to_string(),
            "occurred_at": format!("{day}T{hours:02}:{minutes:02}:{seconds:02}.{milliseconds:03}Z"),
            "org_id": organisation,
            "member_id": format!("m-{}", n % 11),
            "reason": reason,
            "provider": "openai",
            "model": format!("model-{}", n % 5),
            "input_tokens": n,
            "output_tokens": self.loads,
        });
        if n.is_multiple_of(10) {
            call["provider_cost"] = format!("0.000{n:09}").into();
            call["currency"] = ["EUR", "USD"][(n / 10 % 2) as usize].into();
        } else {
            call["credits"] = format!("{}.{n:012}", n % 4).into();
        }
        call.to_string()
    }

    fn emit(&self, load: &Path) -> Process {
        let queue = self.folder.path().join("queue");
        let (load, queue) = (load.to_str().unwrap(), queue.to_str().unwrap());
        let topic = self.room.topic("calls");
        // The broker, which is killed too, may take its time to come back.
        let arguments =
            ["calls", load, "--topic", &topic, "--speed", SPEED, "--queue-dir", queue, "--timeout", "5m"];
        self.room.spawn("emit", &arguments, &[])
    }

    async fn rows(&self) -> u64 {
        let query = self.room.warehouse().read("SELECT uniqExact(position) FROM ai_calls");
        self.room.warehouse().fetch_one("counting", query).await.unwrap()
    }

    /// Starts a load and returns when a part of it is in the ledger, and a part is not.
    async fn in_the_middle_of_a_load(&mut self) -> (PathBuf, Process) {
        let before = self.rows().await;
        let load = self.next_load();
        let emit = self.emit(&load);
        eventually("a part of the load to be in the ledger", async || {
            let rows = self.rows().await;
            if rows > before + CALLS / 10 { Ok(()) } else { Err(format!("{} rows", rows - before)) }
        })
        .await;
        assert!(self.rows().await < before + CALLS, "the load is over");
        (load, emit)
    }

    /// Waits for an emitter's good end.
    fn published(&self, mut emit: Process) {
        assert!(emit.wait().success(), "{}", emit.log().join("\n"));
    }

    fn survivors_run(&mut self) {
        for process in [&mut self.ingest, &mut self.rollup, &mut self.api.process] {
            assert!(!process.has_ended(), "a process gave up: {}", process.log().join("\n"));
        }
    }

    /// Everything published counts once, by every answer of the API, and `verify` finds nothing.
    async fn is_exact(&mut self) {
        self.survivors_run();
        let (calls, directory) = (self.all_calls(), self.folder.path().join("directory.jsonl"));
        self.api.equals(&Published { calls: &calls, directory: &directory, shift_file: None }, 120);
        self.room.passed_quarters_are_computed().await;
        let mut verify = self.room.spawn("rollup", &["verify"], &[]);
        assert!(verify.wait().success(), "{}", verify.log().join("\n"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_process_killed_in_the_middle_of_a_load_leaves_exact_totals() {
    let mut system = System::start().await;

    let (load, mut emit) = system.in_the_middle_of_a_load().await;
    emit.kill();
    // As its operator would: once more from the start. What had arrived is a repeat.
    system.published(system.emit(&load));

    let (_, emit) = system.in_the_middle_of_a_load().await;
    system.ingest.kill();
    system.ingest = system.room.spawn("ingest", &[], &[("BATCH_ROWS_MAX", "100")]);
    system.published(emit);

    let (_, emit) = system.in_the_middle_of_a_load().await;
    system.rollup.kill();
    system.rollup = system.room.spawn("rollup", &[], &[]);
    system.published(emit);

    let (_, emit) = system.in_the_middle_of_a_load().await;
    system.api.process.kill();
    system.api = Api::start(&system.stack, &system.room, &system.organisations).await;
    system.published(emit);

    for component in [Component::ClickHouse, Component::Kafka] {
        let (_, emit) = system.in_the_middle_of_a_load().await;
        system.stack.kill(component);
        system.stack.start(component);
        system.published(emit);
    }
    system.is_exact().await;
}
