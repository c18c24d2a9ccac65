//! The emitter as its users see it.

use crate::clock;
use crate::counters::{Counters, Tally};
use crate::error::{EmitError, StartError};
use crate::publisher::{Publisher, Shared};
use crate::queue::{self, AppendError, OpenError, Queue, Record};
use crate::settings::EmitterSettings;
use crate::trouble::Trouble;
use proto::Call;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Takes calls, and brings them to Kafka in the background. Share it between threads by reference or in an `Arc`.
///
/// Dropping it stops the background work without waiting for Kafka; what is not published stays in the queue for the
/// next start. Call [`Emitter::shutdown`] first to wait.
pub struct Emitter {
    // Declared before the queue, as it must end before the queue does.
    publisher: Mutex<Option<JoinHandle<()>>>,
    shared: Arc<Shared>,
    queue: Queue,
    shutting_down: AtomicBool,
}

/// What a shutdown leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShutdownReport {
    /// Calls that are not acknowledged. They stay in the queue and are published after the next start; some of them
    /// may have arrived already.
    pub unsent: u64,
}

impl Emitter {
    /// Opens the queue, resumes what an earlier process left there, and begins to publish in the background. Kafka
    /// need not be reachable, and the disk may be full: what waits there goes out and makes room, and until there is
    /// room, [`Self::emit`] says [`EmitError::SegmentNotReady`]. Reads the whole waiting queue once: some seconds for
    /// gigabytes.
    ///
    /// # Errors
    /// Settings out of bounds, or a queue folder that cannot be used: see [`StartError`].
    pub fn start(settings: EmitterSettings) -> Result<Self, StartError> {
        let mistakes = settings.mistakes();
        if !mistakes.is_empty() {
            return Err(StartError::Settings(mistakes));
        }
        let directory = settings.queue_directory.clone();
        let io = |source| StartError::Io { directory: directory.clone(), source };
        let opened = Queue::open(&queue::Settings {
            directory: settings.queue_directory.clone(),
            segment_bytes: settings.segment_bytes,
            queue_bytes_max: settings.queue_bytes_max,
            sync_interval: settings.sync_interval,
        });
        let (queue, reader, recovered) = opened.map_err(|error| match error {
            OpenError::Locked { holder } => StartError::Locked { directory: directory.clone(), holder },
            OpenError::Newer { .. } => {
                StartError::Newer { directory: directory.clone(), reason: error.to_string() }
            }
            OpenError::Io(source) => io(source),
        })?;
        if recovered.records > 0 {
            tracing::info!(calls = recovered.records, "resuming calls of an earlier process");
        }
        let shared = Arc::new(Shared::new(Tally::new(recovered)));
        let publisher = Publisher::new(settings, Arc::clone(&shared), reader).map_err(StartError::Kafka)?;
        let publisher = std::thread::Builder::new()
            .name("emitter-kafka".to_owned())
            .spawn(move || publisher.run())
            .map_err(io)?;
        Ok(Self {
            publisher: Mutex::new(Some(publisher)),
            shared,
            queue,
            shutting_down: AtomicBool::new(false),
        })
    }

    /// Accepts a call: when this returns `Ok`, the call survives the death of the process and will be published.
    ///
    /// Takes microseconds: no network, no disk, no lock under which anybody waits for one.
    ///
    /// # Errors
    /// The call was not accepted; every variant of [`EmitError`] says why, and each is counted.
    pub fn emit(&self, call: &Call) -> Result<(), EmitError> {
        let outcome = self.accept(call);
        let tally = &self.shared.tally;
        match &outcome {
            Ok(()) => {}
            Err(EmitError::QueueFull) => Tally::count(&tally.refused_full),
            Err(EmitError::SegmentNotReady) => Tally::count(&tally.refused_not_ready),
            Err(_) => Tally::count(&tally.refused_invalid),
        }
        outcome
    }

    fn accept(&self, call: &Call) -> Result<(), EmitError> {
        if self.shutting_down.load(Ordering::Relaxed) {
            return Err(EmitError::ShuttingDown);
        }
        let value = call.encode();
        // A call's fields are public; what ingest would refuse is better refused here, where somebody is told.
        proto::decode_call(&value).map_err(EmitError::InvalidCall)?;
        let record = Record { accepted_at_ms: clock::now_ms(), key: call.key(), value: &value };
        self.queue.append(&record).map_err(|error| match error {
            AppendError::Full => EmitError::QueueFull,
            AppendError::NotReady => EmitError::SegmentNotReady,
            AppendError::TooLarge { bytes, bytes_max } => EmitError::RecordTooLarge { bytes, bytes_max },
        })?;
        self.shared.tally.accept(record.size());
        Ok(())
    }

    /// What has been done so far. Costs a dozen loads; call it as often as you like.
    pub fn counters(&self) -> Counters {
        self.shared.tally.snapshot()
    }

    /// What calls wait for: the disk (new ones are refused), Kafka (accepted ones wait), or both. `None` if all is
    /// well.
    pub fn trouble(&self) -> Option<Trouble> {
        if self.publisher_died() {
            let reason = "the publishing thread has died: restart the process; its queue is kept".to_owned();
            return Some(Trouble { reason, lasts: self.counters().oldest_age });
        }
        let of_kafka = self.shared.trouble.get().filter(|_| self.counters().queued_records > 0);
        match (self.queue.disk_trouble().get(), of_kafka) {
            (Some(disk), Some(kafka)) => Some(disk.and(kafka)),
            (disk, kafka) => disk.or(kafka),
        }
    }

    /// Waits until Kafka has acknowledged every call accepted before. Returns `false` if that takes longer than
    /// `timeout`; nothing is lost by it.
    pub fn flush(&self, timeout: Duration) -> bool {
        self.shared.wait_for(self.queue.tail(), timeout)
    }

    /// Refuses further calls, waits up to `timeout` until the accepted ones are acknowledged, and ends the background
    /// work. The queue's folder stays locked until the emitter is dropped.
    pub fn shutdown(&self, timeout: Duration) -> ShutdownReport {
        self.shutting_down.store(true, Ordering::Relaxed);
        self.flush(timeout);
        self.stop();
        ShutdownReport { unsent: self.counters().queued_records }
    }

    fn publisher_died(&self) -> bool {
        let publisher = self.publisher.lock().unwrap_or_else(PoisonError::into_inner);
        publisher.as_ref().is_some_and(JoinHandle::is_finished)
    }

    fn stop(&self) {
        self.shared.stop();
        let publisher = self.publisher.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(publisher) = publisher {
            let _panicked = publisher.join();
        }
    }
}

impl Drop for Emitter {
    fn drop(&mut self) {
        self.stop();
    }
}
