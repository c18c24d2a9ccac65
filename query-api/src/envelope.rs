//! What every request goes through: an id, a bound, a measure, a log line; and every answer: headers that keep
//! browsers from doing anything unforeseen with it.

use crate::app::App;
use crate::metrics;
use crate::page::problems::ProblemPage;
use crate::problem::{Problem, ProblemKind};
use anyhow::Context;
use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::convert::Infallible;
use std::time::Instant;
use uuid::Uuid;

/// Names the request in answer and log. A proxy may have given it one.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REQUEST_ID_BYTES_MAX: usize = 64;

/// Room for about a hundred members in a filter.
const URI_BYTES_MAX: usize = 16 * 1024;

const SECURITY_HEADERS: [(HeaderName, &str); 3] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (header::CACHE_CONTROL, "private, no-store"),
];
/// What is no page shows nothing, loads nothing and is shown in no frame.
const DATA_HEADERS: [(HeaderName, &str); 3] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
];
/// Pages use what we serve ourselves, and nothing that stands in the page. `frame-ancestors` follows.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors ";
/// Filters in an address are nobody else's business. Not `no-referrer`: browsers would then send `Origin: null` with
/// our own forms.
const PAGE_REFERRER_POLICY: HeaderValue = HeaderValue::from_static("same-origin");

/// The id of the request, for handlers that tell it.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

impl<S: Sync> FromRequestParts<S> for RequestId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_else(|| Self(String::new())))
    }
}

/// The layer around all handlers.
pub async fn wrap(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let request_id = request_id(request.headers());
    request.extensions_mut().insert(RequestId(request_id.clone()));
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();

    let fits = request.uri().to_string().len() <= URI_BYTES_MAX;
    let mut response = if fits { next.run(request).await } else { too_long() };
    let problem = response.extensions_mut().remove::<Problem>();
    if let Some(problem) = &problem {
        let page = response.extensions_mut().remove::<ProblemPage>();
        response =
            page.map_or_else(|| problem.response(&request_id), |page| page.response(problem, &request_id));
    }

    let headers = response.headers_mut();
    secure(headers, &app.page_policy);
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        headers.insert(REQUEST_ID, value);
    }

    let (status, took) = (response.status(), began.elapsed());
    metrics::answered(&route, status.as_u16(), took);
    let code = problem.as_ref().map_or("", |problem| problem.kind().code());
    match problem.as_ref().and_then(Problem::inside) {
        Some(inside) if status == ProblemKind::Internal.status() => {
            tracing::error!(request_id, %method, path, code, "request failed: {inside}");
        }
        Some(inside) => tracing::warn!(request_id, %method, path, code, "request failed: {inside}"),
        None => {
            tracing::info!(request_id, %method, path, status = status.as_u16(), code, ?took, "request answered")
        }
    }
    response
}

/// The policy of pages, with the setting `pages.frame_ancestors`.
///
/// # Errors
/// A setting that does not fit a header.
pub fn page_policy(frame_ancestors: &str) -> anyhow::Result<HeaderValue> {
    let ancestors = if frame_ancestors.trim().is_empty() { "'none'" } else { frame_ancestors.trim() };
    HeaderValue::from_str(&format!("{PAGE_POLICY}{ancestors}"))
        .context("pages.frame_ancestors does not fit a header")
}

fn secure(headers: &mut HeaderMap, page_policy: &HeaderValue) {
    let fixed = |value| HeaderValue::from_static(value);
    for (name, value) in SECURITY_HEADERS {
        headers.entry(name).or_insert(fixed(value));
    }
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if content_type.is_some_and(|kind| kind.starts_with("text/html")) {
        headers.insert(header::CONTENT_SECURITY_POLICY, page_policy.clone());
        headers.insert(header::REFERRER_POLICY, PAGE_REFERRER_POLICY);
    } else {
        for (name, value) in DATA_HEADERS {
            headers.entry(name).or_insert(fixed(value));
        }
    }
}

fn too_long() -> Response {
    let detail = "The URL is longer than 16 KiB. Choose fewer values, or none for all.";
    Problem::new(ProblemKind::UriTooLong, detail).into_response()
}

/// The id a proxy gave, if it is harmless in a header, a log and a document; else a new one.
fn request_id(headers: &HeaderMap) -> String {
    let harmless = |id: &&str| {
        (1..=REQUEST_ID_BYTES_MAX).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    let given = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).filter(harmless);
    given.map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_given_id_is_kept_when_it_is_harmless() {
        let with = |id: &'static str| {
            request_id(&HeaderMap::from_iter([(REQUEST_ID, HeaderValue::from_static(id))]))
        };
        assert_eq!(with("abc-1_2.3"), "abc-1_2.3");
        for id in ["", "a b", "<script>", "a\"b"] {
            assert_eq!(with(id).len(), 36, "{id}");
        }
    }
}
