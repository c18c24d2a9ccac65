//! The pages of signing in and out.

use super::code::{CodeError, Invitation};
use crate::page::document::Document;
use crate::page::frame::Frame;
use crate::page::theme::Theme;
use crate::page::words::count;
use askama::Template;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};

#[derive(Template)]
#[template(path = "sign_in.html", whitespace = "minimize")]
struct Landing {
    frame: Frame,
    code: String,
    /// `8 organisations`.
    organisations: String,
    /// `12 hours`.
    lasts: String,
}

#[derive(Template)]
#[template(path = "sign_in_note.html", whitespace = "minimize")]
struct Note {
    frame: Frame,
    heading: &'static str,
    detail: String,
    /// Whether a session may be there all the same.
    go_on: bool,
}

/// Asks for the click that takes the code.
pub fn landing(theme: Theme, here: &Uri, code: &str, invitation: &Invitation) -> Response {
    let organisations = u64::try_from(invitation.orgs.len()).unwrap_or_default();
    let minutes = invitation.session_seconds / 60;
    let lasts = if minutes < 120 { count(minutes, "minute") } else { count(minutes / 60, "hour") };
    Document(Landing {
        frame: Frame::bare("Sign in", theme, &here.to_string()),
        code: code.to_owned(),
        organisations: count(organisations, "organisation"),
        lasts,
    })
    .into_response()
}

/// Says why a code was not taken.
pub fn refused(theme: Theme, error: CodeError) -> Response {
    let heading = "This link does not sign you in";
    let frame = Frame::bare(heading, theme, "/settings/audit");
    let note = Note { frame, heading, detail: error.to_string(), go_on: error == CodeError::Used };
    (StatusCode::FORBIDDEN, Document(note)).into_response()
}

/// Says that the session has ended.
pub fn signed_out(theme: Theme) -> Response {
    let heading = "You are signed out";
    let detail = "To come back, ask for a new sign-in link.".to_owned();
    let frame = Frame::bare(heading, theme, "/signed-out");
    Document(Note { frame, heading, detail, go_on: false }).into_response()
}
