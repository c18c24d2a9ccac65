//! The table of contents: every resource and its handler.

use crate::app::App;
use crate::problem::{Problem, ProblemKind};
use crate::{docs, envelope, page, routes};
use axum::routing::{any, get};
use axum::{Router, middleware};
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};

/// What fits one packet is not made faster by compression.
const COMPRESSED_BYTES_MIN: u16 = 1_024;

/// All resources.
pub fn router(app: App) -> Router {
    let for_people = middleware::from_fn_with_state(app.clone(), page::problems::as_page_if_asked);
    Router::new()
        .route("/v1/orgs", get(routes::organisations::get))
        .route("/v1/orgs/{org}/summary", get(routes::summary::get))
        .route("/v1/orgs/{org}/breakdowns", get(routes::breakdowns::get))
        .route("/v1/orgs/{org}/usage", get(routes::usage::get))
        .route("/v1/orgs/{org}/filters", get(routes::filters::get))
        .route("/v1/orgs/{org}/calls", get(routes::calls::get))
        .route("/v1/orgs/{org}/calls/{event_id}", get(routes::call::get))
        .route("/v1/orgs/{org}/anomalies", get(routes::anomalies::get))
        .route("/v1/orgs/{org}/export.csv", get(routes::export::get))
        .route("/openapi.json", get(docs::openapi_json))
        .route("/docs", get(docs::page))
        .route("/docs/style.css", get(docs::style))
        .merge(page::router(&app))
        .fallback(any(nothing_here).layer(for_people))
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(app.clone(), envelope::wrap))
        .layer(compression())
        .with_state(app)
}

/// Texts are sent in a tenth of their size. Exports are not: they are long, and made while they are sent.
fn compression() -> CompressionLayer<impl Predicate> {
    let worthwhile = SizeAbove::new(COMPRESSED_BYTES_MIN);
    CompressionLayer::new().compress_when(worthwhile.and(NotForContentType::const_new("text/csv")))
}

async fn nothing_here() -> Problem {
    Problem::new(ProblemKind::NotFound, "There is nothing at this address. /docs lists what there is.")
}

async fn wrong_method() -> Problem {
    Problem::new(ProblemKind::MethodNotAllowed, "This service only reads. Use GET or HEAD.")
}
