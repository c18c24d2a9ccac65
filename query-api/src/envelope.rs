//! What every request goes through: an id, a bound, a measure, a log line; and every answer: headers that keep
//! browsers from doing anything unforeseen with it.

use crate::metrics;
use crate::problem::{Problem, ProblemKind};
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::time::Instant;
use uuid::Uuid;

/// Names the request in answer and log. A proxy may have given it one.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REQUEST_ID_BYTES_MAX: usize = 64;

/// Room for about a hundred members in a filter.
const URI_BYTES_MAX: usize = 16 * 1024;

const SECURITY_HEADERS: [(HeaderName, &str); 6] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (header::CACHE_CONTROL, "private, no-store"),
];

/// The layer around all handlers.
pub async fn wrap(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let request_id = request_id(request.headers());
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();

    let fits = request.uri().to_string().len() <= URI_BYTES_MAX;
    let mut response = if fits { next.run(request).await } else { too_long() };
    let problem = response.extensions_mut().remove::<Problem>();
    if let Some(problem) = &problem {
        response = problem.response(&request_id);
    }

    let headers = response.headers_mut();
    for (name, value) in SECURITY_HEADERS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
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
