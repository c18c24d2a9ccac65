//! Where ingest ends rather than go on: log and ledger do not fit together, and a person must decide.

use crate::patience::Stopped;
use crate::source::{BrokenSource, Identity};

/// Why ingest must not go on. A person decides; until then nothing is skipped.
#[derive(Debug, thiserror::Error)]
pub enum MustStop {
    /// Messages were deleted before they were read.
    #[error(
        "topic `{topic}`, partition {partition}: the ledger goes to offset {frontier}, but the log starts at \
         {log_start}: {} offsets were deleted before they were read. If they cannot be brought back, record the loss \
         with `ingest record-loss --topic {kind} --partition {partition} --through {} --yes-these-messages-are-gone`",
        log_start - frontier, log_start - 1
    )]
    LogStartsLate {
        /// The topic.
        topic: String,
        /// `calls` or `directory`.
        kind: &'static str,
        /// The partition.
        partition: u16,
        /// Next offset that the ledger needs.
        frontier: i64,
        /// Oldest offset that is still there.
        log_start: i64,
    },
    /// The log was cut, or restored from an older copy.
    #[error(
        "topic `{topic}`, partition {partition}: the ledger goes to offset {frontier}, but the log ends at {log_end}: \
         the topic was cut or restored from an older copy, and what comes next would not be what was counted. Stop \
         the emitters, then restore the topic, or end its source with `ingest source close --topic {kind} --at-frontier \
         --yes-the-rest-is-gone` and begin a new one with `ingest source open --topic {kind}`"
    )]
    LogEndsEarly {
        /// The topic.
        topic: String,
        /// `calls` or `directory`.
        kind: &'static str,
        /// The partition.
        partition: u16,
        /// Next offset that the ledger needs.
        frontier: i64,
        /// Offset of the next message.
        log_end: i64,
    },
    /// The log was restored from an older copy and has grown past the ledger since.
    #[error(
        "topic `{topic}`, partition {partition}: the ledger goes to offset {frontier} and has read what was appended up \
         to {read_until}, but the message before that offset was appended at {appended_at}: the topic was restored from \
         an older copy and written on, and what was written since the copy would be skipped. Stop the emitters, then \
         restore the topic, or end its source with `ingest source close --topic {kind} --at-frontier \
         --yes-the-rest-is-gone` and begin a new one with `ingest source open --topic {kind}`, which reads all of it: \
         what was counted before is a repeat",
        read_until = instant(*read_until_ms), appended_at = instant(*appended_at_ms)
    )]
    LogDiverges {
        /// The topic.
        topic: String,
        /// `calls` or `directory`.
        kind: &'static str,
        /// The partition.
        partition: u16,
        /// Next offset that the ledger needs.
        frontier: i64,
        /// Highest append time that the ledger has read, in Unix milliseconds.
        read_until_ms: i64,
        /// Append time of the message that now stands before the frontier, in Unix milliseconds.
        appended_at_ms: i64,
    },
    /// Not the topic that was recorded.
    #[error(
        "topic `{}` is not the one that source {number} stands for: {difference}. Point ingest to the recorded topic, \
         or end the source with `ingest source close --topic {kind} --at-frontier --yes-the-rest-is-gone` and begin \
         a new one with `ingest source open --topic {kind}`",
        .recorded.topic
    )]
    OtherTopic {
        /// The recorded source's number.
        number: u16,
        /// `calls` or `directory`.
        kind: &'static str,
        /// Who it was.
        recorded: Identity,
        /// What differs.
        difference: String,
    },
    /// The source was closed and no other opened.
    #[error(
        "source {number} of topic `{topic}` is closed; begin the next one with `ingest source open --topic {kind}`"
    )]
    SourceClosed {
        /// Its number.
        number: u16,
        /// Its topic.
        topic: String,
        /// `calls` or `directory`.
        kind: &'static str,
    },
    /// Nothing says what the positions of this topic would mean.
    #[error("no source is open for topic `{topic}`; begin one with `ingest source open --topic {kind}`")]
    NoSource {
        /// The topic.
        topic: String,
        /// `calls` or `directory`.
        kind: &'static str,
    },
    /// The table `sources` is damaged.
    #[error(transparent)]
    Broken(#[from] BrokenSource),
    /// The end was asked for meanwhile.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// An instant as people read it; its number where it is none.
pub fn instant(unix_ms: i64) -> String {
    chrono::DateTime::from_timestamp_millis(unix_ms).map_or_else(
        || unix_ms.to_string(),
        |instant| instant.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
    )
}
