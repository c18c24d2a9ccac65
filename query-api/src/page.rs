//! The pages: Settings → Audit and Settings → Usage, rendered here and complete without a script.
//!
//! A page asks the same questions as the JSON resources ([`crate::ask`]), shows the same answers, and is cut at one
//! snapshot. Handlers read the address ([`state`]), ask, and turn answers into views; templates only loop over views.

pub mod assets;
mod audit;
mod bar;
mod breakdowns;
mod call;
mod cards;
mod chart;
pub mod document;
mod filter_bar;
pub mod frame;
mod log;
mod palette;
mod part;
mod pill;
pub mod problems;
mod settings;
pub mod state;
pub mod theme;
mod usage;
pub mod words;

use crate::app::App;
use crate::sign_in;
use axum::Router;
use axum::middleware;
use axum::routing::{get, post};

/// The pages and what they link to.
pub fn router(app: &App) -> Router<App> {
    Router::new()
        .route("/", get(settings::audit))
        .route("/settings/audit", get(settings::audit))
        .route("/settings/usage", get(settings::usage))
        .route("/orgs/{org}/settings/audit", get(audit::get))
        .route("/orgs/{org}/settings/audit/calls", get(call::find))
        .route("/orgs/{org}/settings/audit/calls/{event_id}", get(call::get))
        .route("/orgs/{org}/settings/usage", get(usage::get))
        .route("/settings/theme/{theme}", post(theme::choose))
        .route("/sign-in", get(sign_in::landing).post(sign_in::exchange))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/signed-out", get(sign_in::signed_out))
        .layer(middleware::from_fn_with_state(app.clone(), problems::as_pages))
        .route("/assets/{name}", get(assets::get))
}
