//! The metrics of this service, beside those every service has.

use std::time::Duration;

/// Requests answered. Labels `route` (the pattern, `none` where nothing matched) and `status`. When 5xx grow, the log
/// tells why, by request id.
pub const REQUESTS_TOTAL: &str = "query_api_requests_total";
/// Time from a request's head to its answer's head, in seconds. Label `route`. When it grows on `summary` or
/// `breakdowns`, look whether the rollup worker is behind.
pub const REQUEST_SECONDS: &str = "query_api_request_seconds";
/// Age of the newest snapshots handed out: the present minus what they are complete through, in seconds. When it
/// grows, ingest is behind.
pub const SNAPSHOT_AGE_SECONDS: &str = "query_api_snapshot_age_seconds";
/// Answers at an older snapshot because the rollup worker is far behind. Should not grow.
pub const BEHIND_TOTAL: &str = "query_api_behind_total";
/// Calls written into exports.
pub const EXPORTED_ROWS_TOTAL: &str = "query_api_exported_rows_total";
/// Exports that were broken off: the client went away or stalled, or ClickHouse failed; the log tells which.
pub const EXPORTS_BROKEN_TOTAL: &str = "query_api_exports_broken_total";

/// Tells the recorder what the metrics mean.
pub fn describe() {
    metrics::describe_counter!(REQUESTS_TOTAL, "requests answered, by route and status");
    metrics::describe_histogram!(REQUEST_SECONDS, "time to the head of the answer");
    metrics::describe_histogram!(SNAPSHOT_AGE_SECONDS, "age of the newest snapshots handed out");
    metrics::describe_counter!(BEHIND_TOTAL, "answers at an older snapshot because rollups are far behind");
    metrics::describe_counter!(EXPORTED_ROWS_TOTAL, "calls written into exports");
    metrics::describe_counter!(EXPORTS_BROKEN_TOTAL, "exports that were broken off");
}

pub(crate) fn answered(route: &str, status: u16, took: Duration) {
    let route = route.to_owned();
    metrics::counter!(REQUESTS_TOTAL, "route" => route.clone(), "status" => status.to_string()).increment(1);
    metrics::histogram!(REQUEST_SECONDS, "route" => route).record(took);
}

pub(crate) fn snapshot_age(age: Duration) {
    metrics::histogram!(SNAPSHOT_AGE_SECONDS).record(age);
}

pub(crate) fn answered_behind() {
    metrics::counter!(BEHIND_TOTAL).increment(1);
}

pub(crate) fn exported(rows: usize) {
    metrics::counter!(EXPORTED_ROWS_TOTAL).increment(rows as u64);
}

pub(crate) fn export_broken() {
    metrics::counter!(EXPORTS_BROKEN_TOTAL).increment(1);
}
