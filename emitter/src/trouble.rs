//! What the emitter waits for, and since when.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Something that keeps calls from being published or accepted. Nothing is lost by it; it goes on by itself when
/// the reason is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What is wrong, as Kafka's client or the file system says it.
    pub reason: String,
    /// For how long.
    pub lasts: Duration,
}

impl Trouble {
    /// Both, which together last as long as the longer one.
    pub(crate) fn and(self, other: Self) -> Self {
        let reason = format!("{}; {}", self.reason, other.reason);
        Self { reason, lasts: self.lasts.max(other.lasts) }
    }
}

/// The present trouble of one part, shared between the part and whoever asks.
#[derive(Debug, Default)]
pub(crate) struct TroubleCell(Mutex<Option<(String, Instant)>>);

impl TroubleCell {
    /// Something is wrong. A new reason does not move the beginning; the log tells the first.
    pub fn begin(&self, reason: String) {
        let mut present = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *present {
            Some((old, _)) => *old = reason,
            none => {
                tracing::warn!(%reason, "calls wait in the queue");
                *none = Some((reason, Instant::now()));
            }
        }
    }

    /// All is well.
    pub fn end(&self) {
        let ended = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((reason, since)) = ended {
            tracing::info!(%reason, lasted_ms = since.elapsed().as_millis() as u64, "calls go on their way again");
        }
    }

    /// The present trouble.
    pub fn get(&self) -> Option<Trouble> {
        let present = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        present.as_ref().map(|(reason, since)| Trouble { reason: reason.clone(), lasts: since.elapsed() })
    }
}
