//! Answers: their headers, and errors before the first byte.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::Response;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};

use crate::chdb::Work;
use crate::engine::Engine;
use crate::exception::Exception;

/// The body of an answer.
pub type Body = UnsyncBoxBody<Bytes, Broken>;

/// An answer that ends before it is whole. The connection is closed without the end of the body.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The statement failed after its first rows were sent.
    #[error("the statement failed after the answer had begun: {0}")]
    Statement(Exception),
    /// What the engine had written could not be read back.
    #[error("cannot read the engine's output")]
    Output(#[source] std::io::Error),
}

/// What every answer to a statement says about itself.
pub struct Heading {
    /// The statement's name.
    pub query_id: String,
    /// Format of its rows.
    pub format: String,
    /// When the request came.
    pub began: Instant,
    /// Marks an error inside the body, see `select`: sixteen lowercase letters that no data can foresee.
    pub tag: String,
}

impl Heading {
    /// Of a statement that comes now; its format is not known yet.
    pub fn new(query_id: String) -> Self {
        let tag = uuid::Uuid::new_v4().as_bytes().iter().map(|b| char::from(b'a' + b % 26)).collect();
        Self { query_id, format: String::new(), began: Instant::now(), tag }
    }
}

/// A body that is whole already.
pub fn whole(data: impl Into<Bytes>) -> Body {
    Full::new(data.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A plain text, as `/ping` gives.
pub fn plain(status: hyper::StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(whole(text));
    *response.status_mut() = status;
    set(&mut response, CONTENT_TYPE, "text/html; charset=UTF-8");
    response
}

/// An error, as ClickHouse tells it when nothing has been sent yet.
pub fn failed(exception: &Exception, engine: &Engine, query_id: Option<&str>) -> Response<Body> {
    let mut response = Response::new(whole(with_version(exception, engine) + "\n"));
    *response.status_mut() = exception.status();
    set(&mut response, CONTENT_TYPE, "text/plain; charset=UTF-8");
    set(&mut response, HeaderName::from_static("x-clickhouse-exception-code"), &exception.code.to_string());
    if let Some(query_id) = query_id {
        set(&mut response, QUERY_ID, query_id);
    }
    response
}

/// An error's text as the real server gives it: with its version, which clients look for.
pub fn with_version(exception: &Exception, engine: &Engine) -> String {
    format!("{} (version {})", exception.text, engine.version())
}

/// A good answer. `work` is known if the statement has ended.
pub fn succeeded(heading: &Heading, engine: &Engine, work: Option<Work>, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    set(&mut response, CONTENT_TYPE, content_type(&heading.format));
    set(&mut response, QUERY_ID, &heading.query_id);
    set(&mut response, HeaderName::from_static("x-clickhouse-format"), &heading.format);
    set(&mut response, HeaderName::from_static("x-clickhouse-timezone"), engine.timezone());
    set(&mut response, HeaderName::from_static("x-clickhouse-server-display-name"), "local-engine");
    set(&mut response, HeaderName::from_static("x-clickhouse-exception-tag"), &heading.tag);
    if let Some(work) = work {
        set(
            &mut response,
            HeaderName::from_static("x-clickhouse-summary"),
            &summary(work, heading.began.elapsed()),
        );
    }
    response
}

const QUERY_ID: HeaderName = HeaderName::from_static("x-clickhouse-query-id");

fn summary(work: Work, elapsed: Duration) -> String {
    format!(
        r#"{{"read_rows":"{}","read_bytes":"{}","written_rows":"{}","written_bytes":"{}","elapsed_ns":"{}"}}"#,
        work.read_rows,
        work.read_bytes,
        work.written_rows,
        work.written_bytes,
        elapsed.as_nanos(),
    )
}

/// Leaves a header out if its value cannot be one: a query id may hold anything.
fn set(response: &mut Response<Body>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

fn content_type(format: &str) -> &'static str {
    match format {
        "CSV" => "text/csv; charset=UTF-8; header=absent",
        "CSVWithNames" | "CSVWithNamesAndTypes" => "text/csv; charset=UTF-8; header=present",
        "JSON" | "JSONCompact" | "JSONStrings" | "JSONColumns" | "JSONCompactColumns"
        | "JSONObjectEachRow" => "application/json; charset=UTF-8",
        "JSONEachRow" | "JSONLines" | "NDJSON" | "JSONCompactEachRow" | "JSONStringsEachRow" => {
            "application/x-ndjson; charset=UTF-8"
        }
        "XML" => "application/xml; charset=UTF-8",
        "RowBinary"
        | "RowBinaryWithNames"
        | "RowBinaryWithNamesAndTypes"
        | "Native"
        | "Parquet"
        | "Arrow"
        | "ArrowStream"
        | "ORC" => "application/octet-stream",
        _ if format.starts_with("TSV") || format.starts_with("TabSeparated") => {
            "text/tab-separated-values; charset=UTF-8"
        }
        _ => "text/plain; charset=UTF-8",
    }
}
