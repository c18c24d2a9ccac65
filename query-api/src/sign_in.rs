//! Signing a browser in by a link that is good for one click, for demonstrations and operators: `query-api sign-in-link`
//! prints it. What it carries is a code and never a token; the code is exchanged for the cookie.
//!
//! Opening the link takes nothing: mail programs and chats look at links before people do. The button on that page
//! does. In production an embedding application sets the cookie or the header itself, and none of this is enabled.

mod code;
mod view;

use crate::app::App;
use crate::auth::{Grant, demo_token};
use crate::cookie;
use crate::origin::SameOrigin;
use crate::page::theme::Theme;
use crate::parameters::Parameters;
use crate::problem::{Problem, ProblemKind};
use crate::settings::QueryApiSettings;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use code::{Codes, Invitation, new_code};
use service::settings::Secret;
use std::time::Duration;

/// Signs browsers in.
#[derive(Debug)]
pub struct SignIn {
    secret: Secret,
    codes: Codes,
}

/// A cookie may have 4 KiB in all browsers; some is left for its name and attributes.
const TOKEN_BYTES_MAX: usize = 3_800;

impl SignIn {
    /// As the settings say; none unless one-time links are enabled.
    ///
    /// # Errors
    /// When no key can be derived from the secret.
    pub fn new(settings: &QueryApiSettings) -> anyhow::Result<Option<Self>> {
        if !settings.pages.sign_in_links {
            return Ok(None);
        }
        let secret = settings.auth.key.clone();
        Ok(Some(Self { codes: Codes::new(secret.expose())?, secret }))
    }
}

/// A link that signs one browser in, for a session with these grants.
///
/// # Errors
/// When links are not enabled, or the session's token would not fit a cookie.
pub fn link(
    settings: &QueryApiSettings,
    base_url: &str,
    orgs: Vec<Grant>,
    session: Duration,
) -> anyhow::Result<String> {
    anyhow::ensure!(
        settings.pages.sign_in_links,
        "one-time links are not enabled: set pages.sign_in_links (PAGES_SIGN_IN_LINKS=true) here and where the service runs"
    );
    let secret = settings.auth.key.expose();
    let token_bytes = demo_token(secret, orgs.clone(), session)?.len();
    anyhow::ensure!(
        token_bytes <= TOKEN_BYTES_MAX,
        "the token of {} organisations has {token_bytes} bytes, a cookie holds {TOKEN_BYTES_MAX}: name fewer",
        orgs.len()
    );
    let code = new_code(secret, orgs, session)?;
    Ok(format!("{}/sign-in?code={code}", base_url.trim_end_matches('/')))
}

/// `GET /sign-in`: what the link opens. Takes nothing.
///
/// # Errors
/// When links are not enabled, or the address holds more than a code.
pub async fn landing(State(app): State<App>, theme: Theme, uri: Uri) -> Result<Response, Problem> {
    let code = code_of(uri.query())?;
    Ok(match enabled(&app)?.codes.look_at(&code) {
        Ok(invitation) => view::landing(theme, &uri, &code, &invitation),
        Err(error) => view::refused(theme, error),
    })
}

/// `POST /sign-in`: takes the code, sets the cookie and goes on to the first organisation's audit log.
///
/// # Errors
/// When links are not enabled, or a form of another site.
pub async fn exchange(
    State(app): State<App>,
    _: SameOrigin,
    theme: Theme,
    headers: HeaderMap,
    form: String,
) -> Result<Response, Problem> {
    let sign_in = enabled(&app)?;
    let code = code_of(Some(&form))?;
    let Invitation { orgs, session_seconds, .. } = match sign_in.codes.take(&code) {
        Ok(invitation) => invitation,
        Err(error) => return Ok(view::refused(theme, error)),
    };
    let session = Duration::from_secs(session_seconds);
    let token = demo_token(sign_in.secret.expose(), orgs, session)
        .map_err(|error| Problem::internal(error.as_ref()))?;
    Ok(with_cookie(&app, &headers, &token, session, "/settings/audit"))
}

/// `POST /sign-out`: deletes the cookie.
///
/// # Errors
/// A form of another site.
pub async fn sign_out(
    State(app): State<App>,
    _: SameOrigin,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    enabled(&app)?;
    Ok(with_cookie(&app, &headers, "", Duration::ZERO, "/signed-out"))
}

/// `GET /signed-out`: where signing out ends.
///
/// # Errors
/// When links are not enabled.
pub async fn signed_out(State(app): State<App>, theme: Theme) -> Result<Response, Problem> {
    enabled(&app)?;
    Ok(view::signed_out(theme))
}

fn enabled(app: &App) -> Result<&SignIn, Problem> {
    app.sign_in.as_ref().ok_or_else(|| {
        Problem::new(
            ProblemKind::NotFound,
            "There is no such page. Sign in where your organisation signs in.",
        )
    })
}

fn code_of(form: Option<&str>) -> Result<String, Problem> {
    let mut parameters = Parameters::parse(form);
    let code = parameters.one("code").unwrap_or_default();
    parameters.finish()?;
    Ok(code)
}

/// 303: the browser goes on with a GET, and going back does not send the form again.
fn with_cookie(app: &App, request: &HeaderMap, token: &str, session: Duration, target: &str) -> Response {
    let mut response = (StatusCode::SEE_OTHER, [(header::LOCATION, target)]).into_response();
    if let Some(cookie) = cookie::set(request, &app.cookie, token, session) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}
