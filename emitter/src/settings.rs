//! What can be chosen, with units, defaults and bounds.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

const SEGMENT_BYTES: RangeInclusive<u64> = (64 << 10)..=(1 << 30);
const SYNC_INTERVAL: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(60);
const LINGER: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(5);
const DELIVERY_TIMEOUT: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);
/// One segment to write to, two that stand ready.
const SEGMENTS_MIN: u64 = 3;

/// Options of Kafka's client that the emitter's guarantees rest on.
const FIXED_OPTIONS: [&str; 12] = [
    "enable.idempotence",
    "acks",
    "request.required.acks",
    "partitioner",
    "message.timeout.ms",
    "delivery.timeout.ms",
    "linger.ms",
    "queue.buffering.max.ms",
    "bootstrap.servers",
    "metadata.broker.list",
    "transactional.id",
    "delivery.report.only.error",
];

/// How an emitter works. Start from [`EmitterSettings::new`] and change what you need.
#[derive(Debug, Clone)]
pub struct EmitterSettings {
    /// Kafka's bootstrap servers: `host:port`, separated by commas.
    pub brokers: String,
    /// Topic of the calls. Default: [`proto::topics::CALLS`].
    pub topic: String,
    /// Folder of the queue, on a local disk that outlives the process; created if missing. One process at a time
    /// can use it: give each process of a copilot its own, the same one at every start.
    pub queue_directory: PathBuf,
    /// Most disk space that waiting calls may take, in bytes. A call takes about 250 bytes. Default: 512 MiB (about
    /// 2 million calls). At least three segments.
    pub queue_bytes_max: u64,
    /// Length of one file of the queue, in bytes. Three of them are held in memory. Default: 4 MiB. Bounds: 64 KiB to
    /// 1 GiB.
    pub segment_bytes: u64,
    /// How often accepted calls are forced to the disk, against power loss. Default: `None`, the kernel does it
    /// within about 30 s. Costs disk writes, and some microseconds at the tail of `emit()`. Bounds: 10 ms to 60 s.
    /// The death of the process loses nothing, whatever stands here.
    pub sync_interval: Option<Duration>,
    /// How long a call may wait for others, so that they travel together. Default: 20 ms. Bounds: 0 to 5 s.
    pub linger: Duration,
    /// How long Kafka's client tries one call before the emitter starts over with a new client. It never gives up.
    /// Default: 2 min. Bounds: 1 s to 1 h, and not less than `linger`.
    pub delivery_timeout: Duration,
    /// Further options of Kafka's client (librdkafka), such as `security.protocol` and `sasl.*`. Those that the
    /// guarantees rest on (`acks`, `partitioner`, …) are refused. Default: none.
    pub kafka_options: Vec<(String, String)>,
}

impl EmitterSettings {
    /// The defaults, for these brokers and this folder.
    pub fn new(brokers: impl Into<String>, queue_directory: impl Into<PathBuf>) -> Self {
        Self {
            brokers: brokers.into(),
            topic: proto::topics::CALLS.to_owned(),
            queue_directory: queue_directory.into(),
            queue_bytes_max: 512 << 20,
            segment_bytes: 4 << 20,
            sync_interval: None,
            linger: Duration::from_millis(20),
            delivery_timeout: Duration::from_secs(120),
            kafka_options: Vec::new(),
        }
    }

    /// Every mistake, each with what is allowed.
    pub(crate) fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        let mut check = |holds: bool, mistake: String| {
            if !holds {
                mistakes.push(mistake);
            }
        };
        check(!self.brokers.trim().is_empty(), "`brokers` is empty; `host:port` is required".to_owned());
        check(!self.topic.is_empty(), "`topic` is empty; the name of a topic is required".to_owned());
        let segment_bytes = self.segment_bytes;
        check(
            SEGMENT_BYTES.contains(&segment_bytes),
            format!("`segment_bytes` is {segment_bytes}; 64 KiB to 1 GiB are allowed"),
        );
        let least = SEGMENTS_MIN.saturating_mul(segment_bytes);
        check(
            self.queue_bytes_max >= least,
            format!(
                "`queue_bytes_max` is {}; three segments ({least}) or more are allowed",
                self.queue_bytes_max
            ),
        );
        if let Some(interval) = self.sync_interval {
            let mistake = format!("`sync_interval` is {interval:?}; 10 ms to 60 s are allowed");
            check(SYNC_INTERVAL.contains(&interval), mistake);
        }
        let (linger, timeout) = (self.linger, self.delivery_timeout);
        check(LINGER.contains(&linger), format!("`linger` is {linger:?}; 0 to 5 s are allowed"));
        check(
            DELIVERY_TIMEOUT.contains(&timeout) && timeout >= linger,
            format!("`delivery_timeout` is {timeout:?}; 1 s to 1 h, and not less than `linger`, are allowed"),
        );
        for (option, _) in &self.kafka_options {
            check(
                !FIXED_OPTIONS.contains(&option.as_str()),
                format!("`kafka_options` sets `{option}`, which the emitter's guarantees rest on; remove it"),
            );
        }
        mistakes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_allowed() {
        assert_eq!(EmitterSettings::new("127.0.0.1:9092", "/queue").mistakes(), Vec::<String>::new());
    }

    #[test]
    fn every_mistake_is_told_at_once_with_what_is_allowed() {
        let mut settings = EmitterSettings::new(" ", "/queue");
        settings.topic.clear();
        settings.segment_bytes = 1;
        settings.queue_bytes_max = 2;
        settings.sync_interval = Some(Duration::ZERO);
        settings.linger = Duration::from_secs(6);
        settings.delivery_timeout = Duration::from_millis(5);
        settings.kafka_options = vec![("acks".to_owned(), "0".to_owned())];
        let mistakes = settings.mistakes();
        for field in [
            "brokers",
            "topic",
            "segment_bytes",
            "queue_bytes_max",
            "sync_interval",
            "linger",
            "delivery_timeout",
            "acks",
        ] {
            assert!(
                mistakes.iter().any(|mistake| mistake.contains(&format!("`{field}`"))),
                "{field}: {mistakes:?}"
            );
        }
        assert_eq!(mistakes.len(), 8);
    }
}
