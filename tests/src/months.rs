//! Months that end while a test asks about them.

use crate::date_of;
use std::time::Duration;
use warehouse::calendar::Tz;

/// Zones of the organisations of such tests.
const ZONES: [Tz; 2] = [Tz::UTC, Tz::Europe__Berlin];

/// How long before a month's end, and how long after its beginning, such a test must not begin.
const BEFORE_MS: i64 = 120_000;
const AFTER_MS: i64 = 5_000;

/// Waits, if a month ends soon, until the next one has begun: for a test that asks for "this month" or "last month" more
/// than once and means the same.
pub async fn no_month_ends_meanwhile() {
    let is_near_the_end = |zone: Tz| {
        let now_ms = service::clock::now_ms();
        date_of(zone, now_ms - AFTER_MS).format("%Y-%m").to_string()
            != date_of(zone, now_ms + BEFORE_MS).format("%Y-%m").to_string()
    };
    while ZONES.into_iter().any(is_near_the_end) {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
