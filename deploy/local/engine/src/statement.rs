//! From a request's body to a running statement.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::Response;
use hyper::body::Incoming;

use crate::answer::{Body, Heading};
use crate::auth::User;
use crate::exception::{Code, Exception};
use crate::flush::Flushes;
use crate::handler::Context;
use crate::request::Call;
use crate::running::Ticket;
use crate::sql::{self, Statement};
use crate::{command, insert, select};

/// A statement about to run.
pub struct Job {
    /// What its answer will say about it.
    pub heading: Heading,
    /// How to run it.
    pub call: Call,
    /// For whom.
    pub user: User,
    /// Its place among the running ones.
    pub ticket: Ticket,
}

/// `max_query_size`: longest statement, the data of an `INSERT` apart.
pub const QUERY_BYTES_MAX: usize = 262_144;

/// Runs the statement that the parameter `query` and the body make up together.
pub async fn run(
    server: &Arc<Context>,
    flushes: Arc<Flushes>,
    mut job: Job,
    body: Option<Incoming>,
) -> Result<Response<Body>, Exception> {
    let text = std::mem::take(&mut job.call.query);
    let (text, body) = match (text, body) {
        (text, None) => (Bytes::from(text), None),
        (text, Some(body)) if brings_data(&text) => (with_line_break(text), Some(body)),
        (text, Some(body)) => read_statement(text, body, limit(&job)).await?,
    };
    let statement = sql::parse(&text)?;
    if body.is_some() && !matches!(statement, Statement::Insert { .. }) {
        return Err(too_long(limit(&job)));
    }
    let format = |named: Option<&str>, job: &Job| named.unwrap_or(&job.call.default_format).to_owned();
    match statement {
        Statement::Select { text, format: named, tail } => {
            job.heading.format = format(named, &job);
            select::run(server, flushes, job, text, tail).await
        }
        Statement::Insert { text: head, format: name, data } => {
            job.heading.format = name.to_owned();
            let (head, name, first) = (head.to_vec(), name.to_owned(), text.slice(data..));
            insert::run(server, job, head, name, first, body).await
        }
        Statement::Command { text, format: named, verb } => {
            job.heading.format = format(named, &job);
            command::run(server, job, text, verb).await
        }
    }
}

fn brings_data(text: &[u8]) -> bool {
    matches!(sql::parse(text), Ok(Statement::Insert { .. }))
}

/// ClickHouse puts a line break between the parameter and the body. Behind the format's name it belongs to the
/// statement; behind data it is data.
fn with_line_break(mut text: Vec<u8>) -> Bytes {
    text.push(b'\n');
    Bytes::from(text)
}

/// Reads the body until the statement is whole or, if it is an `INSERT`, its data has begun.
async fn read_statement(
    text: Vec<u8>,
    mut body: Incoming,
    limit: usize,
) -> Result<(Bytes, Option<Incoming>), Exception> {
    let mut text = BytesMut::from(text.as_slice());
    if !text.is_empty() {
        text.extend_from_slice(b"\n");
    }
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| {
            Exception::new(Code::CannotReadAllData, format_args!("The request body broke off: {e}"))
        })?;
        if let Ok(data) = frame.into_data() {
            text.extend_from_slice(&data);
        }
        if text.len() > limit {
            return Ok((text.freeze(), Some(body)));
        }
    }
    Ok((text.freeze(), None))
}

fn limit(job: &Job) -> usize {
    let named = job.call.session.settings.iter().rev().find(|(name, _)| name == "max_query_size");
    named.and_then(|(_, value)| value.parse().ok()).unwrap_or(QUERY_BYTES_MAX)
}

fn too_long(limit: usize) -> Exception {
    Exception::new(
        Code::SyntaxError,
        format_args!(
            "Syntax error: failed at position {limit}: Max query size exceeded (can be increased with the \
             `max_query_size` setting)"
        ),
    )
}
