//! Who asks: the two users of this server, and the three ways ClickHouse lets a client name them.

use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;

use crate::exception::{Code, Exception};
use crate::params::Params;

/// A user of this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum User {
    /// May do everything.
    Admin,
    /// May read, and change no setting: `readonly = 1`.
    Reader,
}

/// The users' passwords.
pub struct Passwords {
    /// Of `admin`.
    pub admin: String,
    /// Of `reader`.
    pub reader: String,
}

/// Name and password as a client sent them.
struct Credentials {
    name: String,
    password: String,
}

impl Passwords {
    /// The user who sent this request.
    ///
    /// # Errors
    /// Wrong or missing name or password, two ways at once, or a scheme that is not supported: code 516.
    pub fn authenticate(&self, headers: &HeaderMap, url: &Params) -> Result<User, Exception> {
        let sent = credentials(headers, url)?;
        let (user, password) = match sent.name.as_str() {
            "admin" => (User::Admin, &self.admin),
            "reader" => (User::Reader, &self.reader),
            _ => return Err(wrong(&sent.name)),
        };
        if same(password.as_bytes(), sent.password.as_bytes()) { Ok(user) } else { Err(wrong(&sent.name)) }
    }
}

fn credentials(headers: &HeaderMap, url: &Params) -> Result<Credentials, Exception> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let by_header = headers.contains_key("x-clickhouse-user") || headers.contains_key("x-clickhouse-key");
    let by_url = url.get("user").is_some() || url.get("password").is_some();
    let authorization = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    if usize::from(by_header) + usize::from(by_url) + usize::from(authorization.is_some()) > 1 {
        return Err(refused(
            "Invalid authentication: it is not allowed to use X-ClickHouse HTTP headers, Authorization HTTP header \
             and authentication via parameters simultaneously",
        ));
    }
    let (name, password) = if by_header {
        (header("x-clickhouse-user").to_owned(), header("x-clickhouse-key").to_owned())
    } else if let Some(authorization) = authorization {
        basic(authorization)?
    } else {
        (url.text("user")?.unwrap_or_default(), url.text("password")?.unwrap_or_default())
    };
    Ok(Credentials { name: if name.is_empty() { "default".to_owned() } else { name }, password })
}

fn basic(authorization: &str) -> Result<(String, String), Exception> {
    let (scheme, encoded) = authorization.split_once(' ').unwrap_or((authorization, ""));
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(refused(format_args!(
            "Invalid authentication: '{scheme}' HTTP Authorization scheme is not supported"
        )));
    }
    base64(encoded.trim())
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .map(|text| match text.split_once(':') {
            Some((name, password)) => (name.to_owned(), password.to_owned()),
            None => (text, String::new()),
        })
        .ok_or_else(|| {
            refused("Invalid authentication: the Basic credentials are not base64 of name:password")
        })
}

fn refused(message: impl std::fmt::Display) -> Exception {
    Exception::new(Code::AuthenticationFailed, message)
}

fn wrong(name: &str) -> Exception {
    refused(format_args!(
        "{name}: Authentication failed: password is incorrect, or there is no user with such name"
    ))
}

/// Compares without telling by its time how much was right.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differences, (x, y)| differences | (x ^ y)) == 0
}

/// Standard base64, padded or not.
fn base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut count) = (0_u32, 0_u32);
    for c in text.trim_end_matches('=').bytes() {
        let value = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(headers: &[(&'static str, &str)], url: &str) -> Result<User, u16> {
        let passwords = Passwords { admin: "s3cret:x".to_owned(), reader: "r".to_owned() };
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        passwords.authenticate(&map, &Params::from_url(url).unwrap()).map_err(|e| e.code)
    }

    #[test]
    fn each_way_to_name_oneself_works() {
        assert_eq!(
            who(&[("x-clickhouse-user", "admin"), ("x-clickhouse-key", "s3cret:x")], ""),
            Ok(User::Admin)
        );
        assert_eq!(who(&[("authorization", "Basic YWRtaW46czNjcmV0Ong=")], ""), Ok(User::Admin));
        assert_eq!(who(&[], "user=reader&password=r"), Ok(User::Reader));
    }

    #[test]
    fn whatever_is_wrong_is_refused() {
        for (headers, url) in [
            (&[][..], ""),
            (&[("x-clickhouse-user", "admin")], ""),
            (&[("x-clickhouse-user", "admin"), ("x-clickhouse-key", "s3cret")], ""),
            (&[("x-clickhouse-user", "root"), ("x-clickhouse-key", "r")], ""),
            (&[("x-clickhouse-user", "reader"), ("x-clickhouse-key", "r")], "user=admin"),
            (&[("authorization", "Bearer abc")], ""),
            (&[("authorization", "Basic ***")], ""),
        ] {
            assert_eq!(who(headers, url), Err(516), "{headers:?} {url}");
        }
    }
}
