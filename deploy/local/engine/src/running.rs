//! The statements that run: how many may, under which names, and how one is stopped.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::engine::Engine;
use crate::exception::{Code, Exception};

/// The statements of this process.
pub struct Running {
    engine: Arc<Engine>,
    most: usize,
    places: Mutex<HashMap<String, Arc<Place>>>,
    next: AtomicU64,
}

/// What identifies a running statement to the engine, and whether it may still be killed by that.
struct Place(Mutex<Identity>);

struct Identity {
    mark: String,
    /// Somebody kills it: its connection must serve no other statement.
    is_killed: bool,
    /// It has ended, and its connection may serve another one: who kills now would kill that.
    has_ended: bool,
}

/// A place among the running statements. It is given back when the engine is done with the statement, not when
/// its client goes.
pub struct Ticket {
    running: Arc<Running>,
    query_id: String,
    place: Arc<Place>,
}

/// Kills a statement whose client goes away: dropped before the statement has ended, it keeps killing until the
/// [`Ticket`] is gone.
pub struct Watch {
    running: Arc<Running>,
    query_id: String,
    place: Arc<Place>,
}

/// Time between two tries to kill: the statement may not have begun when the first one comes.
const KILL_AGAIN: Duration = Duration::from_millis(100);

impl Running {
    /// No statement yet; at most `most` at once.
    pub fn new(engine: Arc<Engine>, most: u16) -> Arc<Self> {
        Arc::new(Self { engine, most: usize::from(most), places: Mutex::default(), next: AtomicU64::new(1) })
    }

    /// Takes a place for a statement.
    ///
    /// # Errors
    /// All places are taken (202), or a statement of this name runs already (216).
    pub fn begin(self: &Arc<Self>, query_id: &str) -> Result<Ticket, Exception> {
        let mark = format!("[{query_id} {}]", self.next.fetch_add(1, Ordering::Relaxed));
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= self.most {
            return Err(Exception::new(
                Code::TooManySimultaneousQueries,
                format_args!("Too many simultaneous queries. Maximum: {}", self.most),
            ));
        }
        if places.contains_key(query_id) {
            return Err(Exception::new(
                Code::QueryWithSameIdIsAlreadyRunning,
                format_args!("Query with id = {query_id} is already running"),
            ));
        }
        let place = Arc::new(Place(Mutex::new(Identity { mark, is_killed: false, has_ended: false })));
        places.insert(query_id.to_owned(), Arc::clone(&place));
        Ok(Ticket { running: Arc::clone(self), query_id: query_id.to_owned(), place })
    }

    /// How many run.
    pub fn count(&self) -> usize {
        self.places.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Kills all that run. Blocks.
    pub fn kill_all(&self) {
        let places: Vec<Arc<Place>> =
            self.places.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        for place in places {
            if let Some(mark) = place.to_kill() {
                self.engine.kill(&mark);
            }
        }
    }

    fn is_running(&self, query_id: &str, place: &Arc<Place>) -> bool {
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.get(query_id).is_some_and(|running| Arc::ptr_eq(running, place))
    }
}

impl Place {
    fn identity(&self) -> MutexGuard<'_, Identity> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The mark to kill it by, unless it has ended.
    fn to_kill(&self) -> Option<String> {
        let mut identity = self.identity();
        identity.is_killed |= !identity.has_ended;
        (!identity.has_ended).then(|| identity.mark.clone())
    }
}

impl Ticket {
    /// The engine's name for the statement, see [`Engine::connect`].
    pub fn mark(&self) -> String {
        self.place.identity().mark.clone()
    }

    /// The statement runs in a connection that has a mark already.
    pub fn runs_as(&self, mark: &str) {
        mark.clone_into(&mut self.place.identity().mark);
    }

    /// The statement has ended. Returns whether its connection may serve another one: nobody kills it.
    pub fn ends(&self) -> bool {
        let mut identity = self.place.identity();
        identity.has_ended = true;
        !identity.is_killed
    }

    /// Kills the statement when the returned value is dropped before the ticket.
    pub fn watch(&self) -> Watch {
        let (running, query_id) = (Arc::clone(&self.running), self.query_id.clone());
        Watch { running, query_id, place: Arc::clone(&self.place) }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.running.places.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.query_id);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.running.is_running(&self.query_id, &self.place) {
            return;
        }
        let (running, query_id, place) =
            (Arc::clone(&self.running), self.query_id.clone(), Arc::clone(&self.place));
        // Outside of a runtime the process is ending, and `Running::kill_all` does it.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            while running.is_running(&query_id, &place)
                && let Some(mark) = place.to_kill()
            {
                let engine = Arc::clone(&running.engine);
                if tokio::task::spawn_blocking(move || engine.kill(&mark)).await.is_err() {
                    return;
                }
                tokio::time::sleep(KILL_AGAIN).await;
            }
        });
    }
}
