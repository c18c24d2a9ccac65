//! Cookies: read from a request, written into an answer.

use axum::http::header::{COOKIE, HeaderMap, ORIGIN};
use axum::http::{HeaderName, HeaderValue};
use std::time::Duration;

const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The value of a cookie that the client sent.
pub fn value_of<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies
        .flat_map(|value| value.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .find(|(found, _)| *found == name)
        .map(|(_, value)| value)
}

/// A cookie that scripts cannot read and other sites' forms do not carry. It is bound to TLS if the request came by
/// TLS: a client that lies about that only hurts itself. A lifetime of zero deletes the cookie. None if the value does
/// not fit a header.
pub fn set(request: &HeaderMap, name: &str, value: &str, lifetime: Duration) -> Option<HeaderValue> {
    let secure = if came_by_tls(request) { "; Secure" } else { "" };
    let max_age = lifetime.as_secs();
    HeaderValue::from_str(&format!(
        "{name}={value}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Lax{secure}"
    ))
    .ok()
}

/// The proxy that ends TLS says so, or the browser names our own origin with its form.
fn came_by_tls(headers: &HeaderMap) -> bool {
    let begins = |name: &HeaderName, text: &str| {
        headers.get(name).and_then(|value| value.to_str().ok()).is_some_and(|value| value.starts_with(text))
    };
    begins(&FORWARDED_PROTO, "https") || begins(&ORIGIN, "https://")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        pairs.collect()
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        let headers = headers(&[("cookie", "theme=dark; token=a.b-c; x=1")]);
        assert_eq!(value_of(&headers, "token"), Some("a.b-c"));
        assert_eq!(value_of(&headers, "oken"), None);
    }

    #[test]
    fn a_cookie_is_bound_to_tls_when_the_request_was() {
        let set = |request: &[(&'static str, &'static str)]| {
            let value = set(&headers(request), "token", "abc", Duration::from_secs(60)).unwrap();
            value.to_str().unwrap().to_owned()
        };
        let plain = "token=abc; Path=/; Max-Age=60; HttpOnly; SameSite=Lax";
        assert_eq!(set(&[]), plain);
        assert_eq!(set(&[("origin", "http://127.0.0.1:8080")]), plain);
        assert_eq!(set(&[("origin", "https://audit.example")]), format!("{plain}; Secure"));
        assert_eq!(set(&[("x-forwarded-proto", "https")]), format!("{plain}; Secure"));
    }

    #[test]
    fn what_would_break_the_header_is_not_set() {
        assert!(set(&HeaderMap::new(), "token", "a\r\nb", Duration::ZERO).is_none());
    }
}
