//! The library's wall clock: only to say how long a call has been waiting, never to decide anything. (`service::clock`
//! is the one of our services; a copilot links this crate without them.)

use std::time::{SystemTime, UNIX_EPOCH};

/// The present, in Unix milliseconds; 0 if the clock stands before 1970.
#[expect(clippy::disallowed_methods, reason = "the one place where this library reads the wall clock")]
pub(crate) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}
