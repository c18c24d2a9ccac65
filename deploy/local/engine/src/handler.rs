//! One request: which of the interface's addresses it names, who sent it, and its way to an answer.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::BytesMut;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};

use crate::answer::{self, Body, Heading};
use crate::auth::Passwords;
use crate::engine::Engine;
use crate::exception::{Code, Exception};
use crate::flush::Flushes;
use crate::multipart;
use crate::params::Params;
use crate::request::Call;
use crate::running::Running;
use crate::statement::{self, Job};

/// What every request needs.
pub struct Context {
    /// The engine.
    pub engine: Arc<Engine>,
    /// The statements that run.
    pub running: Arc<Running>,
    /// The users.
    pub passwords: Passwords,
}

/// Answers one request.
pub async fn handle(
    server: Arc<Context>,
    flushes: Arc<Flushes>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let has_query = request.uri().query().is_some_and(|query| !query.is_empty());
    let mut response = match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/ping") => answer::plain(StatusCode::OK, "Ok.\n"),
        (&Method::GET | &Method::HEAD, "/") if !has_query => answer::plain(StatusCode::OK, "Ok.\n"),
        (&Method::POST, _) => query(&server, flushes, request).await,
        (&Method::GET | &Method::HEAD, _) if has_query => query(&server, flushes, request).await,
        (&Method::GET | &Method::HEAD, _) => answer::plain(
            StatusCode::NOT_FOUND,
            "There is no such address.\n\nUse / or /ping for health checks, and POST / for queries.\n",
        ),
        _ => {
            answer::plain(StatusCode::NOT_IMPLEMENTED, "The local engine answers GET, HEAD and POST only.\n")
        }
    };
    // Connections stay open until the client closes them or the server stops.
    response.headers_mut().insert("keep-alive", HeaderValue::from_static("timeout=3600"));
    Ok(response)
}

async fn query(server: &Arc<Context>, flushes: Arc<Flushes>, request: Request<Incoming>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let mut body = Some(body);
    let mut query_id = None;
    let result = async {
        let mut params = Params::from_url(parts.uri.query().unwrap_or_default())?;
        let user = server.passwords.authenticate(&parts.headers, &params)?;
        if let Some(boundary) = form_boundary(&parts.headers)?
            && let Some(form) = body.take()
        {
            multipart::parse(&read_form(form).await?, boundary, &mut params)?;
        }
        let call = Call::new(&parts.method, &parts.headers, params)?;
        query_id = Some(call.query_id.clone());
        let ticket = server.running.begin(&call.query_id)?;
        let heading = Heading::new(call.query_id.clone());
        statement::run(server, flushes, Job { heading, call, user, ticket }, body.take()).await
    }
    .await;
    // A client that still sends would see a closed connection instead of the error.
    if let Some(mut unread) = body {
        while let Some(Ok(_)) = unread.frame().await {}
    }
    result.unwrap_or_else(|exception: Exception| {
        tracing::info!(code = exception.code, query_id, error = exception.text, "a statement failed");
        answer::failed(&exception, &server.engine, query_id.as_deref())
    })
}

fn form_boundary(headers: &HeaderMap) -> Result<Option<&str>, Exception> {
    match headers.get(CONTENT_TYPE).map(HeaderValue::to_str) {
        Some(Ok(content_type)) => multipart::boundary(content_type),
        _ => Ok(None),
    }
}

async fn read_form(mut body: Incoming) -> Result<BytesMut, Exception> {
    let mut form = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| {
            Exception::new(Code::CannotReadAllData, format_args!("The request body broke off: {e}"))
        })?;
        if let Ok(data) = frame.into_data() {
            form.extend_from_slice(&data);
        }
        if form.len() > multipart::FORM_BYTES_MAX {
            return Err(Exception::new(
                Code::LimitExceeded,
                format_args!(
                    "A form above {} bytes is not supported by the local engine",
                    multipart::FORM_BYTES_MAX
                ),
            ));
        }
    }
    Ok(form)
}
