//! `ingest dead-letters redrive`: puts messages back that can be counted now.
//!
//! A message that was put back is a new message at a new position; what the old one was never changes. Whether it would
//! be a call now is decided before, by the very rule that ingest will apply; what would be refused again stays where it
//! is. When the new message is acknowledged, a note in the dead-letter topic says so, and no later run puts it back
//! again. A kill in between costs a repeat, which never counts.

use super::letter::{self, Place, PutBack, place_in, text};
use crate::classify::{Fate, Incoming, classify_call};
use crate::client_log::LoggedContext;
use crate::command::{Tools, reading};
use crate::forward::message_bytes;
use crate::headers::RawHeader;
use crate::kafka;
use crate::settings::KafkaSettings;
use crate::topic::Kind;
use anyhow::Context;
use clap::Args;
use proto::topics::headers;
use proto::{decode_call, partition_of};
use rdkafka::Message;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::message::{BorrowedMessage, Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::util::Timeout;
use service::failpoint;
use std::collections::{BTreeMap, HashSet};
use std::num::NonZeroU64;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// Where a crash test can kill the command: messages are put back, and nothing says so yet.
pub const FAIL_POINTS: [&str; 1] = ["after_put_back"];

/// Which dead letters to put back.
#[derive(Debug, Clone, Args)]
pub struct RedriveArgs {
    /// Only those with this reason, e.g. `misrouted_twice`
    #[arg(long)]
    reason: Option<String>,
    /// Only those of this organisation
    #[arg(long)]
    org: Option<String>,
    /// Only those that were found in this partition
    #[arg(long)]
    partition: Option<i32>,
    /// Only so many, oldest first
    #[arg(long)]
    limit: Option<NonZeroU64>,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
}

/// Messages that are put back before their notes are written.
const AT_ONCE: usize = 500;
/// How often the progress is told.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// A message on its way back.
struct Return {
    place: Place,
    partition: i32,
    key: Option<Vec<u8>>,
    payload: Option<Vec<u8>>,
    headers: OwnedHeaders,
}

/// Puts letters back, and prints what became of them.
///
/// # Errors
/// If the topic is not the recorded one, or Kafka does not answer. What was put back before stays so.
pub async fn redrive(tools: &Tools, args: RedriveArgs) -> anyhow::Result<()> {
    failpoint::init(&FAIL_POINTS)?;
    let partitions = tools.open_source(Kind::Calls).await?.identity.partitions;
    let settings = tools.settings.kafka.clone();
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || {
        let spans = reading::whole(&settings, &settings.dead_letter_topic)?;
        let total: i64 = spans.values().map(|span| span.end - span.start).sum();
        let put_back = letter::put_back(&settings, &spans)?;
        let outbox = Outbox::new(&settings, args.dry_run)?;
        let mut judge = Judge::new(&settings, partitions, &args, put_back);
        let (mut returns, mut looked_at, mut told) = (Vec::new(), 0, Instant::now());
        letter::each(&settings, &spans, |message, all| {
            looked_at += 1;
            if told.elapsed() >= LINE_INTERVAL {
                told = Instant::now();
                eprintln!("looked at {looked_at} of {total} messages, {} to put back", judge.tally.put_back);
            }
            returns.extend(judge.look(message, all));
            if returns.len() >= AT_ONCE {
                runtime.block_on(outbox.put_back(std::mem::take(&mut returns)))?;
            }
            let is_enough = args.limit.is_some_and(|limit| judge.tally.put_back >= limit.get());
            Ok(if is_enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        runtime.block_on(outbox.put_back(returns))?;
        judge.tally.print(args.dry_run);
        Ok(())
    })
    .await?
}

/// Decides which letters go back.
struct Judge<'a> {
    settings: &'a KafkaSettings,
    partitions: u16,
    args: &'a RedriveArgs,
    put_back: PutBack,
    seen: HashSet<Place>,
    tally: Tally,
}

/// What became of the letters that were looked at.
#[derive(Default)]
struct Tally {
    not_selected: u64,
    put_back: u64,
    already: u64,
    of_other_topics: u64,
    refused_again: BTreeMap<&'static str, u64>,
}

impl<'a> Judge<'a> {
    fn new(settings: &'a KafkaSettings, partitions: u16, args: &'a RedriveArgs, put_back: PutBack) -> Self {
        Self { settings, partitions, args, put_back, seen: HashSet::new(), tally: Tally::default() }
    }

    /// The message that goes back, if it does.
    fn look(&mut self, message: &BorrowedMessage<'_>, all: &[RawHeader<'_>]) -> Option<Return> {
        let (place, args) = (place_in(all), self.args);
        let call = message.payload().and_then(|payload| decode_call(payload).ok());
        let is_wanted = args.reason.as_ref().is_none_or(|reason| *reason == text(all, headers::REASON))
            && args.partition.is_none_or(|partition| partition == place.partition)
            && args.org.as_ref().is_none_or(|org| call.as_ref().is_some_and(|call| call.org_id == *org));
        if !self.seen.insert(place.clone()) {
            return None;
        }
        if !is_wanted {
            self.tally.not_selected += 1;
            return None;
        }
        if self.put_back.contains_key(&place) {
            self.tally.already += 1;
            return None;
        }
        // A change of the directory says how things were; put back, it would win over what was told since.
        if place.topic != self.settings.calls_topic {
            self.tally.of_other_topics += 1;
            return None;
        }
        let partition = call.map_or(0, |call| partition_of(call.org_id.as_bytes(), self.partitions.into()));
        let incoming = Incoming {
            payload: message.payload(),
            bytes: message_bytes(message, all),
            appended_at_ms: Some(service::clock::now_ms()),
            partition: u16::try_from(partition).ok()?,
            origin: None,
        };
        if let Fate::DeadLetter(refusal) = classify_call(incoming, self.partitions) {
            *self.tally.refused_again.entry(refusal.code()).or_default() += 1;
            return None;
        }
        self.tally.put_back += 1;
        Some(Return {
            headers: headers_without_ours(all, &place),
            place,
            partition: i32::try_from(partition).ok()?,
            key: message.key().map(<[u8]>::to_vec),
            payload: message.payload().map(<[u8]>::to_vec),
        })
    }
}

/// What its producer wrote, and where it arrived first. A header whose name is no text stays behind; no rule looks at
/// those.
fn headers_without_ours(all: &[RawHeader<'_>], place: &Place) -> OwnedHeaders {
    let ours = [
        headers::ORIGIN_TOPIC,
        headers::ORIGIN_PARTITION,
        headers::ORIGIN_OFFSET,
        headers::ORIGIN_APPENDED_AT_MS,
        headers::REASON,
        headers::REASON_TEXT,
        headers::FIRST_ARRIVAL,
    ];
    let first = match text(all, headers::FIRST_ARRIVAL) {
        none if none.is_empty() => format!("{}/{}/{}", place.topic, place.partition, place.offset),
        first => first,
    };
    let theirs = all.iter().filter_map(|header| Some((std::str::from_utf8(header.name).ok()?, header.value)));
    theirs
        .filter(|(name, _)| !ours.contains(name))
        .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value }))
        .insert(Header { key: headers::FIRST_ARRIVAL, value: Some(&first) })
}

impl Tally {
    fn print(&self, is_dry: bool) {
        let done = if is_dry { "would be put back" } else { "put back" };
        println!("{:>8} {done}", self.put_back);
        println!("{:>8} were put back before", self.already);
        println!(
            "{:>8} of other topics: publish the present state of the directory instead",
            self.of_other_topics
        );
        if self.not_selected > 0 {
            println!("{:>8} are not selected", self.not_selected);
        }
        for (reason, count) in &self.refused_again {
            println!("{count:>8} stay: they would be refused again, {reason}");
        }
    }
}

/// Publishes what goes back, and the notes of it.
struct Outbox<'a> {
    settings: &'a KafkaSettings,
    /// `None` where nothing shall be done.
    producer: Option<FutureProducer<LoggedContext>>,
}

impl<'a> Outbox<'a> {
    fn new(settings: &'a KafkaSettings, is_dry: bool) -> anyhow::Result<Self> {
        let producer = || FutureProducer::from_config_and_context(&kafka::producer(settings), LoggedContext);
        let producer = if is_dry { None } else { Some(producer().context("cannot make a Kafka producer")?) };
        Ok(Self { settings, producer })
    }

    /// Puts messages back; when all are acknowledged, writes a note of each.
    async fn put_back(&self, returns: Vec<Return>) -> anyhow::Result<()> {
        let Some(producer) = self.producer.as_ref().filter(|_| !returns.is_empty()) else { return Ok(()) };
        let records = returns.iter().map(|back| FutureRecord::<[u8], [u8]> {
            topic: &self.settings.calls_topic,
            partition: Some(back.partition),
            key: back.key.as_deref(),
            payload: back.payload.as_deref(),
            timestamp: None,
            headers: Some(back.headers.clone()),
        });
        let places = publish(producer, records.collect()).await?;
        failpoint::hit(FAIL_POINTS[0]);
        let notes = returns.iter().zip(&places).map(|(back, now)| {
            let Place { topic, partition, offset } = &back.place;
            let note = OwnedHeaders::new()
                .insert(Header { key: headers::ORIGIN_TOPIC, value: Some(topic) })
                .insert(Header { key: headers::ORIGIN_PARTITION, value: Some(&partition.to_string()) })
                .insert(Header { key: headers::ORIGIN_OFFSET, value: Some(&offset.to_string()) })
                .insert(Header { key: headers::REDRIVEN_TO, value: Some(now) });
            FutureRecord { headers: Some(note), ..FutureRecord::to(&self.settings.dead_letter_topic) }
        });
        publish(producer, notes.collect()).await?;
        Ok(())
    }
}

/// Publishes all; returns where each is, as `partition/offset`.
async fn publish(
    producer: &FutureProducer<LoggedContext>,
    records: Vec<FutureRecord<'_, [u8], [u8]>>,
) -> anyhow::Result<Vec<String>> {
    let sent: Vec<_> = records.into_iter().map(|record| producer.send(record, Timeout::Never)).collect();
    let mut places = Vec::with_capacity(sent.len());
    for delivery in sent {
        let delivered = delivery.await.map_err(|(error, _)| error);
        let delivered =
            delivered.context("cannot put everything back; run it again, what is back stays so")?;
        places.push(format!("{}/{}", delivered.partition, delivered.offset));
    }
    Ok(places)
}
