//! `deploy/local/stack`, with a real Kafka beside the engine.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer};
use tempfile::TempDir;

use crate::support::{Answer, PATIENCE, artifacts, eventually, http, repository};

struct Stack {
    root: TempDir,
    folder: PathBuf,
}

impl Stack {
    fn new() -> Self {
        let root = TempDir::new().unwrap();
        let folder = root.path().join("a folder: with, odd = name");
        Self { root, folder }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.run_with(arguments, &[])
    }

    fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        Command::new(repository().join("deploy/local/stack"))
            .args(arguments)
            .arg("--dir")
            .arg(&self.folder)
            .current_dir(self.root.path())
            .env("ENGINE_BIN", env!("CARGO_BIN_EXE_local-engine"))
            .env("AUDIT_ARTIFACTS_DIR", artifacts())
            .env_remove("KAFKA_PORT")
            .env_remove("KAFKA_CONTROLLER_PORT")
            .env_remove("CLICKHOUSE_PORT")
            .envs(variables.iter().copied())
            .output()
            .expect("bash")
    }

    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output));
        text(&output)
    }

    fn variable(&self, name: &str) -> String {
        let env = std::fs::read_to_string(self.folder.join("stack.env")).expect("stack.env");
        let prefix = format!("{name}=");
        env.lines().find_map(|line| line.strip_prefix(&prefix)).expect(name).to_owned()
    }

    async fn sql(&self, sql: &str) -> Answer {
        let request = http()
            .post(self.variable("CLICKHOUSE_URL"))
            .basic_auth(self.variable("CLICKHOUSE_USER"), Some(self.variable("CLICKHOUSE_PASSWORD")));
        let answer = Answer::of(request.body(sql.to_owned())).await;
        assert_eq!(answer.status, 200, "{sql}: {}", answer.text());
        answer
    }

    fn kafka(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.variable("KAFKA_BROKERS"));
        config
    }

    async fn create_topic(&self, name: &str, partitions: i32) {
        let admin: AdminClient<_> = self.kafka().create().unwrap();
        let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        for result in admin.create_topics(&[topic], &AdminOptions::new()).await.unwrap() {
            result.unwrap();
        }
    }

    /// Records in all partitions of a topic.
    fn records(&self, topic: &str, partitions: i32) -> i64 {
        let consumer: BaseConsumer = self.kafka().create().unwrap();
        (0..partitions)
            .map(|partition| {
                let (low, high) = consumer.fetch_watermarks(topic, partition, PATIENCE).unwrap();
                high - low
            })
            .sum()
    }

    fn pid(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.join(format!("{name}.pid"))).expect("a pid").trim().to_owned()
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for log in ["kafka.log", "clickhouse.log"] {
                let tail = std::fs::read_to_string(self.folder.join(log)).unwrap_or_default();
                eprintln!("--- {log}\n{}", tail.lines().rev().take(20).collect::<Vec<_>>().join("\n"));
            }
        }
        let output = self.run(&["wipe"]);
        if !std::thread::panicking() {
            assert!(output.status.success(), "{}", text(&output));
            assert!(!self.folder.exists(), "wipe left something behind");
        }
    }
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn the_stack_starts_twice_survives_kill_9_and_feeds_the_engine_from_kafka() {
    let stack = Stack::new();
    assert_eq!(stack.run(&["status"]).status.code(), Some(3));
    stack.ok(&["start", "--free-ports"]);
    let (broker, url) = (stack.variable("KAFKA_BROKERS"), stack.variable("CLICKHOUSE_URL"));
    for secret in ["passwords", "stack.env"] {
        assert_eq!(mode(&stack.folder.join(secret)), 0o600, "{secret}");
    }
    let pids = (stack.pid("kafka"), stack.pid("clickhouse"));
    stack.ok(&["start"]);
    assert_eq!((stack.pid("kafka"), stack.pid("clickhouse")), pids, "a second start changes nothing");
    assert!(stack.ok(&["status"]).contains("runs ("));
    assert!(stack.ok(&["env"]).contains(&format!("export KAFKA_BROKERS={broker}")));

    stack.create_topic("calls", 2).await;
    let schema = "syntax = \"proto3\"; message Call { uint64 id = 1; string who = 2; }";
    std::fs::write(stack.folder.join("clickhouse/format_schemas/call.proto"), schema).unwrap();
    stack.sql("CREATE DATABASE audit").await;
    stack.sql("CREATE TABLE audit.calls (id UInt64, who String) ENGINE = MergeTree ORDER BY id").await;
    stack
        .sql(&format!(
            "CREATE TABLE audit.queue (id UInt64, who String) ENGINE = Kafka SETTINGS kafka_broker_list = '{broker}', \
             kafka_topic_list = 'calls', kafka_group_name = 'engine', kafka_format = 'ProtobufSingle', \
             kafka_schema = 'call:Call', kafka_flush_interval_ms = 200"
        ))
        .await;
    stack.sql("INSERT INTO audit.queue SELECT number, 'me' FROM numbers(1000)").await;
    stack.sql("CREATE MATERIALIZED VIEW audit.feed TO audit.calls AS SELECT * FROM audit.queue").await;
    let arrived = || async {
        let seen = stack.sql("SELECT count(), uniqExact(id) FROM audit.calls WHERE who = 'me'").await.text();
        if seen == "1000\t1000\n" { Ok(()) } else { Err(seen) }
    };
    eventually(arrived).await;
    stack.sql("DROP TABLE audit.feed SYNC").await;
    stack.sql("DROP TABLE audit.queue SYNC").await;

    for name in ["kafka", "clickhouse"] {
        assert!(Command::new("kill").args(["-KILL", &stack.pid(name)]).status().unwrap().success());
    }
    eventually(|| async {
        let status = text(&stack.run(&["status"]));
        if status.contains("runs (") { Err(status) } else { Ok(()) }
    })
    .await;
    stack.ok(&["start"]);
    assert_eq!((stack.variable("KAFKA_BROKERS"), stack.variable("CLICKHOUSE_URL")), (broker, url));
    eventually(arrived).await;
    assert_eq!(stack.records("calls", 2), 1000);

    stack.ok(&["stop", "--only", "kafka"]);
    let status = stack.run(&["status"]);
    assert_eq!(status.status.code(), Some(3));
    let status = text(&status);
    assert!(status.contains("kafka       does not run") && status.contains("clickhouse  runs ("), "{status}");
    let stopped = stack.ok(&["stop"]);
    assert!(!stopped.contains("warning"), "{stopped}");
    stack.ok(&["stop"]);
}

#[test]
fn a_start_that_cannot_work_says_why() {
    let stack = Stack::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = stack.run_with(&["start", "--only", "clickhouse"], &[("CLICKHOUSE_PORT", &port)]);
    let said = text(&output);
    assert!(!output.status.success());
    assert!(said.contains(&format!("port {port}")) && said.contains("CLICKHOUSE_PORT=…"), "{said}");

    // A machine without Java.
    let tools = stack.root.path().join("tools");
    std::fs::create_dir(&tools).unwrap();
    for tool in [
        "bash", "cat", "cksum", "cp", "cut", "dirname", "find", "flock", "head", "mkdir", "mv", "od", "sed",
        "seq", "tr",
    ] {
        let found = Command::new("sh").args(["-c", &format!("command -v {tool}")]).output().unwrap();
        let found = String::from_utf8_lossy(&found.stdout).trim().to_owned();
        std::os::unix::fs::symlink(found, tools.join(tool)).unwrap();
    }
    let output = stack.run_with(&["start", "--only", "kafka"], &[("PATH", tools.to_str().unwrap())]);
    let said = text(&output);
    assert!(!output.status.success());
    assert!(said.contains("missing: `java`, to run Kafka"), "{said}");
    assert!(said.contains("apt-get install openjdk-17"), "{said}");

    let output = free_ports(1).output().expect("bash");
    assert!(output.status.success(), "{}", text(&output));
    let port = String::from_utf8(output.stdout).unwrap();
    let free = [("CLICKHOUSE_PORT", port.trim()), ("ENGINE_BIN", "/nonexistent")];
    let output = stack.run_with(&["start", "--only", "clickhouse"], &free);
    assert!(!output.status.success());
    assert!(text(&output).contains("ENGINE_BIN=/nonexistent is not a program"), "{}", text(&output));

    // A server that ends at once: the reason is in its log, and its log is shown.
    std::fs::create_dir_all(stack.folder.join("clickhouse")).unwrap();
    std::fs::write(stack.folder.join("clickhouse/store"), "not a folder").unwrap();
    let output = stack.run_with(&["start", "--only", "clickhouse"], &free[..1]);
    let said = text(&output);
    assert!(!output.status.success());
    assert!(
        said.contains("clickhouse ended while it was starting") && said.contains("clickhouse/store"),
        "{said}"
    );

    for arguments in [&["start", "--only", "postgres"][..], &["start", "--nope"], &["restart"]] {
        assert!(!stack.run(arguments).status.success(), "{arguments:?}");
    }
}

/// Prints free ports as the scripts choose them.
fn free_ports(count: usize) -> Command {
    let script = format!(". deploy/local/process.sh; for _ in $(seq {count}); do free_port; done");
    let mut command = Command::new("bash");
    command.args(["-euo", "pipefail", "-c", &script]).current_dir(repository());
    command
}

/// Starts at the same time, none of which listens yet. The numbers of those that run meanwhile are not touched: their claims
/// lie elsewhere.
#[test]
fn no_two_starts_are_given_the_same_free_port() {
    const STARTS: usize = 4;
    const PORTS: usize = 150;
    let claims = TempDir::new().unwrap();
    let starts: Vec<_> = (0..STARTS)
        .map(|_| {
            let mut start = free_ports(PORTS);
            start.env("TMPDIR", claims.path()).stdout(std::process::Stdio::piped());
            start.spawn().expect("bash")
        })
        .collect();
    let given: Vec<String> = starts
        .into_iter()
        .flat_map(|start| {
            let output = start.wait_with_output().unwrap();
            assert!(output.status.success());
            String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(given.len(), STARTS * PORTS);
    let distinct: std::collections::HashSet<&String> = given.iter().collect();
    assert_eq!(distinct.len(), given.len(), "a port was given twice");
}
