//! A copilot: a process of its own that publishes its part of the stream, and writes down what was accepted.

use crate::flow::{Flow, Item};
use emitter::{EmitError, Emitter, EmitterSettings};
use rdkafka::ClientConfig;
use rdkafka::message::ToBytes;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::util::Timeout;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The environment variable with a copilot's orders.
pub const ORDERS: &str = "STORM_COPILOT";

/// Messages at the end of a copilot's part that wait for [`Stage::curtain`].
const RESERVE: u64 = 300;

/// Pause between two of them while they wait.
const SLOW: Duration = Duration::from_millis(500);

/// What the copilots are told while they play, in files.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Stage {
    /// The folder with the files.
    pub folder: PathBuf,
}

/// What a copilot is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Orders {
    /// Its part of the stream.
    pub flow: Flow,
    /// Milliseconds in which to publish it.
    pub length_ms: i64,
    /// Where Kafka is.
    pub brokers: String,
    /// Where to publish.
    pub topic: String,
    /// Where its queue and its record are.
    pub folder: PathBuf,
    /// What it is told later.
    pub stage: Stage,
}

impl Stage {
    /// Tells the time of the storm's clock, which stands still while the storm rests.
    pub fn has_blown(&self, time: Duration) {
        std::fs::write(self.folder.join("blown"), time.as_millis().to_string())
            .expect("the stage is written");
    }

    /// Tells that every fail point was met often enough. Until then the last messages come slowly, so that there are
    /// some.
    pub fn curtain(&self) {
        std::fs::write(self.folder.join("curtain"), "").expect("the stage is written");
    }

    fn blown_ms(&self) -> i64 {
        let told = std::fs::read_to_string(self.folder.join("blown"));
        told.ok().and_then(|told| told.parse().ok()).unwrap_or(0)
    }

    fn is_over(&self) -> bool {
        self.folder.join("curtain").exists()
    }
}

impl Orders {
    /// How many messages were accepted so far: their number is the length of the record, one byte each.
    pub fn accepted(&self) -> u64 {
        std::fs::metadata(record(&self.folder)).map_or(0, |file| file.len())
    }

    /// Publishes everything, at its pace; a copilot that was killed goes on where its record ends. Between a message's
    /// acceptance and the record lies an instant; killed there, it publishes that message again, as real ones do.
    pub async fn follow(&self) -> anyhow::Result<()> {
        std::fs::create_dir_all(&self.folder)?;
        let mut settings = EmitterSettings::new(&self.brokers, self.folder.join("queue"));
        self.topic.clone_into(&mut settings.topic);
        settings.segment_bytes = 256 << 10;
        settings.delivery_timeout = Duration::from_secs(10);
        let emitter = Emitter::start(settings)?;
        let foreign: FutureProducer = ClientConfig::new()
            .set("bootstrap.servers", &self.brokers)
            .set("message.timeout.ms", "10000")
            .create()?;
        let mut record = OpenOptions::new().create(true).append(true).open(record(&self.folder))?;
        for n in self.accepted()..self.flow.count() {
            self.wait_for_turn(n).await;
            match self.flow.nth(n) {
                Item::Call(call) => emit(&emitter, &call).await?,
                Item::Misrouted(call, partition) => {
                    self.publish(&foreign, partition, call.key(), Some(&call.encode())).await;
                }
                Item::Poison(poison) => {
                    let payload = poison.payload.as_deref();
                    self.publish(&foreign, poison.partition, poison.key.as_bytes(), payload).await;
                }
            }
            note(&mut record)?;
        }
        while emitter.counters().queued_records > 0 {
            emitter.flush(Duration::from_secs(10));
        }
        Ok(())
    }

    async fn wait_for_turn(&self, n: u64) {
        let count = self.flow.count();
        if n + RESERVE >= count && !self.stage.is_over() {
            tokio::time::sleep(SLOW).await;
        }
        let due_ms = self.length_ms * n as i64 / count.max(1) as i64;
        while self.stage.blown_ms() < due_ms {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Publishes as a foreign client does, again and again until it is acknowledged.
    async fn publish(&self, producer: &FutureProducer, partition: u32, key: &[u8], payload: Option<&[u8]>) {
        let record = || FutureRecord::<[u8], [u8]> {
            topic: &self.topic,
            partition: i32::try_from(partition).ok(),
            key: Some(key.to_bytes()),
            payload,
            timestamp: None,
            headers: None,
        };
        while producer.send(record(), Timeout::Never).await.is_err() {}
    }
}

async fn emit(emitter: &Emitter, call: &proto::Call) -> anyhow::Result<()> {
    loop {
        match emitter.emit(call) {
            Ok(()) => return Ok(()),
            // Told, not lost: a copilot with time to spare tries again.
            Err(EmitError::QueueFull | EmitError::SegmentNotReady) => {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn record(folder: &Path) -> PathBuf {
    folder.join("accepted")
}

/// One write a message: the kernel keeps it, whoever is killed when.
fn note(record: &mut File) -> std::io::Result<()> {
    record.write_all(b".")
}
