//! Tables that are lost: ledger and batches come back from an older copy and Kafka, rollups out of the ledger. What was
//! answered before is answered again, byte for byte, and nobody who reads meanwhile is told anything wrong.

mod answers;
mod load;
mod manual;
mod people;

use crate::api::Api;
use answers::{Snapshots, equal};
use load::{Load, ORGS, history};
use manual::{Manual, run};
use people::{People, judge};
use proto::Position;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use system_tests::{CAREFUL, Client, PARTITIONS, Process, Room, Stack, Topic, eventually_for};
use tokio::task::block_in_place;

const HISTORY: i64 = 1_200;
/// Small batches, so that every copy of a table falls between some.
const INGEST: [(&str, &str); 2] = [CAREFUL, ("BATCH_ROWS_MAX", "100")];
const ROLLUP: [(&str, &str); 1] = [("WORKER_STEP_INTERVAL", "200ms")];
/// For a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// The whole system, with two months of calls and more that come.
struct System {
    stack: Stack,
    room: Arc<Room>,
    ingest: Process,
    rollup: Process,
    api: Api,
    client: Client,
    load: Option<Load>,
}

impl System {
    async fn start(test: &str) -> Self {
        let stack = Stack::shared();
        let room = Arc::new(Room::new(&stack, test).await);
        let ingest = room.start("ingest", &INGEST).await;
        let rollup = room.start("rollup", &ROLLUP).await;
        room.tell_directory(&ORGS, &[("acme", "m-1".into(), "Ada".into())]).await;
        let calls = history(HISTORY);
        room.publish_calls(&calls).await;
        room.ledger_holds(HISTORY as u64).await;
        let (api, client) = open_api(&stack, &room).await;
        let mut system = Self { stack, room, ingest, rollup, api, client, load: None };
        system.is_computed().await;
        system.load = Some(Load::start(Arc::clone(&system.room), calls));
        system
    }

    /// The ends of the unbroken reading, a partition.
    async fn counted(&self) -> Vec<i64> {
        let query = self.room.warehouse().read(
            "SELECT max(to_position) FROM batches WHERE bitShiftRight(from_position, 48) IN \
             (SELECT source FROM sources WHERE kind = 'calls') GROUP BY partition ORDER BY partition",
        );
        let ends: Vec<u64> = self.room.warehouse().fetch_all("counting", query).await.expect("an answer");
        ends.into_iter().map(|end| Position::from_u64(end).next_offset()).collect()
    }

    /// Waits until so many more messages are counted.
    async fn moves_on(&self, messages: i64) {
        let before: i64 = self.counted().await.iter().sum();
        eventually_for(PATIENCE, "more to be counted", async || {
            let more = self.counted().await.iter().sum::<i64>() - before;
            if more >= messages { Ok(()) } else { Err(format!("{more} more")) }
        })
        .await;
    }

    /// Waits until the worker knows nothing more to do with what has passed.
    async fn is_computed(&self) {
        eventually_for(PATIENCE, "what has passed to be computed", async || {
            let query = self.room.warehouse().read(
                "SELECT count() FROM (SELECT org_id, quarter, max(last_position) AS touch FROM touches \
                 WHERE quarter < now() - 960 GROUP BY org_id, quarter) AS touched LEFT JOIN (SELECT org_id, starts_at, \
                 through FROM usage_quarter_hourly FINAL) AS stored ON touched.org_id = stored.org_id AND \
                 touched.quarter = stored.starts_at WHERE stored.through < touched.touch",
            );
            let open: u64 = self.room.warehouse().fetch_one("counting", query).await.expect("an answer");
            if open == 0 { Ok(()) } else { Err(format!("{open} quarter hours are open")) }
        })
        .await;
    }

    /// Ends the load, and waits until all of it is counted.
    async fn all_is_counted(&mut self) {
        self.load.take().expect("a load").stop().await;
        let topic = Topic::new(self.room.brokers(), self.room.topic("calls"), PARTITIONS);
        eventually_for(PATIENCE, "all to be counted", async || {
            // A message is sent on before the batch that it was found in is written: nothing is on its way any more.
            let counted = self.counted().await;
            let ends = block_in_place(|| topic.ends()).map_err(|error| error.to_string())?;
            if counted == ends { Ok(()) } else { Err(format!("{counted:?} of {ends:?}")) }
        })
        .await;
        self.is_computed().await;
    }

    /// The directory tells of one more member.
    async fn is_told_of(&self, member: &str) {
        let told = json!({ "member_id": member, "name": member, "email": format!("{member}@acme.example"), "removed": false });
        let file = tempfile::Builder::new().suffix(".jsonl").tempfile().expect("a file");
        std::fs::write(file.path(), json!({ "org_id": ORGS[0].0, "member": told }).to_string())
            .expect("written");
        let path = file.path().to_str().expect("a path");
        self.does("emit", &["directory", path, "--topic", &self.room.topic("directory")]);
        self.knows(member).await;
    }

    /// Waits until a member's name is known.
    async fn knows(&self, member: &str) {
        eventually_for(PATIENCE, "the directory to be read", async || {
            let sql = "SELECT count() FROM members FINAL WHERE member_id = {member:String}";
            let query = self.room.warehouse().read(sql).param("member", member);
            let found: u64 = self.room.warehouse().fetch_one("looking", query).await.expect("an answer");
            if found == 1 { Ok(()) } else { Err("it was not yet") }
        })
        .await;
    }

    /// Waits until every organisation is known through a snapshot's position.
    async fn has_caught_up_with(&self, snapshots: &Snapshots) {
        eventually_for(PATIENCE, "ingest to catch up", async || {
            let now = Snapshots::take(&self.client).await;
            let behind = ORGS.iter().filter(|(org, _)| now.position(org) < snapshots.position(org)).count();
            if behind == 0 { Ok(()) } else { Err(format!("{behind} organisations are behind")) }
        })
        .await;
    }

    /// Everything proves itself.
    fn is_proven(&self) {
        self.does("rollup", &["verify"]);
        self.does("ingest", &["verify", "--read-log"]);
    }

    fn does(&self, binary: &str, arguments: &[&str]) {
        self.does_with(binary, arguments, &[]);
    }

    fn does_with(&self, binary: &str, arguments: &[&str], settings: &[(&str, &str)]) {
        let mut process = self.room.spawn(binary, arguments, settings);
        let status = block_in_place(|| process.wait());
        assert!(status.success(), "{binary} {arguments:?}: {}", process.log().join("\n"));
    }

    fn stop(process: &mut Process) {
        assert!(block_in_place(|| process.stop()).success(), "{}", process.log().join("\n"));
    }
}

async fn open_api(stack: &Stack, room: &Room) -> (Api, Client) {
    let api = Api::start(stack, room, &ORGS.map(|(org, _)| org.to_owned())).await;
    let client = Client::new(&api.address, &api.token);
    (api, client)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_of_an_hour_ago_and_the_rest_out_of_kafka_answer_the_same_bytes() {
    let mut system = System::start("restore").await;
    let copy = format!("{}_backup", system.room.name);
    let manual = Manual::of(&system.room, &copy);
    system.does_with("warehouse", &["migrate"], &[("CLICKHOUSE_DATABASE", &copy)]);

    system.moves_on(60).await;
    let before = Snapshots::take(&system.client).await;
    let first_told = before.answers(&system.client).await;
    for statement in &manual.backup {
        run(&system.room, statement).await;
        system.moves_on(40).await;
    }
    // The hour since. Names are those of now, so the first answers are asked for again.
    system.is_told_of("grace").await;
    system.moves_on(80).await;
    let between = Snapshots::take(&system.client).await;
    system.moves_on(80).await;
    system.all_is_counted().await;
    let after = Snapshots::take(&system.client).await;
    let snapshots = [&before, &between, &after];
    let mut told = Vec::new();
    for snapshot in snapshots {
        told.push(snapshot.answers(&system.client).await);
    }
    equal("before anything is lost", &first_told, &told[0]);

    for process in [&mut system.ingest, &mut system.rollup, &mut system.api.process] {
        System::stop(process);
    }
    for statement in &manual.restore {
        run(&system.room, statement).await;
    }
    system.does("rollup", &["rebuild", "--reason", "restore"]);
    (system.api, system.client) = open_api(&system.stack, &system.room).await;
    let restored = Snapshots::take(&system.client).await;
    for (org, _) in ORGS {
        let positions = [&before, &restored, &between].map(|snapshots| snapshots.position(org));
        assert!(positions.is_sorted(), "{org}: {positions:?}");
        assert!(positions[1] < positions[2], "{org}: nothing is lost");
        let refused = system.client.text(&after.path(org, "summary?")).await.expect_err("who could know?");
        assert!(refused.to_string().contains("400 Bad Request"), "{refused}");
    }
    equal("as far as the copy goes", &told[0], &before.answers(&system.client).await);
    let people = People::start(&system.client);
    system.ingest = system.room.start("ingest", &INGEST).await;
    system.rollup = system.room.start("rollup", &ROLLUP).await;
    system.has_caught_up_with(&after).await;
    system.knows("grace").await;
    for (snapshot, told) in snapshots.into_iter().zip(&told) {
        equal("as soon as ingest has caught up", told, &snapshot.answers(&system.client).await);
    }
    system.is_computed().await;
    for (snapshot, told) in snapshots.into_iter().zip(&told) {
        equal("when all is computed", told, &snapshot.answers(&system.client).await);
    }
    let heard = people.stop();
    println!("{} answers while ingest caught up", heard.len());
    block_in_place(|| judge(&system.room, &heard));
    system.is_proven();
}

#[tokio::test(flavor = "multi_thread")]
async fn rollups_that_are_dropped_and_rebuilt_while_calls_come_and_people_read_change_no_answer() {
    let mut system = System::start("dropped").await;
    let pinned = Snapshots::take(&system.client).await;
    let told = pinned.answers(&system.client).await;
    let people = People::start(&system.client);
    system.moves_on(40).await;
    for table in ["usage_monthly", "usage_daily", "usage_quarter_hourly", "rollup_progress", "rollup_zones"] {
        run(&system.room, &format!("TRUNCATE TABLE {table}")).await;
    }
    let answers = people.answers();
    equal("without rollups", &told, &pinned.answers(&system.client).await);
    system.moves_on(40).await;
    let answers_without = people.answers() - answers;

    let slow = [("WORKER_BUCKETS_PER_STATEMENT", "20")];
    let mut rebuild = system.room.spawn("rollup", &["rebuild", "--reason", "dropped"], &slow);
    let mut rounds = 0;
    while rounds == 0 || !rebuild.has_ended() {
        equal("during the rebuild", &told, &pinned.answers(&system.client).await);
        rounds += 1;
    }
    assert!(block_in_place(|| rebuild.wait()).success(), "{}", rebuild.log().join("\n"));
    equal("after the rebuild", &told, &pinned.answers(&system.client).await);
    system.moves_on(40).await;
    system.all_is_counted().await;
    equal("when all is computed", &told, &pinned.answers(&system.client).await);
    let heard = people.stop();
    println!("{} answers, {answers_without} of them without rollups; {rounds} rounds meanwhile", heard.len());
    assert!(answers_without > 0);
    block_in_place(|| judge(&system.room, &heard));
    system.is_proven();
}
