//! Who plays: the processes of the system, as they are deployed, and how each is started.

use crate::actor::Actor;
use crate::copilot::{ORDERS, Orders, Stage};
use crate::flow::{COPILOTS, Flow, MEMBERS, ORGS};
use crate::settings::Settings;
use std::process::Command;
use system_tests::{CAREFUL, Client, Process, Room, Stack, row};
use tokio::task::block_in_place;

/// What the names of the copilots begin with.
pub const COPILOT: &str = "copilot";

const KEY: &str = "a-key-for-tests-of-at-least-32-bytes";
/// Longest wait for a statement.
const PATIENCE: (&str, &str) = ("CLICKHOUSE_TIMEOUT", "10s");
/// Short sessions and time-outs: what takes minutes in production happens often here. None is longer than
/// [`crate::outage::TIMEOUT_MAX`].
const HASTY: [(&str, &str); 10] = [
    CAREFUL,
    ("KAFKA_PROPERTIES", "session.timeout.ms=6000,heartbeat.interval.ms=500,socket.timeout.ms=8000"),
    ("KAFKA_TIMEOUT", "5s"),
    PATIENCE,
    ("RETRY_MAX", "500ms"),
    ("BATCH_ROWS_MAX", "1000"),
    ("FOLD_INTERVAL", "5s"),
    ("FOLD_ROWS_MAX", "100"),
    ("FOLD_KEEP", "20"),
    ("TELEMETRY_LEVEL", "info"),
];
/// Two share the partitions, a third does the first one's work once more.
const ROLLUPS: [(&str, &str); 3] = [("rollup-1", "0"), ("rollup-2", "1"), ("rollup-3", "0")];

/// Everybody.
pub struct Cast {
    /// The processes.
    pub actors: Vec<Actor>,
    /// What the copilots were told.
    pub copilots: Vec<Orders>,
    /// What they share.
    pub flow: Flow,
    /// What they are told while they play.
    pub stage: Stage,
    /// A client of the API.
    pub api: Client,
}

impl Cast {
    /// Sets the scene: topics, organisations, orders.
    pub async fn of(stack: &Stack, room: &Room, settings: &Settings) -> Self {
        room.create_topics().await;
        let logs = stack.dir().join("processes");
        std::fs::create_dir_all(&logs).expect("a folder for logs");
        block_in_place(|| room.publish_directory(&ORGS, &members()));

        let (seed, events) = (settings.seed, settings.events);
        let flow = Flow { seed, copilot: 0, events, began_ms: service::clock::now_ms() };
        let stage = Stage { folder: stack.dir().to_owned() };
        let orders = |copilot: u64| Orders {
            flow: Flow { copilot, ..flow.clone() },
            length_ms: settings.length.as_millis() as i64,
            brokers: room.brokers().to_owned(),
            topic: room.topic("calls"),
            folder: stack.dir().join(format!("{COPILOT}-{copilot}")),
            stage: stage.clone(),
        };
        let copilots: Vec<Orders> = (1..=COPILOTS).map(orders).collect();
        let address = format!("127.0.0.1:{}", free_port());

        let mut actors = Vec::new();
        // With a name in the group, a worker that was killed has its partitions again when it comes back; without one, it
        // hands them over when it is told to end, and comes back as somebody else.
        for (name, name_in_group) in [("ingest-1", "ingest-1"), ("ingest-2", "")] {
            let extra = [HASTY.as_slice(), &[("KAFKA_GROUP_INSTANCE_ID", name_in_group)]].concat();
            let start = starter(room, "ingest", &extra);
            actors.push(Actor::new(name.to_owned(), &ingest::FAIL_POINTS, logs.clone(), start));
        }
        for (name, index) in ROLLUPS {
            let share =
                [("WORKER_INDEX", index), ("WORKER_COUNT", "2"), ("WORKER_STEP_INTERVAL", "200ms"), PATIENCE];
            let start = starter(room, "rollup", &share);
            actors.push(Actor::new(name.to_owned(), &rollup::FAIL_POINTS, logs.clone(), start));
        }
        let reader = [
            ("HTTP_LISTENER", address.as_str()),
            ("TELEMETRY_LEVEL", "warn"),
            ("AUTH_KEY", KEY),
            PATIENCE,
            ("CLICKHOUSE_USER", stack.variable("CLICKHOUSE_READER_USER")),
            ("CLICKHOUSE_PASSWORD", stack.variable("CLICKHOUSE_READER_PASSWORD")),
        ];
        let start = starter(room, "query-api", &reader);
        actors.push(Actor::new("query-api".to_owned(), &[], logs.clone(), start));
        for orders in &copilots {
            let name = format!("{COPILOT}-{}", orders.flow.copilot);
            let told = serde_json::to_string(orders).expect("orders as text");
            let mut actor = Actor::new(name, &[], logs.clone(), move |_| {
                Process::spawn_test("a_copilot_follows_its_orders", &[(ORDERS.to_owned(), told.clone())])
            });
            actor.may_finish = true;
            actors.push(actor);
        }
        let api = Client::new(&format!("http://{address}"), &block_in_place(token));
        Self { actors, copilots, flow, stage, api }
    }
}

/// Starts a binary in the room with some environment.
fn starter(
    room: &Room,
    binary: &'static str,
    extra: &[(&str, &str)],
) -> impl Fn(&[(String, String)]) -> Process + use<> {
    let extra = extra.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let environment: Vec<_> = room.environment().iter().cloned().chain(extra).collect();
    move |more| Process::spawn(binary, &[], &[environment.as_slice(), more].concat())
}

/// Every member of every organisation, with a name.
pub fn members() -> Vec<(&'static str, String, String)> {
    let members = ORGS.iter().flat_map(|(org, _)| (0..MEMBERS).map(move |n| (*org, format!("m-{n}"))));
    members.map(|(org, member)| (org, member.clone(), row::name_of(&member))).collect()
}

/// A token for all organisations.
fn token() -> String {
    let mut command = Command::new(Process::path("query-api"));
    command.arg("token").env("AUTH_KEY", KEY).args(ORGS.iter().flat_map(|(org, _)| ["--org", org]));
    say_what_failed(&mut command)
}

fn say_what_failed(command: &mut Command) -> String {
    let output = command.output().expect("the binary is built");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Below the range that the kernel hands to outgoing connections: nobody takes it while the service is dead.
fn free_port() -> u16 {
    let free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    std::iter::repeat_with(|| rand::random_range(20_000..32_000)).find(free).expect("a free port")
}
