//! Every message has a named end: a row, another partition, or the dead-letter topic with a reason.
//!
//! What a message is, never changes: the answer depends on the message, its place and the broker's append time, on
//! nothing else. A worker that reads it again, years later or on another machine, comes to the same end.

use proto::{CallError, CallView, DirectoryChange, DirectoryError, decode_call, decode_directory_change};

/// How far the first append time of a rerouted message may lie behind its second: the longest stop of ingest after
/// which rerouting still works as if nothing had happened.
pub const REROUTE_AGE_MS_MAX: i64 = 366 * 86_400_000;

/// How far it may lie ahead: clocks of two brokers differ a little.
pub const REROUTE_AHEAD_MS_MAX: i64 = 3_600_000;

/// Largest message that is rerouted, with key and headers, in bytes. A call has less than 2 KiB; the rerouted message
/// is a little larger than the original and must still fit into the topic, whatever its limit is.
pub const REROUTE_BYTES_MAX: usize = 32 * 1024;

/// A message of the calls topic, as far as its end depends on it.
#[derive(Debug, Clone, Copy)]
pub struct Incoming<'a> {
    /// Its bytes; `None` for a tombstone.
    pub payload: Option<&'a [u8]>,
    /// Bytes of key, payload and headers together.
    pub bytes: usize,
    /// The broker's append time in Unix milliseconds; `None` if the topic stamps with the producer's time.
    pub appended_at_ms: Option<i64>,
    /// The partition it was found in.
    pub partition: u16,
    /// Where ingest found it before, if it was rerouted.
    pub origin: Option<Origin>,
}

/// Where a rerouted message was found first, as its headers say. Any producer can write such headers; so they decide
/// nothing but two things: a message that has them is not rerouted again, and its time is judged at that time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The partition.
    pub partition: u16,
    /// The broker's append time there, in Unix milliseconds.
    pub appended_at_ms: i64,
}

/// The end of a call's message.
#[derive(Debug, PartialEq, Eq)]
pub enum Fate<'a> {
    /// A row of the ledger.
    Ledger {
        /// The call.
        call: CallView<'a>,
        /// Append time of the message, of its first one if it was rerouted; in Unix milliseconds.
        appended_at_ms: i64,
    },
    /// To be sent to the partition of its organisation.
    Reroute {
        /// That partition.
        to: u16,
    },
    /// To be kept in the dead-letter topic.
    DeadLetter(Refusal),
}

/// Why a message is a dead letter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A tombstone: a call cannot be deleted.
    #[error("the message has no payload; a call cannot be deleted")]
    NoPayload,
    /// Zero bytes.
    #[error("the message is empty")]
    Empty,
    /// The bounds of a call's time are taken against the broker's append time.
    #[error(
        "the message carries the producer's time instead of the broker's append time; set \
         message.timestamp.type=LogAppendTime on the topic"
    )]
    NoAppendTime,
    /// Not a call, or out of bounds.
    #[error(transparent)]
    Call(#[from] CallError),
    /// Not a directory change, or out of bounds.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// It was sent on once, and is still in a wrong partition.
    #[error(
        "the message was rerouted from partition {from} and is in partition {partition} now, but its organisation's \
         is {expected}"
    )]
    MisroutedTwice {
        /// Where it was first.
        from: u16,
        /// Where it is.
        partition: u16,
        /// Where it belongs.
        expected: u16,
    },
    /// In a wrong partition, and too large to be sent on.
    #[error(
        "the message is in partition {partition} instead of {expected} and has {bytes} bytes; up to \
         {REROUTE_BYTES_MAX} can be rerouted"
    )]
    TooLargeToReroute {
        /// Where it is.
        partition: u16,
        /// Where it belongs.
        expected: u16,
        /// Its size.
        bytes: usize,
    },
}

impl Refusal {
    /// A stable code for headers, metric labels and filters.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoPayload => "no_payload",
            Self::Empty => "empty",
            Self::NoAppendTime => "no_append_time",
            Self::Call(error) => error.code(),
            Self::Directory(error) => error.code(),
            Self::MisroutedTwice { .. } => "misrouted_twice",
            Self::TooLargeToReroute { .. } => "too_large_to_reroute",
        }
    }
}

/// The end of a message of the calls topic, which has `partitions` partitions.
pub fn classify_call(message: Incoming<'_>, partitions: u16) -> Fate<'_> {
    judge_call(message, partitions).unwrap_or_else(Fate::DeadLetter)
}

fn judge_call(message: Incoming<'_>, partitions: u16) -> Result<Fate<'_>, Refusal> {
    let payload = checked_payload(message.payload)?;
    let here_ms = message.appended_at_ms.ok_or(Refusal::NoAppendTime)?;
    let call = decode_call(payload)?;
    let origin = message.origin.filter(|origin| origin.is_plausible(message.partition, here_ms));
    let appended_at_ms = origin.map_or(here_ms, |origin| origin.appended_at_ms);
    call.check_time(appended_at_ms)?;

    let partition = message.partition;
    // The payload decides, never the Kafka key: a key is what the producer's partitioner was given, right or wrong.
    let expected = proto::partition_of(call.org_id.as_bytes(), u32::from(partitions)) as u16;
    match origin {
        _ if expected == partition => Ok(Fate::Ledger { call, appended_at_ms }),
        Some(origin) => Err(Refusal::MisroutedTwice { from: origin.partition, partition, expected }),
        None if message.bytes > REROUTE_BYTES_MAX => {
            Err(Refusal::TooLargeToReroute { partition, expected, bytes: message.bytes })
        }
        None => Ok(Fate::Reroute { to: expected }),
    }
}

/// What a message of the directory topic says.
///
/// # Errors
/// Why it is a dead letter.
pub fn classify_directory_change(payload: Option<&[u8]>) -> Result<DirectoryChange, Refusal> {
    Ok(decode_directory_change(checked_payload(payload)?)?)
}

fn checked_payload(payload: Option<&[u8]>) -> Result<&[u8], Refusal> {
    match payload {
        None => Err(Refusal::NoPayload),
        Some([]) => Err(Refusal::Empty),
        Some(payload) => Ok(payload),
    }
}

impl Origin {
    /// What ingest could have written. Anything else is a producer's invention, and the message is judged as if it had
    /// no such headers.
    fn is_plausible(&self, partition: u16, appended_at_ms: i64) -> bool {
        let age = appended_at_ms.saturating_sub(self.appended_at_ms);
        self.partition != partition && (-REROUTE_AHEAD_MS_MAX..=REROUTE_AGE_MS_MAX).contains(&age)
    }
}

#[cfg(test)]
mod tests;
