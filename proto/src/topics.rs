//! Names of the topics, and of the headers on the messages that ingest itself writes.

/// Calls, keyed and partitioned by organisation.
pub const CALLS: &str = "ai-usage.calls.v1";
/// Present state of organisations and members, compacted.
pub const DIRECTORY: &str = "ai-usage.directory.v1";
/// Messages that cannot be counted, with reason, source position and original bytes.
pub const DEAD_LETTER: &str = "ai-usage.dead-letter.v1";

/// Headers on rerouted messages and dead letters. Values are decimal or UTF-8 text.
pub mod headers {
    /// Topic on which the message was found.
    pub const ORIGIN_TOPIC: &str = "ai-usage-origin-topic";
    /// Partition in which the message was found.
    pub const ORIGIN_PARTITION: &str = "ai-usage-origin-partition";
    /// Offset at which the message was found.
    pub const ORIGIN_OFFSET: &str = "ai-usage-origin-offset";
    /// The broker's append time there, in Unix milliseconds. The time bounds of a rerouted call are taken
    /// against it, so that a call's fate does not depend on how long a reroute took.
    pub const ORIGIN_APPENDED_AT_MS: &str = "ai-usage-origin-appended-at-ms";
    /// Why a message is a dead letter: a code, e.g. `occurred_at_out_of_bounds`.
    pub const REASON: &str = "ai-usage-reason";
    /// The same for people: a sentence that names the field and the bound.
    pub const REASON_TEXT: &str = "ai-usage-reason-text";
    /// On a call that was put back from the dead-letter topic: where it arrived first, `topic/partition/offset`. For
    /// people; no rule looks at it.
    pub const FIRST_ARRIVAL: &str = "ai-usage-first-arrival";
    /// Makes a message of the dead-letter topic a note, not a letter: what was found at its origin was put back and is
    /// now at `partition/offset` of its topic.
    pub const REDRIVEN_TO: &str = "ai-usage-redriven-to";
}
