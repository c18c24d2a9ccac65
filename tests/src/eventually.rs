//! Waiting for a condition with a deadline, and saying what was seen instead.

use std::fmt::Display;
use std::time::{Duration, Instant};

/// Longer than a service needs on a busy machine to come back from whatever a test does to it.
const PATIENCE: Duration = Duration::from_secs(180);

/// Waits up to three minutes until `look` succeeds.
///
/// # Panics
/// At the deadline, with what was seen last.
pub async fn eventually<T, E: Display>(what: &str, look: impl AsyncFnMut() -> Result<T, E>) -> T {
    eventually_for(PATIENCE, what, look).await
}

/// Waits up to `limit` until `look` succeeds.
///
/// # Panics
/// At the deadline, with what was seen last.
pub async fn eventually_for<T, E: Display>(
    limit: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let deadline = Instant::now() + limit;
    loop {
        match look().await {
            Ok(found) => return found,
            Err(seen) if Instant::now() > deadline => panic!("waited {limit:?} for {what}; at last: {seen}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}
