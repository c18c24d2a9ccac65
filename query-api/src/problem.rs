//! Errors for people and programs: RFC 9457 problem documents with stable types, and nothing that should stay inside.

use crate::parameters::Mistake;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::error::Error;
use std::sync::Arc;
use utoipa::ToSchema;
use warehouse::{ErrorKind, WarehouseError};

/// What went wrong, outside and inside. Becomes a response whose body the outermost layer writes, because only that
/// knows the request's id.
#[derive(Debug, Clone)]
pub struct Problem(Arc<Details>);

#[derive(Debug)]
struct Details {
    kind: ProblemKind,
    detail: String,
    mistakes: Vec<Mistake>,
    /// For the log only.
    inside: Option<String>,
}

/// The kinds of problems. Each is a `type` that never changes; the table in the README explains them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    /// A parameter is unknown or malformed.
    InvalidParameter,
    /// No token, or one that does not hold.
    Unauthenticated,
    /// The token does not allow it.
    Forbidden,
    /// There is no such thing, as far as this token may know.
    NotFound,
    /// The resource is there, the method is not.
    MethodNotAllowed,
    /// The URL is too long to be read.
    UriTooLong,
    /// Too many open requests of one organisation.
    TooManyRequests,
    /// Our fault.
    Internal,
    /// ClickHouse is away, overloaded or too slow.
    Unavailable,
    /// Nothing was ever ingested: there is no snapshot to answer from.
    NotStarted,
}

/// The body of an error, `application/problem+json`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProblemDocument {
    /// Stable identifier of the kind: `urn:ai-usage:problem:invalid-parameter`.
    #[serde(rename = "type")]
    pub type_uri: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened and what to do.
    pub detail: String,
    /// Names the request in our logs.
    pub request_id: String,
    /// What is wrong with which parameter.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mistakes: Vec<Mistake>,
}

/// How long a client should wait before it tries again.
const RETRY_AFTER_SECONDS: &str = "2";

impl ProblemKind {
    /// All kinds.
    pub const ALL: [Self; 10] = [
        Self::InvalidParameter,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::UriTooLong,
        Self::TooManyRequests,
        Self::Internal,
        Self::Unavailable,
        Self::NotStarted,
    ];

    /// The stable code.
    pub fn code(self) -> &'static str {
        self.facts().0
    }

    /// The HTTP status.
    pub fn status(self) -> StatusCode {
        self.facts().1
    }

    fn title(self) -> &'static str {
        self.facts().2
    }

    fn facts(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::InvalidParameter => {
                ("invalid-parameter", StatusCode::BAD_REQUEST, "A parameter is not allowed")
            }
            Self::Unauthenticated => ("unauthenticated", StatusCode::UNAUTHORIZED, "A valid token is needed"),
            Self::Forbidden => ("forbidden", StatusCode::FORBIDDEN, "The token does not allow this"),
            Self::NotFound => ("not-found", StatusCode::NOT_FOUND, "There is no such resource"),
            Self::MethodNotAllowed => {
                ("method-not-allowed", StatusCode::METHOD_NOT_ALLOWED, "Only GET and HEAD are offered")
            }
            Self::UriTooLong => ("uri-too-long", StatusCode::URI_TOO_LONG, "The URL is too long"),
            Self::TooManyRequests => {
                ("too-many-requests", StatusCode::TOO_MANY_REQUESTS, "Too many requests at once")
            }
            Self::Internal => {
                ("internal", StatusCode::INTERNAL_SERVER_ERROR, "Something is wrong on our side")
            }
            Self::Unavailable => {
                ("unavailable", StatusCode::SERVICE_UNAVAILABLE, "The data cannot be read just now")
            }
            Self::NotStarted => ("not-started", StatusCode::SERVICE_UNAVAILABLE, "Nothing was received yet"),
        }
    }

    fn can_be_tried_again(self) -> bool {
        matches!(self, Self::TooManyRequests | Self::Unavailable | Self::NotStarted)
    }
}

impl Problem {
    /// A problem with a sentence that says what happened and what to do.
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self(Arc::new(Details { kind, detail: detail.into(), mistakes: Vec::new(), inside: None }))
    }

    /// Parameters that are not allowed.
    pub fn invalid_parameters(mistakes: Vec<Mistake>) -> Self {
        let told: Vec<String> =
            mistakes.iter().map(|mistake| format!("{} {}", mistake.parameter, mistake.message)).collect();
        let detail = told.join("; ");
        Self(Arc::new(Details { kind: ProblemKind::InvalidParameter, detail, mistakes, inside: None }))
    }

    /// One parameter that is not allowed.
    pub fn invalid_parameter(parameter: &str, message: impl Into<String>) -> Self {
        Self::invalid_parameters(vec![Mistake { parameter: parameter.to_owned(), message: message.into() }])
    }

    /// Our fault, with what the log should say.
    pub fn internal(inside: &(dyn Error + 'static)) -> Self {
        let detail = "The request could not be answered. Try again; if it stays so, tell us the request id.";
        Self::with_inside(ProblemKind::Internal, detail, inside)
    }

    fn with_inside(kind: ProblemKind, detail: &str, inside: &(dyn Error + 'static)) -> Self {
        let inside = Some(service::error::chain(inside));
        Self(Arc::new(Details { kind, detail: detail.to_owned(), mistakes: Vec::new(), inside }))
    }

    /// Its kind.
    pub fn kind(&self) -> ProblemKind {
        self.0.kind
    }

    /// What happened and what to do.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// What is wrong with which parameter.
    pub fn mistakes(&self) -> &[Mistake] {
        &self.0.mistakes
    }

    /// What the log should say beside the kind.
    pub fn inside(&self) -> Option<&str> {
        self.0.inside.as_deref()
    }

    /// The whole response, with the id by which the log knows the request.
    pub fn response(&self, request_id: &str) -> Response {
        let Details { kind, detail, mistakes, .. } = &*self.0;
        let document = ProblemDocument {
            type_uri: format!("urn:ai-usage:problem:{}", kind.code()),
            title: kind.title().to_owned(),
            status: kind.status().as_u16(),
            detail: detail.clone(),
            request_id: request_id.to_owned(),
            mistakes: mistakes.clone(),
        };
        let body = serde_json::to_string(&document).unwrap_or_default();
        let mut response = (kind.status(), body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if *kind == ProblemKind::Unauthenticated {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if *kind == ProblemKind::MethodNotAllowed {
            headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        if kind.can_be_tried_again() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
        }
        response
    }
}

impl From<WarehouseError> for Problem {
    fn from(error: WarehouseError) -> Self {
        match error.kind() {
            ErrorKind::Transient => Self::with_inside(
                ProblemKind::Unavailable,
                "The data cannot be read just now. Nothing is lost; try again in a few seconds.",
                &error,
            ),
            ErrorKind::TooManyPartitions | ErrorKind::Permanent => Self::internal(&error),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.kind().status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_own_code() {
        let mut codes: Vec<_> = ProblemKind::ALL.iter().map(|kind| kind.code()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), ProblemKind::ALL.len());
    }

    #[test]
    fn what_is_inside_never_gets_out() {
        let source =
            clickhouse::error::Error::BadResponse("Code: 60. DB::Exception: Table secret".to_owned());
        let problem = Problem::from(WarehouseError::Engine { doing: "testing", source });
        assert_eq!(problem.kind(), ProblemKind::Internal);
        assert!(problem.inside().unwrap().contains("secret"));
        assert!(!problem.0.detail.contains("secret"));
    }
}
