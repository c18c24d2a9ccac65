//! The table of contents: every resource and its handler.

use crate::app::App;
use crate::problem::{Problem, ProblemKind};
use crate::{docs, envelope, routes};
use axum::routing::get;
use axum::{Router, middleware};

/// All resources.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/v1/orgs", get(routes::organisations::get))
        .route("/v1/orgs/{org}/summary", get(routes::summary::get))
        .route("/v1/orgs/{org}/breakdowns", get(routes::breakdowns::get))
        .route("/v1/orgs/{org}/usage", get(routes::usage::get))
        .route("/v1/orgs/{org}/filters", get(routes::filters::get))
        .route("/v1/orgs/{org}/calls", get(routes::calls::get))
        .route("/v1/orgs/{org}/calls/{event_id}", get(routes::call::get))
        .route("/v1/orgs/{org}/export.csv", get(routes::export::get))
        .route("/openapi.json", get(docs::openapi_json))
        .route("/docs", get(docs::page))
        .route("/docs/style.css", get(docs::style))
        .fallback(nothing_here)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn(envelope::wrap))
        .with_state(app)
}

async fn nothing_here() -> Problem {
    Problem::new(ProblemKind::NotFound, "There is no such resource. /docs lists all of them.")
}

async fn wrong_method() -> Problem {
    Problem::new(ProblemKind::MethodNotAllowed, "This service only reads. Use GET or HEAD.")
}
