//! Calls on their way: through the same library that a copilot links, so that this command is also a test of it.

use super::arguments::CallsArguments;
use super::kafka::check_topic;
use super::progress::Progress;
use anyhow::{Context, anyhow, bail};
use emitter::{Counters, EmitError, Emitter, EmitterSettings};
use proto::Call;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Room of the queue: the file is the safe copy, the queue only the way.
const QUEUE_BYTES: u64 = 64 << 20;
/// How long to wait when the queue is full: it holds some tenths of a second.
const FULL_PAUSE: Duration = Duration::from_millis(2);

/// A running emitter, its queue, and a watch over its progress.
pub struct Publishing {
    emitter: Emitter,
    folder: Folder,
    timeout: Duration,
    acknowledged: u64,
    acknowledged_at: Instant,
}

enum Folder {
    /// Named by the user; outlives the run.
    Kept(PathBuf),
    /// Removed at the end.
    Temporary(TempDir),
}

/// What has become of the input.
#[derive(Debug, Clone, Copy)]
enum Input {
    /// All of it was accepted.
    Taken,
    /// There is more, which waits for room or for its time.
    Waits,
}

/// How it ended.
#[derive(Debug, Clone, Copy)]
pub struct Outcome {
    /// Calls of this run that were accepted.
    pub accepted: u64,
    /// Calls that Kafka has acknowledged; of this run and, with `--queue-dir`, of earlier ones.
    pub acknowledged: u64,
    /// Calls that an earlier run had left in `--queue-dir`.
    pub resumed: u64,
    /// Whether nothing is left.
    pub complete: bool,
}

impl Publishing {
    /// Checks the topic and starts the emitter.
    ///
    /// # Errors
    /// Kafka does not answer, the topic is missing, or the queue's folder cannot be used.
    pub fn start(arguments: &CallsArguments) -> anyhow::Result<Self> {
        let connection = &arguments.connection;
        let topic = connection.topic.as_deref().unwrap_or(proto::topics::CALLS);
        check_topic(connection, topic)?;
        let folder = match &arguments.queue_dir {
            Some(path) => Folder::Kept(path.clone()),
            None => Folder::Temporary(tempfile::tempdir().context("cannot create a folder for the queue")?),
        };
        let mut settings = EmitterSettings::new(&connection.brokers, folder.path());
        topic.clone_into(&mut settings.topic);
        settings.queue_bytes_max = QUEUE_BYTES;
        settings.kafka_options = connection.client_options();
        let emitter = Emitter::start(settings).context("cannot start publishing")?;
        let timeout = connection.timeout.magnitude();
        Ok(Self { emitter, folder, timeout, acknowledged: 0, acknowledged_at: Instant::now() })
    }

    /// Accepts a call, waiting while the queue is full.
    ///
    /// # Errors
    /// Nothing was acknowledged for the timeout, or the call is out of bounds.
    pub fn emit(&mut self, call: &Call) -> anyhow::Result<()> {
        loop {
            match self.emitter.emit(call) {
                Ok(()) => return Ok(()),
                Err(EmitError::QueueFull | EmitError::SegmentNotReady) => {
                    self.check_progress(Input::Waits)?;
                    sleep(FULL_PAUSE);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Waits until a call is due.
    ///
    /// # Errors
    /// Nothing was acknowledged for the timeout.
    pub fn wait_until(&mut self, due: Instant) -> anyhow::Result<()> {
        loop {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            sleep(left.min(Duration::from_millis(100)));
            self.check_progress(Input::Waits)?;
        }
    }

    /// Waits until everything is acknowledged, and ends.
    ///
    /// # Errors
    /// Something is not acknowledged, and why.
    pub fn finish(mut self) -> anyhow::Result<Outcome> {
        let counters = self.emitter.counters();
        let mut progress =
            Progress::begin("acknowledged", Some(counters.acknowledged + counters.queued_records));
        while !self.emitter.flush(Duration::from_millis(200)) {
            progress.set(self.emitter.counters().acknowledged);
            self.check_progress(Input::Taken)?;
        }
        drop(progress);
        self.emitter.shutdown(Duration::ZERO);
        let Counters { accepted, acknowledged, recovered, kafka_refused, queued_records, .. } =
            self.emitter.counters();
        if kafka_refused > 0 {
            // The file with these calls must outlive this run.
            let path = self.folder.keep();
            let file = path.join("refused.jsonl");
            bail!(
                "Kafka refuses {kafka_refused} of {accepted} calls for good; {acknowledged} are acknowledged. The others \
                 and the reasons are in `{0}`: repair the topic's limits, then publish them with: emit refused {0}",
                file.display()
            );
        }
        Ok(Outcome { accepted, acknowledged, resumed: recovered, complete: queued_records == 0 })
    }

    /// What is to be said of calls that are not acknowledged.
    fn left_over(&self, input: Input) -> String {
        const AGAIN: &str = "publish the same input again: calls keep their ids, so none counts twice";
        let Counters { acknowledged, queued_records, .. } = self.emitter.counters();
        let others = match &self.folder {
            Folder::Kept(path) => {
                let waiting =
                    format!("{queued_records} wait in `{}` and go first at the next run", path.display());
                match input {
                    Input::Taken => waiting,
                    Input::Waits => format!("{waiting}; what follows in the input was not taken: {AGAIN}"),
                }
            }
            Folder::Temporary(_) => format!("{queued_records} are not; {AGAIN}"),
        };
        format!("{acknowledged} calls are acknowledged; {others}")
    }

    fn check_progress(&mut self, input: Input) -> anyhow::Result<()> {
        let counters = self.emitter.counters();
        if counters.acknowledged != self.acknowledged || counters.queued_records == 0 {
            self.acknowledged = counters.acknowledged;
            self.acknowledged_at = Instant::now();
        }
        if self.acknowledged_at.elapsed() < self.timeout {
            return Ok(());
        }
        let reason =
            self.emitter.trouble().map_or_else(|| "it gives no reason".to_owned(), |trouble| trouble.reason);
        let left_over = self.left_over(input);
        Err(anyhow!("nothing was acknowledged for {:?} ({reason}): {left_over}", self.timeout))
    }
}

impl Folder {
    fn path(&self) -> &std::path::Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(folder) => folder.path(),
        }
    }

    fn keep(self) -> PathBuf {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(folder) => folder.keep(),
        }
    }
}
