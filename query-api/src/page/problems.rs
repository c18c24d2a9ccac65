//! Problems on pages: the same as the documents of the API, for people.

use super::document::Document;
use super::frame::Frame;
use super::theme::Theme;
use crate::app::App;
use crate::auth::{self, Caller};
use crate::problem::{Problem, ProblemKind};
use askama::Template;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::{HeaderName, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Marks a problem's response as one for people. The outermost layer writes it, because only that knows the id of the
/// request.
#[derive(Debug, Clone)]
pub struct ProblemPage {
    frame: Frame,
    here: String,
    sign_in_url: String,
}

#[derive(Template)]
#[template(path = "problem.html", whitespace = "minimize")]
struct View {
    frame: Frame,
    heading: &'static str,
    detail: String,
    request_id: String,
    /// Whether trying again may help.
    again: bool,
    /// Where to sign in; empty where that does not help, or nobody said where.
    sign_in_url: String,
    /// The page without what is wrong with its address; empty where that does not help.
    plain: String,
    /// Whether what the reader may see is somewhere else.
    elsewhere: bool,
}

/// The layer around what is at no address: a page for who asks for one, as browsers do, and a document for programs.
pub async fn as_page_if_asked(app: State<App>, theme: Theme, request: Request, next: Next) -> Response {
    let accepted = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    match accepted {
        Some(accepted) if accepted.contains("text/html") => as_pages(app, theme, request, next).await,
        _ => next.run(request).await,
    }
}

/// The layer around the handlers of pages.
pub async fn as_pages(State(app): State<App>, theme: Theme, request: Request, next: Next) -> Response {
    let here = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    let (mut parts, body) = request.into_parts();
    let mut response = next.run(Request::from_parts(parts.clone(), body)).await;
    if let Some(kind) = response.extensions().get::<Problem>().map(Problem::kind) {
        let caller = match kind {
            // Nobody is verified twice to be refused twice.
            ProblemKind::Unauthenticated => None,
            _ => Caller::from_request_parts(&mut parts, &app).await.ok(),
        };
        let frame = match caller {
            Some(Caller(claims)) => {
                let org_id = auth::org_of(&mut parts).await;
                Frame::of_problem(&app, &claims, &org_id, kind, theme, &here).await
            }
            None => Frame::bare("", theme, &here),
        };
        response.extensions_mut().insert(ProblemPage { frame, here, sign_in_url: app.sign_in_url.clone() });
    }
    response
}

impl ProblemPage {
    /// The page about a problem.
    pub fn response(self, problem: &Problem, request_id: &str) -> Response {
        let heading = heading(problem.kind());
        let (detail, sign_in_url) = match problem.kind() {
            ProblemKind::Unauthenticated => ("Sign in again to go on.".to_owned(), self.sign_in_url),
            _ => (problem.detail().to_owned(), String::new()),
        };
        let plain = match (problem.kind(), self.here.split_once('?')) {
            (ProblemKind::InvalidParameter, Some((path, _))) => path.to_owned(),
            _ => String::new(),
        };
        let view = View {
            frame: Frame { title: heading.to_owned(), ..self.frame },
            heading,
            detail,
            request_id: request_id.to_owned(),
            again: problem.kind().status().is_server_error()
                || problem.kind() == ProblemKind::TooManyRequests,
            sign_in_url,
            plain,
            elsewhere: problem.kind() == ProblemKind::NotFound,
        };
        let document = problem.response(request_id);
        let mut response = (document.status(), Document(view)).into_response();
        const KEPT: [HeaderName; 4] =
            [header::RETRY_AFTER, header::WWW_AUTHENTICATE, header::ALLOW, header::CACHE_CONTROL];
        for name in KEPT {
            if let Some(value) = document.headers().get(&name) {
                response.headers_mut().insert(name, value.clone());
            }
        }
        response
    }
}

fn heading(kind: ProblemKind) -> &'static str {
    match kind {
        ProblemKind::InvalidParameter | ProblemKind::UriTooLong => "This link does not work",
        ProblemKind::Unauthenticated => "Your session has ended",
        ProblemKind::Forbidden => "You cannot see this page",
        ProblemKind::NotFound => "There is no such page",
        ProblemKind::MethodNotAllowed => "This page can only be read",
        ProblemKind::TooManyRequests => "Too many pages at once",
        ProblemKind::Internal => "Something is wrong on our side",
        ProblemKind::Unavailable => "The numbers cannot be read just now",
        ProblemKind::NotStarted => "No AI calls yet",
    }
}
