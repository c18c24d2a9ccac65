//! What can go wrong, for callers to decide on.

use std::path::PathBuf;

/// Why an emitter could not start. Calls of an earlier process stay in its queue.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Settings out of bounds: one sentence each.
    #[error("the emitter's settings are wrong: {}", .0.join("; "))]
    Settings(Vec<String>),
    /// Another process uses the queue.
    #[error("the queue folder `{}` is in use by {holder}; give each process a folder of its own", .directory.display())]
    Locked {
        /// The folder.
        directory: PathBuf,
        /// Process id and program.
        holder: String,
    },
    /// A later version of this library wrote the queue.
    #[error("the queue folder `{}` {reason}; start that version, or let it publish all and then go back", .directory.display())]
    Newer {
        /// The folder.
        directory: PathBuf,
        /// Which file, which version.
        reason: String,
    },
    /// The folder cannot be read or written. (That its disk is full is no error: what waits there goes out and makes
    /// room.)
    #[error("the queue folder `{}` cannot be used", .directory.display())]
    Io {
        /// The folder.
        directory: PathBuf,
        /// What the file system said.
        source: std::io::Error,
    },
    /// Kafka's client refuses its options. (That brokers cannot be reached is no error: the emitter waits.)
    #[error("Kafka's client refuses its settings")]
    Kafka(#[source] rdkafka::error::KafkaError),
}

/// Why a call was not accepted. It is not in the queue and will not be published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EmitError {
    /// The queue takes all the room it may: Kafka has been away for too long.
    #[error(
        "the queue is full: Kafka has not acknowledged calls for long; raise `queue_bytes_max` or repair the way to Kafka"
    )]
    QueueFull,
    /// No file of the queue is ready to be written to: the disk is full, or slower than the calls come.
    #[error("no segment of the queue is ready: its disk is full or too slow")]
    SegmentNotReady,
    /// The call is larger than a segment.
    #[error("the call takes {bytes} bytes in the queue; {bytes_max} are allowed: raise `segment_bytes`")]
    RecordTooLarge {
        /// Room it would take.
        bytes: usize,
        /// Room there is.
        bytes_max: usize,
    },
    /// The call breaks a bound of the contract: ingest would refuse it.
    #[error("the call is out of bounds: {0}")]
    InvalidCall(proto::CallError),
    /// [`crate::Emitter::shutdown`] has been called.
    #[error("the emitter is shutting down")]
    ShuttingDown,
}
