//! Who asks, and what they may see: a verified JWT, its organisations and their permissions.

mod keys;
mod token;

use crate::admission::Permit;
use crate::app::App;
use crate::cookie;
use crate::problem::{Problem, ProblemKind};
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

pub use keys::Keys;
pub use token::{Claims, Grant, demo_token};

/// Allows to see an organisation's AI usage.
pub const PERMISSION: &str = "billing:view";
/// The role that has every permission.
pub const ADMIN_ROLE: &str = "Admin";
/// The default of the setting `auth.cookie`, which the description of the API names.
pub const COOKIE_NAME: &str = "audit_token";

/// Someone with a valid token.
#[derive(Debug, Clone)]
pub struct Caller(pub Claims);

/// Someone who may see the organisation named in the path. Holds a place among its open requests.
#[derive(Debug)]
pub struct Viewer {
    /// The organisation, from the verified token: every query is bound to it.
    pub org_id: String,
    /// All organisations that the token allows to see, in its order.
    pub org_ids: Vec<String>,
    /// Freed when the request ends.
    pub permit: Permit,
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let token = token_of(parts, &app.cookie).ok_or_else(|| {
            Problem::new(
                ProblemKind::Unauthenticated,
                "Send a token: the header `Authorization: Bearer <token>`, or the cookie of the signed-in session.",
            )
        })?;
        app.keys.verify(token).await.map(Self)
    }
}

impl FromRequestParts<App> for Viewer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let Caller(claims) = Caller::from_request_parts(parts, app).await?;
        let org_id = org_of(parts).await;
        let grant = claims.orgs.iter().find(|grant| grant.id == org_id).ok_or_else(no_organisation)?;
        if !grant.allows(PERMISSION) {
            return Err(no_permission());
        }
        let org_id = grant.id.clone();
        let permit = app.admission.enter(&org_id).await?;
        Ok(Self { org_id, org_ids: claims.allowed(), permit })
    }
}

/// The organisation that the path names; empty where it names none.
pub async fn org_of(parts: &mut Parts) -> String {
    let path = RawPathParams::from_request_parts(parts, &()).await;
    let org_id = path.iter().flatten().find(|(name, _)| *name == "org").map(|(_, value)| value.to_owned());
    org_id.unwrap_or_default()
}

/// What is missing to somebody whose token is valid.
pub fn no_permission() -> Problem {
    Problem::new(
        ProblemKind::Forbidden,
        "You need the permission billing:view to see AI usage. Ask an Org Admin.",
    )
}

/// Whether or not the organisation exists, who may not know of it gets the same answer.
fn no_organisation() -> Problem {
    Problem::new(ProblemKind::NotFound, "There is no such organisation, or you have no access to it.")
}

fn token_of<'a>(parts: &'a Parts, cookie_name: &str) -> Option<&'a str> {
    if let Some(authorization) = parts.headers.get(AUTHORIZATION) {
        // A header that is no bearer token is not passed over in favour of a cookie: the client meant it.
        let (scheme, token) = authorization.to_str().ok()?.split_once(' ')?;
        return scheme.eq_ignore_ascii_case("bearer").then(|| token.trim());
    }
    cookie::value_of(&parts.headers, cookie_name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    fn token(headers: &[(&str, &str)]) -> Option<String> {
        let request =
            headers.iter().fold(Request::builder(), |request, (name, value)| request.header(*name, *value));
        token_of(&request.body(()).unwrap().into_parts().0, "audit_token").map(str::to_owned)
    }

    #[test]
    fn the_token_comes_from_the_header_or_the_cookie() {
        assert_eq!(token(&[]), None);
        assert_eq!(token(&[("authorization", "Bearer abc")]).as_deref(), Some("abc"));
        assert_eq!(token(&[("authorization", "bearer abc")]).as_deref(), Some("abc"));
        assert_eq!(token(&[("cookie", "theme=dark; audit_token=abc")]).as_deref(), Some("abc"));
        assert_eq!(token(&[("authorization", "Basic abc"), ("cookie", "audit_token=abc")]), None);
    }
}
