//! A request of ClickHouse's HTTP interface, taken apart and checked: what to run and how.

use hyper::{HeaderMap, Method};
use uuid::Uuid;

use crate::chdb::Parameters;
use crate::engine::Session;
use crate::exception::{Code, Exception};
use crate::params::{Params, utf8};

/// Bytes of an answer held back before its first byte is sent, so that an error until then has a status of its
/// own: the size of the real server's buffer.
const HOLD_BACK_BYTES: usize = 1 << 20;

/// What to run and how.
#[derive(Debug)]
pub struct Call {
    /// The part of the statement that came as the parameter `query`.
    pub query: Vec<u8>,
    /// Values of the placeholders.
    pub parameters: Parameters,
    /// The session's settings and database.
    pub session: Session,
    /// The format of a statement that names none.
    pub default_format: String,
    /// Identifies the statement to its client.
    pub query_id: String,
    /// Answer only when the statement has finished.
    pub wait_end: bool,
    /// Bytes of the answer to hold back.
    pub hold_back: usize,
}

/// Whether a parameter's value asks for something.
type Asks = fn(&[u8]) -> bool;

/// Parts of ClickHouse's interface that are refused by name.
const REFUSED: [(&str, Asks); 11] = [
    ("compress", switched_on),
    ("decompress", switched_on),
    ("client_protocol_version", switched_on),
    ("session_id", always),
    ("session_timeout", always),
    ("session_check", always),
    ("close_session", always),
    ("role", always),
    ("http_write_exception_in_output_format", switched_on),
    ("stacktrace", switched_on),
    ("quota_key", not_empty),
];

/// Parameters of the interface that are no settings of the engine, beside those in [`REFUSED`].
const RESERVED: [&str; 9] = [
    "query",
    "database",
    "default_format",
    "user",
    "password",
    "query_id",
    "wait_end_of_query",
    "buffer_size",
    "http_wait_end_of_query",
];

fn switched_on(value: &[u8]) -> bool {
    !matches!(value, b"" | b"0" | b"false")
}

fn always(_: &[u8]) -> bool {
    true
}

fn not_empty(value: &[u8]) -> bool {
    !value.is_empty()
}

/// The parameters that are refused when they ask for something, as `=1` does.
pub fn refused_parameters() -> impl Iterator<Item = &'static str> {
    REFUSED.iter().map(|(name, _)| *name)
}

impl Call {
    /// Reads a request's parameters and headers.
    ///
    /// # Errors
    /// What this server does not support, by name; values that are no UTF-8 or no number.
    pub fn new(method: &Method, headers: &HeaderMap, params: Params) -> Result<Self, Exception> {
        refuse_encodings(headers)?;
        for (name, refuses) in REFUSED {
            if params.get(name).is_some_and(refuses) {
                return Err(Exception::unsupported(format_args!("The parameter `{name}`")));
            }
        }
        let header = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let database = params.text("database")?.or_else(|| header("x-clickhouse-database"));
        let default_format = match params.text("default_format")?.or_else(|| header("x-clickhouse-format")) {
            None => "TabSeparated".to_owned(),
            Some(name)
                if !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') =>
            {
                name
            }
            Some(name) => {
                return Err(Exception::new(Code::UnknownFormat, format_args!("Unknown format {name}")));
            }
        };
        let hold_back = match params.text("buffer_size")? {
            None => HOLD_BACK_BYTES,
            Some(text) => text
                .parse::<usize>()
                .map_err(|_| {
                    Exception::new(
                        Code::BadArguments,
                        format_args!("`buffer_size` takes a number of bytes, not `{text}`"),
                    )
                })?
                .clamp(1, HOLD_BACK_BYTES),
        };
        let query_id = params.text("query_id")?.filter(|id| !id.is_empty());
        let mut call = Self {
            query: params.get("query").unwrap_or_default().to_vec(),
            parameters: Parameters::default(),
            session: Session {
                database: database.filter(|name| !name.is_empty() && name != "default"),
                settings: Vec::new(),
                reads_only: method == Method::GET || method == Method::HEAD,
                query_bytes: None,
            },
            default_format,
            query_id: query_id.unwrap_or_else(|| Uuid::new_v4().to_string()),
            wait_end: params.is_on("wait_end_of_query") || params.is_on("http_wait_end_of_query"),
            hold_back,
        };
        for (name, value) in params.into_pairs() {
            if let Some(name) = name.strip_prefix("param_") {
                call.parameters.push(name.to_owned(), value);
            } else if !name.is_empty()
                && !RESERVED.contains(&name.as_str())
                && !REFUSED.iter().any(|r| r.0 == name)
            {
                let value = utf8(&name, value)?;
                call.session.settings.push((name, value));
            }
        }
        Ok(call)
    }
}

fn refuse_encodings(headers: &HeaderMap) -> Result<(), Exception> {
    match headers.get("content-encoding").map(|v| v.as_bytes()) {
        None | Some(b"" | b"identity") => Ok(()),
        Some(name) => Err(Exception::unsupported(format_args!(
            "A request body with `Content-Encoding: {}`",
            String::from_utf8_lossy(name)
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(url: &str) -> Result<Call, u16> {
        Call::new(&Method::POST, &HeaderMap::new(), Params::from_url(url).unwrap()).map_err(|e| e.code)
    }

    #[test]
    fn settings_parameters_and_the_rest_are_told_apart() {
        let call = call(
            "query=SELECT+1&param_a=x&max_threads=2&database=d&default_format=JSON&query_id=q&user=u&password=p\
             &wait_end_of_query=1&decompress=0&stacktrace=0&quota_key=",
        )
        .unwrap();
        assert_eq!(call.query, b"SELECT 1");
        assert_eq!(call.session.settings, [("max_threads".to_owned(), "2".to_owned())]);
        assert_eq!(call.session.database.as_deref(), Some("d"));
        assert_eq!(
            (call.default_format.as_str(), call.query_id.as_str(), call.wait_end),
            ("JSON", "q", true)
        );
    }

    #[test]
    fn what_is_not_supported_is_refused_by_name() {
        for name in refused_parameters() {
            assert_eq!(call(&format!("{name}=1")).unwrap_err(), 48, "{name}");
        }
        for url in ["session_id=s", "role=r", "client_protocol_version=54492", "quota_key=team"] {
            assert_eq!(call(url).unwrap_err(), 48, "{url}");
        }
        assert_eq!(call("default_format=JSON;").unwrap_err(), 73);
        assert_eq!(call("buffer_size=many").unwrap_err(), 36);
    }
}
