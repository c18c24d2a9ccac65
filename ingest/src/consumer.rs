//! The consumer's loop: one thread that owns the Kafka consumer, the partitions and the open batch.
//!
//! It never waits for ClickHouse. When the writer is behind, the batch fills up; when it is full, the thread hands the
//! partitions back to the client (`hold`), goes on polling so that the group keeps us, and takes them up again where
//! it stopped. There is one way to begin reading: assigning a partition at an explicit position.
//!
//! **Two workers on one partition** (one froze and woke up, or a rebalance overlaps) cannot do harm, so nothing is
//! undone when a partition is taken away: what was read stays in the open batch. Ledger rows of the same message have
//! the same key, touches merge by minimum and maximum, and intervals in `batches` may overlap.

use crate::assignment::{Start, Wanted};
use crate::batch::{Batch, Limits, Run, Trigger};
use crate::classify::{Fate, Incoming, classify_call, classify_directory_change};
use crate::client_log::is_connection_trouble;
use crate::forward::{Forward, message_bytes, origin_in};
use crate::headers::headers_of;
use crate::metrics;
use crate::progress::Progress;
use crate::rebalance::{Change, GroupContext};
use crate::topic::{Kind, Partition};
use anyhow::{Context, bail};
use proto::Position;
use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Timestamp};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use service::health::Component;
use service::shutdown::Shutdown;
use std::collections::BTreeMap;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError, oneshot};

/// A batch on its way to the writer.
pub struct ClosedBatch {
    /// Its contents.
    pub batch: Batch,
    /// Why it was closed.
    pub trigger: Trigger,
    /// Dropped when the batch is durable: the writer then has room for the next one. So one batch fills while one is
    /// written, and none waits in between.
    pub room: OwnedSemaphorePermit,
}

/// Longest wait in `poll`: the loop looks at shutdown, starts and the batch's age at least so often.
const POLL_MAX: Duration = Duration::from_millis(20);

/// Messages taken between two looks at the clock.
const MESSAGES_A_LOOK: usize = 1024;

/// How long a full batch waits for the writer before the partitions are handed back. Fetched messages are thrown away
/// then, so not for every short wait; and it must be far below the group's `max.poll.interval.ms`.
const HOLD_AFTER: Duration = Duration::from_secs(2);

/// How often in a row Kafka may refuse to be read on although log and ledger fit together.
const REFUSALS_MAX: u32 = 3;

/// How often transaction markers at the end of a log are looked for.
const MARKERS_EVERY: Duration = Duration::from_millis(250);

/// What the loop needs from outside.
pub struct ConsumerParts {
    /// The consumer, subscribed by the loop.
    pub consumer: Arc<BaseConsumer<GroupContext>>,
    /// The topics by kind.
    pub topics: BTreeMap<Kind, String>,
    /// When a batch is full or due.
    pub limits: Limits,
    /// To the writer.
    pub batches: UnboundedSender<ClosedBatch>,
    /// Room in the writer: bounds what is sent.
    pub room: Arc<Semaphore>,
    /// Resolves when the writer has ended, one way or another.
    pub writer_ended: oneshot::Receiver<()>,
    /// Questions where partitions start.
    pub questions: UnboundedSender<Wanted>,
    /// The answers.
    pub starts: mpsc::Receiver<Start>,
    /// How far each partition is, for commits, idle rows and metrics.
    pub progress: Progress,
    /// What is said about it.
    pub component: Component,
    /// The wish to end.
    pub shutdown: Shutdown,
}

/// The loop's state.
pub struct ConsumerLoop {
    parts: ConsumerParts,
    calls_topic: String,
    tracks: BTreeMap<Partition, Track>,
    batch: Batch,
    epoch: u64,
    held: bool,
    full_since: Option<Instant>,
    markers_at: Instant,
    refusals: u32,
}

/// What is known of an assigned partition.
struct Track {
    epoch: u64,
    reading: Option<Reading>,
}

/// A partition whose start is known.
struct Reading {
    partitions: u16,
    next_offset: i64,
    run: Run,
    /// Whether the client's position is ours and not that of an earlier assignment, see `count_markers`.
    position_is_fresh: bool,
}

impl ConsumerLoop {
    /// Prepares the loop.
    pub fn new(parts: ConsumerParts) -> Self {
        let calls_topic = parts.topics.get(&Kind::Calls).cloned().unwrap_or_default();
        Self {
            parts,
            calls_topic,
            tracks: BTreeMap::new(),
            batch: Batch::default(),
            epoch: 0,
            held: false,
            full_since: None,
            markers_at: Instant::now(),
            refusals: 0,
        }
    }

    /// Reads until the end is asked for, then hands over what is left. Blocks: belongs on a thread of its own.
    ///
    /// # Errors
    /// When Kafka refuses in a way that waiting cannot mend, or a batch does not add up.
    pub fn run(mut self, runtime: &Handle) -> anyhow::Result<()> {
        let topics: Vec<&str> = self.parts.topics.values().map(String::as_str).collect();
        self.parts.component.waiting("the consumer group to assign partitions");
        self.parts.consumer.subscribe(&topics).context("cannot subscribe to the topics")?;
        let consumer = Arc::clone(&self.parts.consumer);
        while !self.parts.shutdown.is_triggered() {
            self.take_starts()?;
            if !self.hand_over(runtime)? {
                break;
            }
            self.take_messages(&consumer)?;
            self.count_markers()?;
        }
        self.finish(runtime)
    }

    /// Takes messages until none is left, the batch is full, or it is time to look around.
    fn take_messages(&mut self, consumer: &BaseConsumer<GroupContext>) -> anyhow::Result<()> {
        let now = Instant::now();
        let mut patience = self.poll_timeout(now);
        for _ in 0..MESSAGES_A_LOOK {
            match consumer.poll(patience) {
                None => {
                    // Nothing to read for the moment; or a rebalance, which ends a poll before the first message of
                    // the new assignment.
                    for change in consumer.context().take_changes() {
                        self.change(change);
                    }
                    self.batch.caught_up();
                    break;
                }
                Some(Ok(message)) => self.take(&message, now)?,
                Some(Err(error)) => self.refuse(error)?,
            }
            if self.batch.is_full(&self.parts.limits).is_some() {
                break;
            }
            patience = Duration::ZERO;
        }
        Ok(())
    }

    fn poll_timeout(&self, now: Instant) -> Duration {
        if !self.batch.is_open() {
            return POLL_MAX;
        }
        self.parts
            .limits
            .age_max
            .saturating_sub(self.batch.age(now))
            .clamp(Duration::from_millis(1), POLL_MAX)
    }

    /// Gives one message its end.
    fn take(&mut self, message: &BorrowedMessage<'_>, now: Instant) -> anyhow::Result<()> {
        let kind = if message.topic() == self.calls_topic { Kind::Calls } else { Kind::Directory };
        let number = u16::try_from(message.partition()).context("a partition number is out of range")?;
        let partition = Partition { kind, number };
        // A message of a partition that was just taken away: another worker reads it.
        let Some(reading) = self.tracks.get_mut(&partition).and_then(|track| track.reading.as_mut()) else {
            return Ok(());
        };
        let offset = message.offset();
        if offset < reading.next_offset {
            metrics::redelivered();
            return Ok(());
        }
        // Within one assignment the client delivers all that the broker has, from the position it was given on; an
        // error would have come before. So what is missing in between was never there: a marker, or compacted.
        reading.skip_to(offset)?;
        let position = Position::of_message(reading.run.from.source(), offset)?;
        (reading.next_offset, reading.run.to) = (offset + 1, position);
        reading.position_is_fresh = true;
        self.refusals = 0;
        let appended_at_ms = match message.timestamp() {
            Timestamp::LogAppendTime(unix_ms) => Some(unix_ms),
            Timestamp::CreateTime(_) | Timestamp::NotAvailable => None,
        };
        reading.run.appended_at_ms = reading.run.appended_at_ms.max(appended_at_ms.unwrap_or(0));

        let batch = &mut self.batch;
        batch.open(now);
        let refusal = match kind {
            Kind::Calls => {
                let headers = headers_of(message);
                let bytes = message_bytes(message, &headers);
                let incoming = Incoming {
                    payload: message.payload(),
                    bytes,
                    appended_at_ms,
                    partition: number,
                    origin: origin_in(&headers, &self.calls_topic),
                };
                match classify_call(incoming, reading.partitions) {
                    Fate::Ledger { call, appended_at_ms } => {
                        batch.add_call(&call, position, number, appended_at_ms);
                        reading.run.rows += 1;
                        None
                    }
                    Fate::Reroute { to } => {
                        batch.add_forward(Forward::reroute(message, bytes, to));
                        reading.run.rerouted += 1;
                        None
                    }
                    Fate::DeadLetter(refusal) => Some(refusal),
                }
            }
            Kind::Directory => match classify_directory_change(message.payload()) {
                Ok(change) => {
                    batch.add_directory_change(change, position);
                    reading.run.rows += 1;
                    None
                }
                Err(refusal) => Some(refusal),
            },
        };
        if let Some(refusal) = refusal {
            let bytes = message_bytes(message, &headers_of(message));
            batch.add_forward(Forward::dead_letter(message, bytes, &refusal));
            batch.count_refusal(&refusal);
            reading.run.dead_letters += 1;
        }
        Ok(())
    }

    /// An error instead of a message.
    fn refuse(&mut self, error: KafkaError) -> anyhow::Result<()> {
        if let Some((code, text)) = self.parts.consumer.client().fatal_error() {
            bail!("the Kafka client cannot go on ({code}): {text}; start ingest again");
        }
        use RDKafkaErrorCode as Code;
        match error.rdkafka_error_code() {
            // The log is not as the ledger left it, or cannot be read: going on could skip messages.
            Some(
                Code::AutoOffsetReset
                | Code::OffsetOutOfRange
                | Code::LogTruncation
                | Code::BadMessage
                | Code::InvalidMessage
                | Code::BadCompression
                | Code::NotImplemented
                | Code::MessageSizeTooLarge,
            ) => self.begin_again(&error),
            // Away, or not allowed: the client goes on trying, health says so (see `idle`).
            _ if is_connection_trouble(&error) => Ok(()),
            _ => {
                tracing::warn!("Kafka: {error}");
                Ok(())
            }
        }
    }

    /// Lets go of all partitions and asks anew where they start: whoever answers looks at the logs, and stops with
    /// what to do if they do not fit the ledger. If they do, the same error a few times over is the end.
    fn begin_again(&mut self, error: &KafkaError) -> anyhow::Result<()> {
        self.refusals += 1;
        if self.refusals > REFUSALS_MAX {
            bail!(
                "Kafka cannot be read on without skipping messages: {error}. The log of a partition is damaged: \
                 repair it, or delete its records up to the damaged one and record the loss"
            );
        }
        tracing::warn!("Kafka cannot be read on ({error}): looking again where partitions start");
        let assigned = self.parts.consumer.assignment()?;
        self.parts.consumer.incremental_unassign(&assigned).context("cannot let go of partitions")?;
        let partitions: Vec<Partition> = self.tracks.keys().copied().collect();
        for partition in &partitions {
            self.let_go(*partition);
        }
        self.ask_for_starts(partitions);
        Ok(())
    }

    /// The group gave or took partitions.
    fn change(&mut self, change: Change) {
        match change {
            Change::Assigned(partitions) => {
                tracing::info!("assigned: {}", names(&partitions));
                self.ask_for_starts(partitions);
            }
            Change::Revoked(partitions) => {
                tracing::info!("revoked: {}", names(&partitions));
                for partition in partitions {
                    self.let_go(partition);
                }
            }
        }
        self.report();
    }

    fn ask_for_starts(&mut self, partitions: Vec<Partition>) {
        self.epoch += 1;
        for partition in &partitions {
            self.tracks.insert(*partition, Track { epoch: self.epoch, reading: None });
        }
        // Nobody answers only when the process ends.
        let _ = self.parts.questions.send(Wanted { epoch: self.epoch, partitions });
    }

    /// Forgets a partition. What was read of it stays in the batch.
    fn let_go(&mut self, partition: Partition) {
        if let Some(Track { reading: Some(reading), .. }) = self.tracks.remove(&partition) {
            self.batch.runs.extend(Some(reading.run).filter(|run| !run.is_empty()));
        }
        self.parts.progress.forget(partition);
    }

    /// Begins to read partitions whose start is known now.
    fn take_starts(&mut self) -> anyhow::Result<()> {
        let mut begun = Vec::new();
        while let Ok(start) = self.parts.starts.try_recv() {
            let Some(track) = self.tracks.get_mut(&start.partition) else { continue };
            if track.epoch != start.epoch {
                continue;
            }
            track.reading = Some(Reading {
                partitions: start.partitions,
                next_offset: start.position.next_offset(),
                run: Run::starting_at(start.partition, start.position),
                position_is_fresh: false,
            });
            self.parts.progress.begin(start.partition, start.position);
            begun.push(start.partition);
        }
        if !begun.is_empty() {
            self.report();
            if !self.held {
                self.read(&begun)?;
            }
        }
        Ok(())
    }

    /// Lets the client fetch partitions from our next offsets on.
    fn read(&mut self, partitions: &[Partition]) -> anyhow::Result<()> {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            let reading = self.tracks.get(partition).and_then(|track| track.reading.as_ref());
            if let (Some(reading), Some(topic)) = (reading, self.parts.topics.get(&partition.kind)) {
                let offset = Offset::Offset(reading.next_offset);
                list.add_partition_offset(topic, i32::from(partition.number), offset)?;
            }
        }
        self.parts.consumer.incremental_assign(&list).context("cannot begin to read partitions")?;
        self.count_markers_now()
    }

    /// Hands all partitions back to the client: nothing is fetched, and the group keeps us as long as we poll.
    fn hold(&mut self) -> anyhow::Result<()> {
        let assigned = self.parts.consumer.assignment()?;
        self.parts.consumer.incremental_unassign(&assigned).context("cannot hold partitions")?;
        self.held = true;
        Ok(())
    }

    fn release(&mut self) -> anyhow::Result<()> {
        self.held = false;
        let partitions: Vec<Partition> = self.reading().map(|(partition, _)| partition).collect();
        for reading in self.tracks.values_mut().filter_map(|track| track.reading.as_mut()) {
            reading.position_is_fresh = false;
        }
        self.read(&partitions)
    }

    fn reading(&self) -> impl Iterator<Item = (Partition, &Reading)> {
        self.tracks.iter().filter_map(|(partition, track)| Some((*partition, track.reading.as_ref()?)))
    }

    /// Counts offsets at the end of a log that carry no message for us. They show in nothing but the client's position,
    /// which moves past them; without this, a partition that ends with one would never count as read to its end.
    ///
    /// The position is set back when the client has finished an earlier assignment of the partition, a moment after we
    /// began the next one. So it counts only after it was seen unset, or after a message.
    fn count_markers(&mut self) -> anyhow::Result<()> {
        if self.markers_at.elapsed() < MARKERS_EVERY || self.held {
            return Ok(());
        }
        self.count_markers_now()
    }

    fn count_markers_now(&mut self) -> anyhow::Result<()> {
        self.markers_at = Instant::now();
        let positions = self.parts.consumer.position().context("cannot ask for the client's positions")?;
        for (partition, track) in &mut self.tracks {
            let Some(reading) = track.reading.as_mut() else { continue };
            let topic = self.parts.topics.get(&partition.kind).map_or("", String::as_str);
            let Some(element) = positions.find_partition(topic, i32::from(partition.number)) else {
                continue;
            };
            match element.offset() {
                Offset::Invalid => reading.position_is_fresh = true,
                Offset::Offset(offset) if reading.position_is_fresh && offset > reading.next_offset => {
                    reading.skip_to(offset)?;
                    self.batch.open(self.markers_at);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Hands the batch to the writer if it is due. Returns false when the writer has ended.
    fn hand_over(&mut self, runtime: &Handle) -> anyhow::Result<bool> {
        let now = Instant::now();
        let Some(trigger) = self.batch.is_due(&self.parts.limits, now) else { return Ok(true) };
        let room = Arc::clone(&self.parts.room);
        match Arc::clone(&room).try_acquire_owned() {
            Ok(room) => return self.send(room, trigger),
            Err(TryAcquireError::Closed) => return Ok(false),
            Err(TryAcquireError::NoPermits) => {}
        }
        if self.held || self.batch.is_full(&self.parts.limits).is_none() {
            return Ok(true);
        }
        if now.duration_since(*self.full_since.get_or_insert(now)) >= HOLD_AFTER {
            tracing::warn!("the writer is behind: reading stops until it has room");
            self.hold()?;
            return Ok(true);
        }
        match runtime.block_on(async { tokio::time::timeout(POLL_MAX, room.acquire_owned()).await }) {
            Ok(Ok(room)) => self.send(room, trigger),
            Ok(Err(_)) => Ok(false),
            // Polled again without taking more than a few messages: the batch's limits are soft.
            Err(_) => Ok(true),
        }
    }

    fn send(&mut self, room: OwnedSemaphorePermit, trigger: Trigger) -> anyhow::Result<bool> {
        let closed = self.close(trigger, room)?;
        if self.parts.batches.send(closed).is_err() {
            return Ok(false);
        }
        self.full_since = None;
        if self.held {
            self.release()?;
        }
        Ok(true)
    }

    fn close(&mut self, trigger: Trigger, room: OwnedSemaphorePermit) -> anyhow::Result<ClosedBatch> {
        let mut batch = std::mem::take(&mut self.batch);
        for reading in self.tracks.values_mut().filter_map(|track| track.reading.as_mut()) {
            let next = Run::starting_at(reading.run.partition, reading.run.to);
            let run = std::mem::replace(&mut reading.run, next);
            batch.runs.extend(Some(run).filter(|run| !run.is_empty()));
        }
        for run in &batch.runs {
            if !run.row().adds_up() {
                metrics::broken_sum();
                bail!("a batch does not add up and is not written: {run:?}; this is a defect of ingest");
            }
        }
        Ok(ClosedBatch { batch, trigger, room })
    }

    /// The last batch. Waits for the writer's room, which is there soon, or never when ClickHouse is away: then the
    /// writer ends by itself, and the messages are read again after the next start.
    fn finish(mut self, runtime: &Handle) -> anyhow::Result<()> {
        if self.batch.is_open()
            && let Ok(room) = runtime.block_on(Arc::clone(&self.parts.room).acquire_owned())
        {
            self.send(room, Trigger::Shutdown)?;
        }
        // The writer commits its last offsets before the consumer leaves the group.
        let ConsumerParts { consumer, batches, writer_ended, .. } = self.parts;
        drop(batches);
        let _ = runtime.block_on(writer_ended);
        // Leaves the group, which blocks; this thread may.
        drop(consumer);
        Ok(())
    }

    fn report(&self) {
        for kind in Kind::ALL {
            metrics::partitions(kind, self.tracks.keys().filter(|partition| partition.kind == kind).count());
        }
        match self.tracks.values().filter(|track| track.reading.is_none()).count() {
            0 => self.parts.component.ok(),
            unknown => self.parts.component.waiting(format!("the starts of {unknown} partitions")),
        }
    }
}

impl Reading {
    /// Counts what lies before `offset` as offsets without a message.
    fn skip_to(&mut self, offset: i64) -> anyhow::Result<()> {
        let missing = u64::try_from(offset - self.next_offset).unwrap_or(0);
        if missing > 0 {
            self.run.to = Position::before(self.run.from.source(), offset)?;
            self.run.empty_offsets += missing;
            self.next_offset = offset;
        }
        Ok(())
    }
}

fn names(partitions: &[Partition]) -> String {
    if partitions.is_empty() {
        return "nothing".to_owned();
    }
    partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
