//! A real broker for tests, and reading back what is on a topic.

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message as _;
use rdkafka::{Offset, TopicPartitionList};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long anything may take before a test gives up: brokers start slowly on busy machines.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A broker with a data folder of its own; it ends with the last test that uses it.
pub struct Kafka {
    folder: TempDir,
    pub brokers: String,
}

/// A message as it lies on a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub partition: i32,
    pub key: Vec<u8>,
    pub value: Vec<u8>,
}

impl Kafka {
    /// The broker that all tests share which leave it alone.
    pub fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Kafka>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap();
        shared.upgrade().unwrap_or_else(|| {
            let kafka = Arc::new(Self::start());
            *shared = Arc::downgrade(&kafka);
            kafka
        })
    }

    /// A broker that a test may kill.
    pub fn start() -> Self {
        let folder = TempDir::new().unwrap();
        stack(folder.path(), &["start", "--only", "kafka", "--free-ports"]);
        let variables = std::fs::read_to_string(folder.path().join("stack.env")).unwrap();
        let brokers =
            variables.lines().find_map(|line| line.strip_prefix("KAFKA_BROKERS=")).unwrap().to_owned();
        Self { folder, brokers }
    }

    /// Kills the broker's process, which is this object's own, without warning. Returns when nobody holds its port.
    pub fn kill(&self) {
        let pid = std::fs::read_to_string(self.folder.path().join("kafka.pid")).unwrap();
        let pid = rustix::process::Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        let deadline = Instant::now() + PATIENCE;
        while TcpListener::bind(&self.brokers).is_err() {
            assert!(Instant::now() < deadline, "the broker was killed and is still there");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Starts it again, on the same ports and data.
    pub fn start_again(&self) {
        stack(self.folder.path(), &["start", "--only", "kafka"]);
    }

    /// Creates a topic.
    pub fn create_topic(&self, name: &str, partitions: i32, options: &[(&str, &str)]) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().unwrap();
        let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        let topic = options.iter().fold(topic, |topic, (key, value)| topic.set(key, value));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let created = runtime.block_on(admin.create_topics(&[topic], &AdminOptions::new())).unwrap();
        assert_eq!(created, [Ok(name.to_owned())]);
        // The broker learns of it a moment after its creation was confirmed.
        let deadline = Instant::now() + PATIENCE;
        let known = || {
            let metadata = admin.inner().fetch_metadata(None, PATIENCE).unwrap();
            metadata.topics().iter().any(|topic| topic.name() == name)
        };
        while !known() {
            assert!(Instant::now() < deadline, "the broker does not learn of topic `{name}`");
        }
    }

    /// Everything on a topic, partition by partition in order.
    pub fn read(&self, topic: &str) -> Vec<Found> {
        let consumer: BaseConsumer =
            self.client().set("group.id", "tests").set("enable.auto.commit", "false").create().unwrap();
        let partitions =
            consumer.fetch_metadata(Some(topic), PATIENCE).unwrap().topics()[0].partitions().len();
        let mut assignment = TopicPartitionList::new();
        let mut left = 0;
        for partition in 0..partitions as i32 {
            assignment.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
            let (low, high) = consumer.fetch_watermarks(topic, partition, PATIENCE).unwrap();
            left += high - low;
        }
        consumer.assign(&assignment).unwrap();
        let mut found = Vec::new();
        let deadline = Instant::now() + PATIENCE;
        while left > 0 {
            assert!(Instant::now() < deadline, "{left} messages of `{topic}` were not read in time");
            if let Some(message) = consumer.poll(Duration::from_millis(200)) {
                let message = message.unwrap();
                let (key, value) = (message.key().unwrap().to_vec(), message.payload().unwrap().to_vec());
                found.push(Found { partition: message.partition(), key, value });
                left -= 1;
            }
        }
        found.sort_by_key(|message| message.partition);
        found
    }

    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers);
        config
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        stack(self.folder.path(), &["wipe"]);
    }
}

fn stack(folder: &Path, arguments: &[&str]) {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/local/stack");
    let output = Command::new(program).args(arguments).arg("--dir").arg(folder).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}
