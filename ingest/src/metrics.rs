//! The metrics of `ingest`. No label names an organisation; label values are few and known.

use crate::batch::{Batch, Run, Trigger};
use crate::topic::{Kind, Partition};
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use std::time::Duration;

/// Messages whose end is durable. Label `topic` (`calls`, `directory`). When it stands still while messages arrive, look
/// at `ingest_lag_messages` and `/readyz`.
pub const MESSAGES_TOTAL: &str = "ingest_messages_total";
/// Messages that became rows. Label `topic`.
pub const ROWS_TOTAL: &str = "ingest_rows_total";
/// Messages that went to the dead-letter topic. Label `reason`. When it grows, an emitter sends what cannot be counted:
/// `ingest dead-letters list` shows it.
pub const DEAD_LETTERS_TOTAL: &str = "ingest_dead_letters_total";
/// Calls sent on to their right partition. When it grows, an emitter uses another partitioner than murmur2: nothing is
/// wrong, but each call travels twice.
pub const REROUTED_TOTAL: &str = "ingest_rerouted_total";
/// Offsets that carry no message (transaction markers, compaction). Label `topic`.
pub const EMPTY_OFFSETS_TOTAL: &str = "ingest_empty_offsets_total";
/// Messages that Kafka delivered again within one assignment and that were dropped. Must stay near 0.
pub const REDELIVERED_TOTAL: &str = "ingest_redelivered_total";
/// Batches whose counts do not add up to their interval. Must stay 0: a worker stops rather than write one.
pub const BROKEN_SUMS_TOTAL: &str = "ingest_broken_sums_total";
/// Batches that are durable. Label `trigger` (`rows`, `bytes`, `months`, `age`, `shutdown`).
pub const BATCHES_TOTAL: &str = "ingest_batches_total";
/// Ledger rows of a batch.
pub const BATCH_ROWS: &str = "ingest_batch_rows";
/// How long a step of writing a batch took. Label `step` (`guard`, `forward`, `insert`, `touches`, `batch_row`, `all`).
pub const STEP_SECONDS: &str = "ingest_step_seconds";
/// How long the first message of a batch waited until the batch was durable.
pub const BATCH_AGE_SECONDS: &str = "ingest_batch_age_seconds";
/// Messages between the ledger and the end of the log. Labels `topic`, `partition`. When it grows, ingest is slower
/// than the emitters, or waits: see `/readyz`.
pub const LAG_MESSAGES: &str = "ingest_lag_messages";
/// How old the statement "everything received until then is counted" is. Labels `topic`, `partition`.
pub const FRONTIER_AGE_SECONDS: &str = "ingest_frontier_age_seconds";
/// Partitions this worker reads. Label `topic`.
pub const PARTITIONS: &str = "ingest_partitions";
/// Rows of `batches` that were folded into larger ones.
pub const FOLDED_ROWS_TOTAL: &str = "ingest_folded_rows_total";
/// Kafka clients that did not find back into the consumer group and were replaced. Each cost a minute of standing
/// still.
pub const CLIENTS_RENEWED_TOTAL: &str = "ingest_clients_renewed_total";

/// Registers all texts, once at start.
pub fn describe() {
    describe_counter!(MESSAGES_TOTAL, "messages whose end is durable");
    describe_counter!(ROWS_TOTAL, "messages that became rows");
    describe_counter!(DEAD_LETTERS_TOTAL, "messages that went to the dead-letter topic");
    describe_counter!(REROUTED_TOTAL, "calls sent on to their right partition");
    describe_counter!(EMPTY_OFFSETS_TOTAL, "offsets without a message");
    describe_counter!(REDELIVERED_TOTAL, "messages delivered again within one assignment, dropped");
    describe_counter!(BROKEN_SUMS_TOTAL, "batches whose counts do not add up; must stay 0");
    describe_counter!(BATCHES_TOTAL, "durable batches");
    describe_histogram!(BATCH_ROWS, "ledger rows of a batch");
    describe_histogram!(STEP_SECONDS, "duration of a step of writing a batch");
    describe_histogram!(BATCH_AGE_SECONDS, "wait of a batch's first message until it was durable");
    describe_gauge!(LAG_MESSAGES, "messages between the ledger and the end of the log");
    describe_gauge!(FRONTIER_AGE_SECONDS, "age of the statement that everything is counted");
    describe_gauge!(PARTITIONS, "partitions this worker reads");
    describe_counter!(FOLDED_ROWS_TOTAL, "rows of batches folded into larger ones");
    describe_counter!(CLIENTS_RENEWED_TOTAL, "Kafka clients that lost the consumer group and were replaced");
    counter!(CLIENTS_RENEWED_TOTAL).absolute(0);
    counter!(BROKEN_SUMS_TOTAL).absolute(0);
    counter!(REDELIVERED_TOTAL).absolute(0);
    counter!(REROUTED_TOTAL).absolute(0);
}

/// A batch is durable.
pub fn batch_written(batch: &Batch, trigger: Trigger, age: Duration) {
    counter!(BATCHES_TOTAL, "trigger" => trigger.as_str()).increment(1);
    histogram!(BATCH_ROWS).record(u32::try_from(batch.ledger.rows()).unwrap_or(u32::MAX));
    histogram!(BATCH_AGE_SECONDS).record(age);
    for (reason, count) in &batch.refusals {
        counter!(DEAD_LETTERS_TOTAL, "reason" => *reason).increment(*count);
    }
    for kind in Kind::ALL {
        let sum = |count: fn(&Run) -> u64| -> u64 {
            batch.runs.iter().filter(|run| run.partition.kind == kind).map(count).sum()
        };
        counter!(MESSAGES_TOTAL, "topic" => kind.as_str()).increment(sum(Run::messages));
        counter!(ROWS_TOTAL, "topic" => kind.as_str()).increment(sum(|run| run.rows));
        counter!(EMPTY_OFFSETS_TOTAL, "topic" => kind.as_str()).increment(sum(|run| run.empty_offsets));
    }
    counter!(REROUTED_TOTAL).increment(batch.runs.iter().map(|run| run.rerouted).sum());
}

/// A step of writing a batch is done.
pub fn step(name: &'static str, took: Duration) {
    histogram!(STEP_SECONDS, "step" => name).record(took);
}

/// How far a partition's ledger is behind its log.
pub fn lag(partition: Partition, messages: u64) {
    let number = partition.number.to_string();
    gauge!(LAG_MESSAGES, "topic" => partition.kind.as_str(), "partition" => number)
        .set(u32::try_from(messages).unwrap_or(u32::MAX));
}

/// How old a partition's "everything received until then is counted" is.
pub fn frontier_age(partition: Partition, age: Duration) {
    let number = partition.number.to_string();
    gauge!(FRONTIER_AGE_SECONDS, "topic" => partition.kind.as_str(), "partition" => number)
        .set(age.as_secs_f64());
}

/// How many partitions of a topic this worker reads.
pub fn partitions(kind: Kind, count: usize) {
    gauge!(PARTITIONS, "topic" => kind.as_str()).set(u32::try_from(count).unwrap_or(u32::MAX));
}

/// A message came a second time.
pub fn redelivered() {
    counter!(REDELIVERED_TOTAL).increment(1);
}

/// A client was replaced.
pub fn client_renewed() {
    counter!(CLIENTS_RENEWED_TOTAL).increment(1);
}

/// A batch does not add up.
pub fn broken_sum() {
    counter!(BROKEN_SUMS_TOTAL).increment(1);
}

/// Rows of `batches` were folded.
pub fn folded(rows: u64) {
    counter!(FOLDED_ROWS_TOTAL).increment(rows);
}
