//! The statements that run: how many may, under which names, and how one is stopped.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::engine::Engine;
use crate::exception::{Code, Exception};

/// The statements of this process.
pub struct Running {
    engine: Arc<Engine>,
    most: usize,
    marks: Mutex<HashMap<String, String>>,
    next: AtomicU64,
}

/// A place among the running statements. It is given back when the engine is done with the statement, not when
/// its client goes.
pub struct Ticket {
    running: Arc<Running>,
    query_id: String,
    mark: String,
}

/// Kills a statement whose client goes away: dropped before the statement has ended, it keeps killing until the
/// [`Ticket`] is gone.
pub struct Watch {
    running: Arc<Running>,
    query_id: String,
    mark: String,
}

/// Time between two tries to kill: the statement may not have begun when the first one comes.
const KILL_AGAIN: Duration = Duration::from_millis(100);

impl Running {
    /// No statement yet; at most `most` at once.
    pub fn new(engine: Arc<Engine>, most: u16) -> Arc<Self> {
        Arc::new(Self { engine, most: usize::from(most), marks: Mutex::default(), next: AtomicU64::new(1) })
    }

    /// Takes a place for a statement.
    ///
    /// # Errors
    /// All places are taken (202), or a statement of this name runs already (216).
    pub fn begin(self: &Arc<Self>, query_id: &str) -> Result<Ticket, Exception> {
        let mark = format!("[{query_id} {}]", self.next.fetch_add(1, Ordering::Relaxed));
        let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        if marks.len() >= self.most {
            return Err(Exception::new(
                Code::TooManySimultaneousQueries,
                format_args!("Too many simultaneous queries. Maximum: {}", self.most),
            ));
        }
        if marks.contains_key(query_id) {
            return Err(Exception::new(
                Code::QueryWithSameIdIsAlreadyRunning,
                format_args!("Query with id = {query_id} is already running"),
            ));
        }
        marks.insert(query_id.to_owned(), mark.clone());
        Ok(Ticket { running: Arc::clone(self), query_id: query_id.to_owned(), mark })
    }

    /// How many run.
    pub fn count(&self) -> usize {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Kills all that run. Blocks.
    pub fn kill_all(&self) {
        let marks: Vec<String> =
            self.marks.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        for mark in marks {
            self.engine.kill(&mark);
        }
    }

    fn is_running(&self, query_id: &str, mark: &str) -> bool {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner).get(query_id).is_some_and(|m| m == mark)
    }
}

impl Ticket {
    /// The engine's name for the statement, see [`Engine::connect`].
    pub fn mark(&self) -> &str {
        &self.mark
    }

    /// Kills the statement when the returned value is dropped before the ticket.
    pub fn watch(&self) -> Watch {
        Watch { running: Arc::clone(&self.running), query_id: self.query_id.clone(), mark: self.mark.clone() }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.running.marks.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.query_id);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.running.is_running(&self.query_id, &self.mark) {
            return;
        }
        let (running, query_id, mark) = (Arc::clone(&self.running), self.query_id.clone(), self.mark.clone());
        // Outside of a runtime the process is ending, and `Running::kill_all` does it.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            while running.is_running(&query_id, &mark) {
                let (engine, mark) = (Arc::clone(&running.engine), mark.clone());
                if tokio::task::spawn_blocking(move || engine.kill(&mark)).await.is_err() {
                    return;
                }
                tokio::time::sleep(KILL_AGAIN).await;
            }
        });
    }
}
