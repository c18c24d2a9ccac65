//! The thread that brings the queue to Kafka: in order, without end, and only once in effect.
//!
//! Kafka's client retries by itself, idempotently. When it gives a message up (timeout, missing topic, fatal error),
//! its whole life ends: a new client begins, after a delay, at the oldest message that is not acknowledged, so that
//! the order of an organisation's calls stays. Messages that had arrived all the same arrive again then, with the
//! same event id.

mod backoff;
mod batch_limit;
mod producer;
mod refused;
mod shared;
mod window;

pub(crate) use shared::Shared;

use crate::counters::Tally;
use crate::queue::{Entry, Position, Reader};
use crate::settings::EmitterSettings;
use backoff::Backoff;
use batch_limit::{BatchLimit, Refusal};
use producer::{Outcome, Producer, SendError};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use refused::RefusedFile;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use window::Window;

/// How often an idle publisher looks for new calls: shorter than `linger`, so that it hardly adds to the way.
const IDLE_PAUSE: Duration = Duration::from_millis(10);
/// How often a busy one does.
const BUSY_PAUSE: Duration = Duration::from_millis(1);

/// The publisher's own state.
pub(crate) struct Publisher {
    settings: EmitterSettings,
    shared: Arc<Shared>,
    reader: Reader,
    window: Window,
    limit: BatchLimit,
    refused: RefusedFile,
    backoff: Backoff,
    /// The client that was made to see whether its options are right.
    first: Option<Producer>,
}

/// Why a client's life ends.
enum End {
    /// The emitter is shut down.
    Stopped,
    /// Kafka or the way there: try again after a delay.
    Kafka(KafkaError),
    /// The batch size has changed: try again at once.
    BatchLimit,
    /// The queue or the file of refused messages cannot be used: try again after a delay.
    Disk(io::Error),
}

impl Publisher {
    /// Prepares all; fails if Kafka's client refuses its options. The client connects by itself, later.
    pub fn new(settings: EmitterSettings, shared: Arc<Shared>, reader: Reader) -> KafkaResult<Self> {
        let first = Producer::create(&settings, None, Arc::clone(&shared.trouble))?;
        Ok(Self {
            shared,
            reader,
            window: Window::default(),
            limit: BatchLimit::default(),
            refused: RefusedFile::new(&settings.queue_directory),
            backoff: Backoff::default(),
            first: Some(first),
            settings,
        })
    }

    /// Publishes until [`Shared::stop`].
    pub fn run(mut self) {
        while !self.shared.stopped() {
            let producer = match self.first.take() {
                Some(first) => Ok(first),
                None => {
                    Producer::create(&self.settings, self.limit.batch(), Arc::clone(&self.shared.trouble))
                }
            };
            let end = match producer {
                Ok(producer) => self.live(producer),
                // The same options worked at the start: the system is short of threads or files.
                Err(error) => End::Kafka(error),
            };
            let reason = match end {
                End::Stopped | End::BatchLimit => continue,
                End::Kafka(error) => self.explain(&error),
                End::Disk(error) => error.to_string(),
            };
            self.shared.trouble.begin(reason);
            self.shared.pause(self.backoff.next_delay());
        }
    }

    /// One life of a client. At its end, everything that is not done waits to be sent again.
    fn live(&mut self, producer: Producer) -> End {
        let end = loop {
            if self.shared.stopped() {
                break End::Stopped;
            }
            let step = self.step(&producer);
            self.report();
            if let Err(end) = step {
                break end;
            }
        };
        // Closed before the next life begins, or a later call might still overtake an earlier one. What the client
        // reports while it closes spares repetitions.
        for (id, outcome) in producer.close() {
            if matches!(outcome, Outcome::Acknowledged) {
                self.window.mark_done(id);
            }
        }
        self.window.start_over();
        self.settle();
        self.report();
        end
    }

    /// Reads, sends, and takes note of what became of what was sent.
    fn step(&mut self, producer: &Producer) -> Result<(), End> {
        self.fill_window().map_err(End::Disk)?;
        let sent = self.send(producer)?;
        self.shared.pause(if sent || !self.window.has_room() { BUSY_PAUSE } else { IDLE_PAUSE });
        let noted = self.note(producer.reports());
        self.settle();
        noted?;
        if self.limit.advance(self.window.ids().start) { Err(End::BatchLimit) } else { Ok(()) }
    }

    fn fill_window(&mut self) -> io::Result<()> {
        while self.window.has_room() {
            let Some(entry) = self.reader.next()? else { break };
            self.window.push(entry);
        }
        Ok(())
    }

    /// Gives Kafka's client all it takes; returns whether that was anything.
    fn send(&mut self, producer: &Producer) -> Result<bool, End> {
        let mut any = false;
        while let Some((id, entry, again)) = self.window.next_waiting() {
            let Some(record) = self.reader.record(&entry) else {
                self.give_up_unreadable(id, &entry);
                continue;
            };
            match producer.send(id, record.key, record.value) {
                Ok(()) => {}
                Err(SendError::Busy) => break,
                Err(SendError::TooLarge(code)) => {
                    self.keep_refused(id, code).map_err(End::Disk)?;
                    continue;
                }
                Err(SendError::Failed(error)) => return Err(End::Kafka(error)),
            }
            any = true;
            self.window.mark_sent(id);
            Tally::count(&self.shared.tally.published);
            if again {
                Tally::count(&self.shared.tally.retried);
            }
        }
        Ok(any)
    }

    /// Takes all outcomes into account, also those behind the first failure, which it returns.
    fn note(&mut self, outcomes: Vec<(u64, Outcome)>) -> Result<(), End> {
        let mut first_failure = Ok(());
        let (mut acknowledged, mut batch_refused) = (false, false);
        for (id, outcome) in outcomes {
            let noted = match outcome {
                Outcome::Acknowledged => {
                    acknowledged = true;
                    self.window.mark_done(id);
                    Ok(())
                }
                Outcome::Failed(error) => Err(End::Kafka(error)),
                // All messages of a batch report its refusal: it counts once.
                Outcome::Refused(_) if batch_refused => Ok(()),
                Outcome::Refused(code) => match self.limit.refuse(self.window.ids().end) {
                    Refusal::OfMessage => self.keep_refused(id, code).map_err(End::Disk),
                    Refusal::OfBatch => {
                        tracing::warn!(reason = %code, "Kafka refuses a batch: trying smaller ones");
                        batch_refused = true;
                        Err(End::BatchLimit)
                    }
                },
            };
            first_failure = first_failure.and(noted);
        }
        if acknowledged {
            self.backoff.reset();
            self.shared.trouble.end();
        }
        first_failure
    }

    /// Moves a message that Kafka will never take out of the way, where it is not lost.
    fn keep_refused(&mut self, id: u64, code: RDKafkaErrorCode) -> io::Result<()> {
        let Some(entry) = self.window.entry(id) else { return Ok(()) };
        let Some(record) = self.reader.record(&entry) else {
            self.give_up_unreadable(id, &entry);
            return Ok(());
        };
        self.refused.keep(&record, &code.to_string())?;
        self.window.mark_done(id);
        Tally::count(&self.shared.tally.kafka_refused);
        let file = self.refused.path().display();
        tracing::error!(%file, reason = %code, "Kafka refuses a call for good: it is kept in a file");
        Ok(())
    }

    /// A record that was whole when it was first read is not any more: somebody else wrote into the file, which is
    /// kept.
    fn give_up_unreadable(&mut self, id: u64, entry: &Entry) {
        self.reader.mark_damaged(entry);
        self.window.mark_done(id);
        Tally::count(&self.shared.tally.unreadable);
        let Position { sequence, offset } = entry.at;
        tracing::error!(sequence, offset, "a waiting call has become unreadable: its segment is kept");
    }

    /// Remembers in the queue what needs not be sent again.
    fn settle(&mut self) {
        if let Some(done) = self.window.take_done() {
            self.reader.settle(&done.through);
            self.shared.tally.settle(done.records, done.bytes);
        }
    }

    fn report(&self) {
        let oldest = self.window.oldest();
        self.shared.tally.set_oldest(oldest.map(|entry| entry.accepted_at_ms));
        self.shared.set_settled(oldest.map_or_else(|| self.reader.position(), |entry| entry.at));
    }

    fn explain(&self, error: &KafkaError) -> String {
        let topic = &self.settings.topic;
        match error.rdkafka_error_code() {
            Some(
                RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::UnknownPartition,
            ) => format!("topic `{topic}` does not exist; create it"),
            Some(RDKafkaErrorCode::TopicAuthorizationFailed) => {
                format!("this user may not write to topic `{topic}`; allow it")
            }
            Some(RDKafkaErrorCode::MessageTimedOut) => {
                format!(
                    "Kafka at `{}` has not acknowledged calls in time; is it reachable?",
                    self.settings.brokers
                )
            }
            _ => error.to_string(),
        }
    }
}
