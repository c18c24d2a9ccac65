//! A room: a database and topics of a test's own on a stack, so that tests run beside each other.

use crate::stack::Stack;
use crate::{Process, eventually, eventually_for};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use serde_json::json;
use std::time::Duration;
use warehouse::{Warehouse, WarehouseSettings};

/// Partitions of a room's calls topic: few enough to be quick, more than one so that routing matters.
pub const PARTITIONS: u32 = 4;

/// For a worker of ingest whose promises are compared with the log: on a busy machine the broker may be longer about a
/// message, from its stamp until the log's end shows it, than the default allows.
pub const CAREFUL: (&str, &str) = ("IDLE_CLOCK_TOLERANCE", "2s");

/// A database and topics, named after the test and this run.
pub struct Room {
    /// What the names begin with.
    pub name: String,
    environment: Vec<(String, String)>,
    brokers: String,
    warehouse: Warehouse,
    reader: Warehouse,
}

impl Room {
    /// A room with its schema applied; topics are made by whoever needs them (ingest, or [`Self::create_topics`]).
    pub async fn new(stack: &Stack, test: &str) -> Self {
        let name = format!("{test}_{:08x}", rand::random::<u32>());
        let settings = |user: &str, password: &str| -> WarehouseSettings {
            serde_json::from_value(serde_json::json!({
                "url": stack.variable("CLICKHOUSE_URL"),
                "user": user,
                "password": password,
                "database": name,
                "timeout": "60s",
                "cluster": "",
            }))
            .expect("settings of the warehouse")
        };
        let variable = |name| stack.variable(name).to_owned();
        let warehouse =
            Warehouse::new(&settings(&variable("CLICKHOUSE_USER"), &variable("CLICKHOUSE_PASSWORD")));
        let reader = Warehouse::new(&settings(
            &variable("CLICKHOUSE_READER_USER"),
            &variable("CLICKHOUSE_READER_PASSWORD"),
        ));
        warehouse::migrate(&warehouse).await.expect("the schema");
        let brokers = variable("KAFKA_BROKERS");
        let pairs = [
            ("KAFKA_BROKERS", brokers.clone()),
            ("KAFKA_GROUP_ID", format!("{name}.ingest")),
            ("KAFKA_CALLS_TOPIC", format!("{name}.calls")),
            ("KAFKA_DIRECTORY_TOPIC", format!("{name}.directory")),
            ("KAFKA_DEAD_LETTER_TOPIC", format!("{name}.dead-letter")),
            ("KAFKA_CALLS_PARTITIONS", PARTITIONS.to_string()),
            ("CLICKHOUSE_URL", variable("CLICKHOUSE_URL")),
            ("CLICKHOUSE_USER", variable("CLICKHOUSE_USER")),
            ("CLICKHOUSE_PASSWORD", variable("CLICKHOUSE_PASSWORD")),
            ("CLICKHOUSE_DATABASE", name.clone()),
            ("OPS_LISTENER", "127.0.0.1:0".to_owned()),
        ];
        let environment = pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        Self { name, environment, brokers, warehouse, reader }
    }

    /// The database, as the user that writes.
    pub fn warehouse(&self) -> &Warehouse {
        &self.warehouse
    }

    /// The database, as the read-only user.
    pub fn reader(&self) -> &Warehouse {
        &self.reader
    }

    /// The brokers' addresses.
    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    /// Name of the topic `calls`, `directory` or `dead-letter` of this room.
    pub fn topic(&self, kind: &str) -> String {
        format!("{}.{kind}", self.name)
    }

    /// Environment of a service in this room.
    pub fn environment(&self) -> &[(String, String)] {
        &self.environment
    }

    /// Starts one of our binaries in this room and waits until it is ready.
    pub async fn start(&self, binary: &str, extra: &[(&str, &str)]) -> Process {
        let process = self.spawn(binary, &[], extra);
        process.ready().await;
        process
    }

    /// Starts one of our binaries in this room with arguments; does not wait.
    pub fn spawn(&self, binary: &str, arguments: &[&str], extra: &[(&str, &str)]) -> Process {
        let extra = extra.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let environment: Vec<_> = self.environment.iter().cloned().chain(extra).collect();
        Process::spawn(binary, arguments, &environment)
    }

    /// Makes the room's topics as ingest would: calls and dead letters with the broker's append time.
    pub async fn create_topics(&self) {
        let admin: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", &self.brokers).create().expect("an admin client");
        let (calls, directory, dead) =
            (self.topic("calls"), self.topic("directory"), self.topic("dead-letter"));
        let topic = |name, partitions| {
            NewTopic::new(name, partitions, TopicReplication::Fixed(1))
                .set("message.timestamp.type", "LogAppendTime")
        };
        let topics = [topic(&calls, PARTITIONS as i32), topic(&directory, 1), topic(&dead, 1)];
        for result in admin.create_topics(&topics, &AdminOptions::new()).await.expect("the broker answers") {
            result.expect("the topic is made");
        }
    }

    /// A producer that loses nothing and changes no order.
    pub fn producer(&self) -> ThreadedProducer<DefaultProducerContext> {
        ClientConfig::new()
            .set("bootstrap.servers", &self.brokers)
            .set("acks", "all")
            .set("enable.idempotence", "true")
            .set("linger.ms", "5")
            .set("queue.buffering.max.messages", "2000000")
            .create()
            .expect("a producer")
    }

    /// Tells the directory organisations with their zones, and members by organisation with their names; waits until
    /// ingest has written them down.
    pub async fn tell_directory(&self, organisations: &[(&str, &str)], members: &[(&str, String, String)]) {
        self.publish_directory(organisations, members);
        self.directory_holds(organisations.len() + members.len()).await;
    }

    /// Publishes what [`Self::tell_directory`] tells, and waits for nothing else.
    pub fn publish_directory(&self, organisations: &[(&str, &str)], members: &[(&str, String, String)]) {
        let organisation = |(org, zone): &(&str, &str)| {
            let names = json!({ "short_name": org, "display_name": org, "time_zone": zone });
            json!({ "org_id": org, "organisation": names }).to_string()
        };
        let member = |(org, id, name): &(&str, String, String)| {
            let told = json!({ "member_id": id, "name": name, "email": format!("{id}@{org}.example"), "removed": false });
            json!({ "org_id": org, "member": told }).to_string()
        };
        let lines: Vec<String> =
            organisations.iter().map(organisation).chain(members.iter().map(member)).collect();
        let file = tempfile::Builder::new().suffix(".jsonl").tempfile().expect("a file");
        std::fs::write(file.path(), lines.join("\n")).expect("the directory is written");
        let path = file.path().to_str().expect("a path");
        let mut emit = self.spawn("emit", &["directory", path, "--topic", &self.topic("directory")], &[]);
        assert!(emit.wait().success(), "{}", emit.log().join("\n"));
    }

    /// Waits until ingest has written down so many organisations and members.
    pub async fn directory_holds(&self, rows: usize) {
        eventually("the directory to be written down", async || {
            let query = self.warehouse.read(
                "SELECT count() FROM (SELECT DISTINCT org_id, '' FROM organisations UNION ALL SELECT DISTINCT org_id, member_id \
                 FROM members)",
            );
            let found: u64 = self.warehouse.fetch_one("counting", query).await.expect("ClickHouse answers");
            if found == rows as u64 { Ok(()) } else { Err(format!("{found} of {rows}")) }
        })
        .await;
    }

    /// Publishes raw messages `(partition, key, payload)` to the calls topic and waits for the broker's acknowledgement.
    pub async fn publish(&self, messages: impl IntoIterator<Item = (u32, Vec<u8>, Vec<u8>)>) {
        self.publish_to(&self.topic("calls"), messages).await;
    }

    /// Publishes raw messages to a topic and waits until all are acknowledged.
    pub async fn publish_to(&self, topic: &str, messages: impl IntoIterator<Item = (u32, Vec<u8>, Vec<u8>)>) {
        let producer = self.producer();
        for (partition, key, payload) in messages {
            let record = BaseRecord::to(topic).partition(partition as i32).key(&key).payload(&payload);
            producer.send(record).map_err(|(error, _)| error).expect("the queue takes it");
        }
        tokio::task::spawn_blocking(move || producer.flush(Duration::from_secs(60)))
            .await
            .expect("no panic")
            .expect("acknowledged");
    }

    /// Publishes calls to their right partitions.
    pub async fn publish_calls<'a>(&self, calls: impl IntoIterator<Item = &'a proto::Call>) {
        let messages = calls
            .into_iter()
            .map(|call| (proto::partition_of(call.key(), PARTITIONS), call.key().to_vec(), call.encode()));
        self.publish(messages.collect::<Vec<_>>()).await;
    }

    /// Waits until the ledger holds so many rows (after collapsing re-deliveries).
    pub async fn ledger_holds(&self, rows: u64) {
        eventually(&format!("{rows} rows in the ledger"), async || {
            let query = self.warehouse.read("SELECT count() FROM ai_calls FINAL");
            let found: u64 = self.warehouse.fetch_one("counting", query).await.expect("ClickHouse answers");
            if found == rows { Ok(()) } else { Err(format!("{found} rows")) }
        })
        .await;
    }

    /// Waits until every touched quarter hour that ended more than a minute ago has a row that knows its last touch. Months
    /// of them take a busy machine a while.
    pub async fn passed_quarters_are_computed(&self) {
        let patience = Duration::from_secs(300);
        eventually_for(patience, "all passed quarter hours to be computed", async || {
            let query = self.warehouse.read(
                "SELECT count() FROM (SELECT org_id, quarter, max(last_position) AS touch FROM touches GROUP BY org_id, \
                 quarter) AS touched LEFT JOIN (SELECT org_id, starts_at, through FROM usage_quarter_hourly FINAL) AS \
                 stored ON touched.org_id = stored.org_id AND touched.quarter = stored.starts_at \
                 WHERE stored.through < touched.touch AND touched.quarter < now() - 960",
            );
            let open: u64 = self.warehouse.fetch_one("counting", query).await.expect("ClickHouse answers");
            if open == 0 { Ok(()) } else { Err(format!("{open} are open")) }
        })
        .await;
    }

    /// Waits until the batches cover so many messages, whatever became of them.
    pub async fn batches_cover(&self, messages: u64) {
        eventually(&format!("{messages} messages in batches"), async || {
            let query = self.warehouse.read(
                "SELECT toUInt64(sum(high - low)) FROM (SELECT max(b.to_position) AS high, min(b.from_position) AS low \
                 FROM batches AS b WHERE bitShiftRight(b.from_position, 48) IN (SELECT source FROM sources WHERE kind = 'calls') \
                 GROUP BY partition)",
            );
            let found: u64 = self.warehouse.fetch_one("counting", query).await.expect("ClickHouse answers");
            if found == messages { Ok(()) } else { Err(format!("{found} messages")) }
        })
        .await;
    }
}
