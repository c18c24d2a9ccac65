//! Forms are taken from our own pages only.

use crate::problem::{Problem, ProblemKind};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};

/// The request comes from one of our own pages, or from no browser. An argument of every handler of a POST, and before
/// its body.
#[derive(Debug, Clone, Copy)]
pub struct SameOrigin;

impl<S: Sync> FromRequestParts<S> for SameOrigin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        if is_same_origin(&parts.headers) {
            return Ok(Self);
        }
        let detail = "This form was sent from another site. Open the page itself and try again.";
        Err(Problem::new(ProblemKind::Forbidden, detail))
    }
}

/// Browsers say where a request comes from by `Sec-Fetch-Site`, and older ones, or such without TLS, by `Origin`. A
/// client that sends neither is no browser, and carries no cookie that it was not given by its user.
fn is_same_origin(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    if let Some(site) = text(header::HeaderName::from_static("sec-fetch-site")) {
        return site == "same-origin" || site == "none";
    }
    let Some(origin) = text(header::ORIGIN) else { return true };
    let host = text(header::HOST).unwrap_or_default();
    origin.split_once("://").is_some_and(|(_, origin)| origin.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn allows(headers: &[(&'static str, &'static str)]) -> bool {
        let pairs = headers
            .iter()
            .map(|(name, value)| (header::HeaderName::from_static(name), HeaderValue::from_static(value)));
        is_same_origin(&pairs.collect())
    }

    #[test]
    fn our_own_pages_and_programs_are_let_in() {
        assert!(allows(&[]));
        assert!(allows(&[("sec-fetch-site", "same-origin"), ("origin", "https://audit.example")]));
        assert!(allows(&[("sec-fetch-site", "none")]));
        assert!(allows(&[("host", "audit.example:8080"), ("origin", "http://audit.example:8080")]));
    }

    #[test]
    fn other_sites_are_refused() {
        assert!(!allows(&[("sec-fetch-site", "cross-site")]));
        assert!(!allows(&[("sec-fetch-site", "same-site")]));
        assert!(!allows(&[("host", "audit.example"), ("origin", "https://evil.example")]));
        assert!(!allows(&[("host", "audit.example"), ("origin", "https://audit.example:81")]));
        assert!(!allows(&[("host", "audit.example"), ("origin", "null")]));
    }
}
