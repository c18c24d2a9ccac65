//! The only place where the wall clock is read.
//!
//! No decision of a worker may depend on wall-clock time: order comes from source positions. What does need it (new
//! event identifiers, "since when" in health, "today" of a reader) asks here, so that a search for `clock::` finds all
//! of them. For measuring how long something took, use `std::time::Instant`.

use chrono::{DateTime, Utc};

/// The present, in Unix milliseconds.
pub fn now_ms() -> i64 {
    now().timestamp_millis()
}

/// The present, as an instant in UTC.
#[expect(clippy::disallowed_methods, reason = "this is the one place where the wall clock is read")]
pub fn now() -> DateTime<Utc> {
    Utc::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_tell_the_same_time() {
        let before = now_ms();
        let between = now().timestamp_millis();
        let after = now_ms();
        assert!(before <= between && between <= after, "{before} <= {between} <= {after}");
    }
}
