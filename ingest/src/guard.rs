//! Notices when a topic is not the one any more that was recorded.
//!
//! A topic that was deleted and made anew under a running worker would be read on as if nothing had happened, as soon
//! as its new log is longer than the old one was.

use crate::assignment::{Locator, MustStop};
use crate::progress::Progress;
use crate::topic::Kind;
use service::shutdown::Shutdown;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// How often the topics' identities are looked at.
const EVERY: Duration = Duration::from_secs(2);

/// Looks until the end is asked for.
///
/// # Errors
/// If a topic that this worker reads is another one.
pub async fn run(locator: Locator, progress: Progress, shutdown: Shutdown) -> Result<(), MustStop> {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = shutdown.triggered() => return Ok(()),
            _ = ticks.tick() => {}
        }
        for kind in Kind::ALL {
            if progress.points().keys().any(|partition| partition.kind == kind) {
                match locator.open_source(kind).await {
                    Err(MustStop::Stopped(_)) => return Ok(()),
                    checked => drop(checked?),
                }
            }
        }
    }
}
