//! What the log of the calls holds, offset by offset, as the worker would judge it.

use super::proof::{End, Partition};
use crate::classify::{Fate, Incoming, classify_call};
use crate::command::Tools;
use crate::command::reading::{self, Spans};
use crate::forward::{message_bytes, origin_in};
use crate::headers::{headers_of, last_value};
use crate::settings::KafkaSettings;
use crate::source::{Source, all_bounds};
use proto::topics::headers;
use rdkafka::Message;
use rdkafka::message::{BorrowedMessage, Timestamp};
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// How often the progress is told.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// The logs of all partitions.
pub struct Log(Vec<Held>);

/// What one partition's log holds. One byte an offset.
#[derive(Default)]
pub struct Held {
    /// The first offset that is there.
    pub first: i64,
    /// What each offset from there on is, up to the frontier.
    pub ends: Vec<End>,
    /// Offsets whose message was found again in its right partition, or would be in a part of it that is gone.
    pub sent_on: BTreeSet<i64>,
    /// Whether the broker has all of it still.
    is_whole: bool,
}

impl Log {
    /// Reads all that the broker has: up to the frontiers what each message is, behind them only what was sent on.
    pub async fn read(tools: &Tools, source: &Source, partitions: &[Partition]) -> anyhow::Result<Self> {
        let identity = source.identity.clone();
        let bounds = tools.cluster.ask(move |cluster| all_bounds(cluster, &identity)).await?;
        let held = partitions.iter().zip(&bounds).map(|(partition, log)| {
            let first = partition.start.next_offset().max(log.start);
            let count = usize::try_from(partition.frontier.next_offset() - first).unwrap_or(0);
            Held {
                first,
                ends: vec![End::None; count],
                sent_on: BTreeSet::new(),
                is_whole: first == partition.start.next_offset(),
            }
        });
        let mut log = Self(held.collect());
        let spans: Spans = (0..)
            .zip(log.0.iter().zip(&bounds))
            .map(|(number, (held, log))| (number, held.first..log.end))
            .collect();
        let (settings, topic) = (tools.settings.kafka.clone(), source.identity.topic.clone());
        tokio::task::spawn_blocking(move || {
            log.fill(&settings, &topic, &spans)?;
            Ok(log)
        })
        .await?
    }

    /// One partition's.
    pub fn of(&self, number: u16) -> &Held {
        &self.0[usize::from(number)]
    }

    fn fill(&mut self, settings: &KafkaSettings, topic: &str, spans: &Spans) -> anyhow::Result<()> {
        let total: i64 = spans.values().map(|span| span.end - span.start).sum();
        let (mut count, mut told) = (0u64, Instant::now());
        let partitions = u16::try_from(self.0.len())?;
        reading::read(settings, topic, spans, |message| {
            count += 1;
            if told.elapsed() >= LINE_INTERVAL {
                told = Instant::now();
                eprintln!("read {count} of {total} messages of topic `{topic}`");
            }
            self.note(message, partitions);
            Ok(ControlFlow::Continue(()))
        })
    }

    fn note(&mut self, message: &BorrowedMessage<'_>, partitions: u16) {
        let all = headers_of(message);
        let origin = origin_in(&all, message.topic());
        let incoming = Incoming {
            payload: message.payload(),
            bytes: message_bytes(message, &all),
            appended_at_ms: match message.timestamp() {
                Timestamp::LogAppendTime(unix_ms) => Some(unix_ms),
                Timestamp::CreateTime(_) | Timestamp::NotAvailable => None,
            },
            partition: message.partition() as u16,
            origin,
        };
        let (end, is_sent_to) = match classify_call(incoming, partitions) {
            Fate::Ledger { .. } => (End::Row, None),
            Fate::Reroute { to } => (End::Rerouted, Some(to)),
            Fate::DeadLetter(_) => (End::DeadLetter, None),
        };
        let is_out_of_sight = is_sent_to.is_some_and(|to| !self.of(to).is_whole);
        let offset =
            last_value(&all, headers::ORIGIN_OFFSET).and_then(|value| std::str::from_utf8(value).ok());
        if let Some((origin, offset)) = origin.zip(offset.and_then(|text| text.parse().ok()))
            && let Some(held) = self.0.get_mut(usize::from(origin.partition))
        {
            held.sent_on.insert(offset);
        }
        let held = &mut self.0[message.partition() as usize];
        if is_out_of_sight {
            held.sent_on.insert(message.offset());
        }
        if let Some(place) = held.ends.get_mut((message.offset() - held.first) as usize) {
            *place = end;
        }
    }
}
