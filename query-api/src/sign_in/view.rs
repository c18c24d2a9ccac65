//! The pages of signing in and out.

use crate::auth::Grant;
use crate::problem::Problem;
use askama::Template;
use axum::http::HeaderMap;
use axum::response::{Html, IntoResponse, Response};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

#[derive(Template)]
#[template(path = "sign_in.html")]
struct Landing<'a> {
    code: &'a str,
    organisations: usize,
}

#[derive(Template)]
#[template(path = "signed_out.html")]
struct SignedOut;

/// Asks for the click that takes the code.
pub fn landing(_: &HeaderMap, code: &str, orgs: &[Grant]) -> Result<Response, Problem> {
    rendered(&Landing { code, organisations: orgs.len() })
}

/// Says that the session has ended.
pub fn signed_out(_: &HeaderMap) -> Result<Response, Problem> {
    rendered(&SignedOut)
}

/// Where signing in leads.
pub fn audit_path(org_id: &str) -> String {
    format!("/orgs/{}/audit", utf8_percent_encode(org_id, NON_ALPHANUMERIC))
}

fn rendered(page: &impl Template) -> Result<Response, Problem> {
    let html = page.render().map_err(|error| Problem::internal(&error))?;
    Ok(Html(html).into_response())
}
