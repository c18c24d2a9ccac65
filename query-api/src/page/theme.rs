//! Light, dark, or as the browser has it: a choice kept in a cookie.

use crate::cookie;
use crate::origin::SameOrigin;
use crate::problem::{Problem, ProblemKind};
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use percent_encoding::percent_decode_str;
use std::convert::Infallible;
use std::time::Duration;

/// What a reader chose.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Theme {
    /// As the browser has it.
    #[default]
    Auto,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

const COOKIE_NAME: &str = "theme";
const LIFETIME: Duration = Duration::from_secs(365 * 24 * 3600);

impl Theme {
    /// All, in the order in which they are offered.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Light, Self::Dark];

    /// Its code in the cookie, in the address and in the page.
    pub fn code(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// What people call it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Auto => "System",
            Self::Light => "Light",
            Self::Dark => "Dark",
        }
    }

    fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|theme| theme.code() == code)
    }
}

impl<S: Sync> FromRequestParts<S> for Theme {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(cookie::value_of(&parts.headers, COOKIE_NAME).and_then(Self::from_code).unwrap_or_default())
    }
}

/// `POST /settings/theme/{theme}?back=…`: keeps the choice and goes back to the page it was made on.
///
/// # Errors
/// A theme that does not exist.
pub async fn choose(
    _: SameOrigin,
    headers: HeaderMap,
    Path(code): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    let theme = Theme::from_code(&code)
        .ok_or_else(|| Problem::new(ProblemKind::NotFound, "Themes are auto, light and dark."))?;
    let mut response = Redirect::to(&way_back(uri.query())).into_response();
    if let Some(cookie) = cookie::set(&headers, COOKIE_NAME, theme.code(), LIFETIME) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// A page of our own and nothing else: a link must not send a reader elsewhere.
fn way_back(query: Option<&str>) -> String {
    let back = query.and_then(|query| query.strip_prefix("back=")).unwrap_or_default();
    let back = percent_decode_str(back).decode_utf8_lossy().into_owned();
    let plain = back.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let ours = back.starts_with('/') && !back.starts_with("//") && plain;
    if ours { back } else { "/settings/audit".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_leads_to_a_page_of_ours() {
        assert_eq!(
            way_back(Some("back=/orgs/a/settings/audit%3Fmember%3Dm%26byok%3Donly")),
            "/orgs/a/settings/audit?member=m&byok=only"
        );
        for elsewhere in [
            None,
            Some("back="),
            Some("back=//evil.example"),
            Some("back=/%5Cevil"),
            Some("back=https://x"),
            Some("back=/a%0D%0Ab"),
        ] {
            assert_eq!(way_back(elsewhere), "/settings/audit", "{elsewhere:?}");
        }
    }

    #[test]
    fn every_theme_reads_back() {
        for theme in Theme::ALL {
            assert_eq!(Theme::from_code(theme.code()), Some(theme));
        }
        assert_eq!(Theme::from_code("pink"), None);
    }
}
