//! How many requests of one organisation may be open at once, so that one cannot take the whole engine.

use crate::problem::{Problem, ProblemKind};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The gate.
#[derive(Debug)]
pub struct Admission {
    per_organisation: usize,
    wait_max: Duration,
    all: Arc<Semaphore>,
    organisations: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// A place inside, given back when it is dropped.
#[derive(Debug)]
pub struct Permit {
    _of_organisation: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

/// From this many names on, those without open requests are forgotten.
const NAMES_KEPT: usize = 1024;

impl Admission {
    /// At most so many open requests of one organisation and of all; others wait up to `wait_max`.
    pub fn new(per_organisation: usize, all: usize, wait_max: Duration) -> Self {
        let all = Arc::new(Semaphore::new(all));
        Self { per_organisation, wait_max, all, organisations: Mutex::default() }
    }

    /// Waits for a place.
    ///
    /// # Errors
    /// `too-many-requests` when the organisation has none, `unavailable` when the whole service has none.
    pub async fn enter(&self, org_id: &str) -> Result<Permit, Problem> {
        let of_organisation = self.place(self.semaphore_of(org_id)).await.ok_or_else(|| {
            let detail = "Your organisation has too many open requests. Wait for some of them to end.";
            Problem::new(ProblemKind::TooManyRequests, detail)
        })?;
        let of_all = self.place(Arc::clone(&self.all)).await.ok_or_else(|| {
            Problem::new(
                ProblemKind::Unavailable,
                "The service has too much to do. Try again in a few seconds.",
            )
        })?;
        Ok(Permit { _of_organisation: of_organisation, _of_all: of_all })
    }

    async fn place(&self, semaphore: Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
        tokio::time::timeout(self.wait_max, semaphore.acquire_owned()).await.ok()?.ok()
    }

    fn semaphore_of(&self, org_id: &str) -> Arc<Semaphore> {
        let mut organisations = self.organisations.lock().unwrap_or_else(PoisonError::into_inner);
        if organisations.len() >= NAMES_KEPT {
            organisations.retain(|_, semaphore| Arc::strong_count(semaphore) > 1);
        }
        let new = || Arc::new(Semaphore::new(self.per_organisation));
        Arc::clone(organisations.entry(org_id.to_owned()).or_insert_with(new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_organisation_cannot_take_all_places() {
        let gate = Admission::new(2, 3, Duration::from_secs(1));
        let _first = gate.enter("a").await.unwrap();
        let second = gate.enter("a").await.unwrap();
        assert_eq!(gate.enter("a").await.unwrap_err().kind(), ProblemKind::TooManyRequests);
        let _other = gate.enter("b").await.unwrap();
        assert_eq!(gate.enter("c").await.unwrap_err().kind(), ProblemKind::Unavailable);
        drop(second);
        assert!(gate.enter("c").await.is_ok());
    }
}
