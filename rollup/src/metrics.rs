//! The metrics of the rollup worker.

use crate::level::Level;
use crate::queries::ToldAgain;
use std::time::Duration;

/// Buckets computed and stored. Label `level`. Stands still only while no bucket ends and no late call comes.
pub const BUCKETS_COMPUTED_TOTAL: &str = "rollup_buckets_computed_total";

/// Duration of the statements that compute buckets, in seconds. Label `level`. When it nears `clickhouse.timeout`, lower
/// `worker.rows_per_statement`.
pub const COMPUTE_SECONDS: &str = "rollup_compute_seconds";

/// Buckets that were touched and wait: running ones for their end, passed ones for their turn. Label `level`. When it
/// grows for hours the worker does not keep up: answers stay right and get slower; add workers.
pub const BUCKETS_WAITING: &str = "rollup_buckets_waiting";

/// Duration of a step, from the frontier to the bookmark, in seconds.
pub const STEP_SECONDS: &str = "rollup_step_seconds";

/// Steps done. Grows all the time; when it stands still, ask `/readyz` what the worker waits for.
pub const STEPS_TOTAL: &str = "rollup_steps_total";

/// Lowest bookmark distance: how many positions, over all partitions of this worker, lie between the bookmarks and the
/// frontiers. Includes what belongs to running buckets.
pub const POSITIONS_BEHIND: &str = "rollup_positions_behind";

/// Messages that told again of a call, found in the quarter hours that were computed, each once. Label `kind`: `repeat`
/// (the same content) or `conflict` (another). No total moves by them. Conflicts mean that a copilot tells two things
/// under one event id: `warehouse anomalies` lists them.
pub const TOLD_AGAIN_TOTAL: &str = "rollup_told_again_total";

/// Describes all metrics to the recorder.
pub(crate) fn describe() {
    ::metrics::describe_counter!(BUCKETS_COMPUTED_TOTAL, "buckets computed and stored");
    ::metrics::describe_histogram!(COMPUTE_SECONDS, "duration of a statement that computes buckets");
    ::metrics::describe_gauge!(BUCKETS_WAITING, "buckets that were touched and are not computed yet");
    ::metrics::describe_histogram!(STEP_SECONDS, "duration of a step");
    ::metrics::describe_counter!(STEPS_TOTAL, "steps done");
    ::metrics::describe_gauge!(POSITIONS_BEHIND, "positions between bookmarks and frontiers");
    ::metrics::describe_counter!(TOLD_AGAIN_TOTAL, "messages that told again of a call");
    told_again(ToldAgain::default());
}

pub(crate) fn computed(level: Level, buckets: usize, took: Duration) {
    ::metrics::counter!(BUCKETS_COMPUTED_TOTAL, "level" => level.name()).increment(buckets as u64);
    ::metrics::histogram!(COMPUTE_SECONDS, "level" => level.name()).record(took);
}

/// Also with nothing to tell: an alert on a rate needs the series from the start.
pub(crate) fn told_again(ToldAgain { repeats, conflicts }: ToldAgain) {
    ::metrics::counter!(TOLD_AGAIN_TOTAL, "kind" => "repeat").increment(repeats);
    ::metrics::counter!(TOLD_AGAIN_TOTAL, "kind" => "conflict").increment(conflicts);
}

pub(crate) fn waiting(level: Level, buckets: usize) {
    ::metrics::gauge!(BUCKETS_WAITING, "level" => level.name()).set(buckets as f64);
}

pub(crate) fn step(took: Duration, positions_behind: u64) {
    ::metrics::histogram!(STEP_SECONDS).record(took);
    ::metrics::counter!(STEPS_TOTAL).increment(1);
    ::metrics::gauge!(POSITIONS_BEHIND).set(positions_behind as f64);
}
