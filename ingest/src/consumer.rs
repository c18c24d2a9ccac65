//! The consumer's loop: one thread that owns the Kafka consumer, the partitions and the open batch.
//!
//! It never waits for ClickHouse. When the writer is behind, the batch fills up; when it is full, the thread hands the
//! partitions back to the client (`hold`), goes on polling so that the group keeps us, and takes them up again where
//! it stopped. There is one way to begin reading: assigning a partition at an explicit position.
//!
//! **Two workers on one partition** (one froze and woke up, or one reads on until the other has begun, see `leaving`)
//! cannot do harm, so nothing is undone when a partition is taken away: what was read stays in the open batch. Ledger
//! rows of the same message have the same key, touches merge by minimum and maximum, and intervals in `batches` may
//! overlap.

mod hand_over;
mod leaving;
mod partitions;

use crate::assignment::{Start, Wanted};
use crate::batch::{Batch, Limits, Trigger};
use crate::client_log::is_connection_trouble;
use crate::group_client::{GroupClient, Member};
use crate::intake;
use crate::metrics;
use crate::progress::Progress;
use crate::topic::{Kind, Partition};
use crate::tracks::Tracks;
use anyhow::{Context, bail};
use rdkafka::Message;
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use service::health::{Component, State};
use service::shutdown::Shutdown;
use std::collections::BTreeMap;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

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

/// How long the client may be out of the group although Kafka answers. It gives up a request to join earlier than that.
const LOST_MAX: Duration = Duration::from_secs(40);

/// How often in a row Kafka may refuse to be read on although log and ledger fit together.
const REFUSALS_MAX: u32 = 3;

/// How often transaction markers at the end of a log are looked for.
const MARKERS_EVERY: Duration = Duration::from_millis(250);

/// What the loop needs from outside.
pub struct ConsumerParts {
    /// The client, subscribed by the loop.
    pub client: GroupClient,
    /// Whether the group knows this worker by a name, which it has again after a restart.
    pub has_name: bool,
    /// How long a partition is read on at most that was taken away or left, where nobody begins.
    pub read_on_max: Duration,
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
    /// What is said about Kafka.
    pub kafka: Component,
    /// The wish to end.
    pub shutdown: Shutdown,
}

/// The loop's state.
pub struct ConsumerLoop {
    parts: ConsumerParts,
    consumer: Member,
    calls_topic: String,
    tracks: Tracks,
    batch: Batch,
    held: bool,
    /// Whether all topics are subscribed to; see [`Self::subscribe`].
    is_subscribed: bool,
    full_since: Option<Instant>,
    markers_at: Instant,
    /// When it was last looked whether others have begun to read what leaves.
    looked_at: Instant,
    refusals: u32,
    /// Kafka was away: it may have come back with another log, so what it says next is not read on from.
    was_away: bool,
    /// Since when the client has been out of the group although Kafka answers.
    lost_since: Option<Instant>,
}

impl ConsumerLoop {
    /// Prepares the loop.
    pub fn new(parts: ConsumerParts) -> Self {
        let calls_topic = parts.topics.get(&Kind::Calls).cloned().unwrap_or_default();
        Self {
            consumer: parts.client.current(),
            parts,
            calls_topic,
            tracks: Tracks::default(),
            batch: Batch::default(),
            held: false,
            is_subscribed: false,
            full_since: None,
            markers_at: Instant::now(),
            looked_at: Instant::now(),
            refusals: 0,
            was_away: false,
            lost_since: None,
        }
    }

    /// Reads until the end is asked for, then hands over what is left. Blocks: belongs on a thread of its own.
    ///
    /// # Errors
    /// When Kafka refuses in a way that waiting cannot mend, or a batch does not add up.
    pub fn run(mut self, runtime: &Handle) -> anyhow::Result<()> {
        self.join()?;
        while !self.parts.shutdown.is_triggered() {
            if !self.turn(runtime)? {
                return self.finish(runtime);
            }
            self.renew_if_lost()?;
        }
        self.leave(runtime)?;
        self.finish(runtime)
    }

    /// One turn of the loop. Returns false when the writer has ended.
    fn turn(&mut self, runtime: &Handle) -> anyhow::Result<bool> {
        self.take_starts()?;
        if !self.hand_over(runtime)? {
            return Ok(false);
        }
        self.take_messages()?;
        if !self.held && self.markers_at.elapsed() >= MARKERS_EVERY {
            self.look_for_markers()?;
        }
        self.look_who_has_begun()?;
        Ok(true)
    }

    fn join(&mut self) -> anyhow::Result<()> {
        self.parts.component.waiting("the consumer group to assign partitions");
        self.subscribe(!self.parts.has_name)
    }

    /// Subscribes to all topics, or for a beginning to the calls only.
    ///
    /// To a named worker that comes back the group gives what it had, without a rebalance. If it died when it had let
    /// go of partitions for another one, and before it had told the group, nobody has these, and nobody would ever get
    /// them. So a named worker changes its subscription once it is in: that makes the group distribute everything anew,
    /// which takes from nobody what it keeps.
    fn subscribe(&mut self, to_all: bool) -> anyhow::Result<()> {
        let topics = self.parts.topics.iter().filter(|(kind, _)| to_all || **kind == Kind::Calls);
        let topics: Vec<&str> = topics.map(|(_, topic)| topic.as_str()).collect();
        self.is_subscribed = to_all;
        self.consumer.subscribe(&topics).context("cannot subscribe to the topics")
    }

    /// Takes messages until none is left, the batch is full, or it is time to look around.
    fn take_messages(&mut self) -> anyhow::Result<()> {
        let consumer = Arc::clone(&self.consumer);
        let now = Instant::now();
        let mut patience = self.poll_timeout(now);
        for _ in 0..MESSAGES_A_LOOK {
            match consumer.poll(patience) {
                None => {
                    // Nothing to read for the moment; or a rebalance, which ends a poll before the first message of
                    // the new assignment.
                    for change in consumer.context().take_changes() {
                        self.change(change);
                        if !self.is_subscribed {
                            self.subscribe(true)?;
                        }
                    }
                    self.batch.caught_up();
                    break;
                }
                Some(Ok(_)) if self.was_away => {
                    self.was_away = false;
                    tracing::info!("Kafka is back: looking again where partitions start");
                    self.locate_again()?;
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

    /// One message of whatever partition.
    fn take(&mut self, message: &BorrowedMessage<'_>, now: Instant) -> anyhow::Result<()> {
        let kind = if message.topic() == self.calls_topic { Kind::Calls } else { Kind::Directory };
        let number = u16::try_from(message.partition()).context("a partition number is out of range")?;
        // A message of a partition that was just taken away: another worker reads it.
        let Some(reading) = self.tracks.reading(Partition { kind, number }) else { return Ok(()) };
        let Some(position) = reading.advance(message.offset())? else {
            metrics::redelivered();
            return Ok(());
        };
        self.refusals = 0;
        self.batch.open(now);
        intake::take(&mut self.batch, &mut reading.run, message, position, reading.partitions);
        Ok(())
    }

    /// An error instead of a message.
    fn refuse(&mut self, error: KafkaError) -> anyhow::Result<()> {
        if let Some((code, text)) = self.consumer.client().fatal_error() {
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
            // One broker of many may be away for hours; only when all were can a whole log have been replaced.
            Some(Code::AllBrokersDown) => {
                self.was_away = true;
                Ok(())
            }
            _ if is_connection_trouble(&error) => Ok(()),
            _ => {
                tracing::warn!("Kafka: {error}");
                Ok(())
            }
        }
    }

    /// Asks anew where all partitions start: whoever answers looks at the logs, and stops with what to do if they do
    /// not fit the ledger. If they do, the same error a few times over is the end.
    fn begin_again(&mut self, error: &KafkaError) -> anyhow::Result<()> {
        if self.tracks.next_offsets().is_empty() {
            // Each partition has an error of its own; the first one was enough.
            return Ok(());
        }
        self.refusals += 1;
        if self.refusals > REFUSALS_MAX {
            bail!(
                "Kafka cannot be read on without skipping messages: {error}. The log of a partition is damaged: \
                 repair it, or delete its records up to the damaged one and record the loss"
            );
        }
        tracing::warn!("Kafka cannot be read on ({error}): looking again where partitions start");
        self.locate_again()
    }

    /// Lets go of all partitions and asks anew where they start.
    fn locate_again(&mut self) -> anyhow::Result<()> {
        self.unassign_all()?;
        let partitions = self.let_go_of_all();
        self.ask_for_starts(partitions);
        Ok(())
    }

    /// Makes a new client of one that does not find back into the group. librdkafka 2.12 can lose the way when the broker
    /// freezes, or comes back without leaders, while it joins: seen as connected, asking for the topics every second, and
    /// never again for its group.
    fn renew_if_lost(&mut self) -> anyhow::Result<()> {
        if self.consumer.context().is_in_group() || self.parts.kafka.state() != State::Ok {
            self.lost_since = None;
            return Ok(());
        }
        if self.lost_since.get_or_insert_with(Instant::now).elapsed() < LOST_MAX {
            return Ok(());
        }
        tracing::warn!(
            "out of the consumer group for {LOST_MAX:?} although Kafka answers: making a new client"
        );
        metrics::client_renewed();
        self.lost_since = None;
        self.was_away = false;
        self.let_go_of_all();
        self.consumer = self.parts.client.renew().context("cannot make a Kafka consumer")?;
        self.join()
    }
}
