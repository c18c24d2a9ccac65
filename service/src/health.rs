//! What each part of a service is doing, for people and for orchestrators: not only *that* something waits, but for
//! what and since when.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use chrono::{DateTime, Utc};
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;

use crate::{clock, metrics};

/// The components of one service and their states. Cloning gives another handle to the same registry.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<BTreeMap<String, State>>>);

/// A handle by which one part of the service tells its state. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Component {
    name: String,
    health: Health,
}

/// What a component is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// It works.
    Ok,
    /// It cannot go on until something else comes back. It will go on by itself then.
    Waiting {
        /// For what: a clause such as "ClickHouse to answer: connection refused".
        for_what: String,
        /// When it last worked.
        since: DateTime<Utc>,
    },
    /// It has ended and will not come back by itself.
    Failed {
        /// Why, with the whole chain of causes.
        why: String,
    },
}

/// The answer of `/healthz` and `/readyz`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The worst state of all components: `ok`, `waiting` or `failed`.
    pub status: &'static str,
    /// The state of each component by its name.
    pub components: BTreeMap<String, State>,
}

impl Health {
    /// A registry without components, which counts as ready.
    pub fn new() -> Self {
        Self::default()
    }

    /// The component of this name. One that is asked for the first time waits for its start, so that a service is not
    /// ready before each of its parts said so.
    pub fn component(&self, name: &str) -> Component {
        let mut states = self.states();
        if !states.contains_key(name) {
            let start = State::Waiting { for_what: "its start".to_owned(), since: clock::now() };
            states.insert(name.to_owned(), start);
            metrics::component_ready(name, false);
        }
        Component { name: name.to_owned(), health: self.clone() }
    }

    /// The present states.
    pub fn report(&self) -> Report {
        let components = self.states().clone();
        let any = |wanted: fn(&State) -> bool| components.values().any(wanted);
        let status = match () {
            () if any(|state| matches!(state, State::Failed { .. })) => "failed",
            () if any(|state| matches!(state, State::Waiting { .. })) => "waiting",
            () => "ok",
        };
        Report { status, components }
    }

    // A panic elsewhere must not take the health report with it: the states are valid at any moment.
    fn states(&self) -> MutexGuard<'_, BTreeMap<String, State>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Component {
    /// It works (again).
    pub fn ok(&self) {
        self.set(|_| State::Ok);
    }

    /// It waits. Saying so again with another text keeps the time since when it waits.
    pub fn waiting(&self, for_what: impl Into<String>) {
        self.set(|old| match old {
            State::Waiting { since, .. } => State::Waiting { for_what: for_what.into(), since: *since },
            _ => State::Waiting { for_what: for_what.into(), since: clock::now() },
        });
    }

    /// It has ended for good.
    pub fn failed(&self, why: impl Into<String>) {
        self.set(|_| State::Failed { why: why.into() });
    }

    /// Its present state.
    pub fn state(&self) -> State {
        self.health.states().get(&self.name).cloned().unwrap_or(State::Ok)
    }

    fn set(&self, next: impl FnOnce(&State) -> State) {
        let mut states = self.health.states();
        let state = states.entry(self.name.clone()).or_insert(State::Ok);
        *state = next(state);
        metrics::component_ready(&self.name, *state == State::Ok);
    }
}

/// `/healthz`, `/readyz` and `/metrics`, to be served on the ops listener.
///
/// - `/healthz` answers 200 while the process is worth keeping, 503 when a component failed. One that waits is alive:
///   restarting it would not bring ClickHouse back.
/// - `/readyz` answers 200 when every component works, else 503.
/// - Both have the same JSON body, a [`Report`].
pub fn router(health: Health, prometheus: PrometheusHandle) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .with_state(health)
        .route("/metrics", get(async move || render(&prometheus)))
}

async fn healthz(extract::State(health): extract::State<Health>) -> Response {
    let report = health.report();
    answer(report.status != "failed", report)
}

async fn readyz(extract::State(health): extract::State<Health>) -> Response {
    let report = health.report();
    answer(report.status == "ok", report)
}

fn answer(good: bool, report: Report) -> Response {
    let status = if good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(header::CACHE_CONTROL, "no-store")], Json(report)).into_response()
}

fn render(prometheus: &PrometheusHandle) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], prometheus.render())
        .into_response()
}

#[cfg(test)]
mod tests;
