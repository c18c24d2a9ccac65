//! `GET /v1/orgs/{org}/export.csv`: all calls of a filter as a file.

use super::take_as_of;
use crate::app::App;
use crate::as_of::rfc3339;
use crate::ask::{self, Page, Place};
use crate::auth::Viewer;
use crate::csv;
use crate::directory::Directory;
use crate::filter::Filter;
use crate::metrics;
use crate::parameters::Parameters;
use crate::period::Span;
use crate::problem::Problem;
use crate::reader::Reader;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, Method, Uri, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use proto::EventId;
use service::error::chain;
use std::io;
use tokio::sync::mpsc;

/// Calls read at once. An export holds about three times as many in memory, however long it is; and since each page
/// is read whole before it is sent, a slow client never keeps ClickHouse waiting.
const ROWS_AT_ONCE: u32 = 20_000;

/// Streams the calls of a filter as CSV, newest first.
///
/// # Errors
/// See the table of problems. After the first byte an error breaks the transfer instead, so that half a file is never
/// taken for a whole one.
#[utoipa::path(get, path = "/v1/orgs/{org}/export.csv", tag = "log",
    params(("org" = String, Path, description = "the organisation's id"), crate::openapi::FilterParameters,
        ("as_of" = Option<String>, Query, description = "the snapshot of an earlier answer")),
    responses((status = 200, content_type = "text/csv", body = String,
            headers(("as-of" = String, description = "the snapshot"),
                ("complete-through" = String, description = "every call received up to this time is in the file"))),
        (status = "default", body = crate::problem::ProblemDocument)))]
pub async fn get(
    State(app): State<App>,
    viewer: Viewer,
    method: Method,
    uri: Uri,
) -> Result<Response, Problem> {
    let mut parameters = Parameters::parse(uri.query());
    let filter = Filter::take(&mut parameters);
    let as_of = take_as_of(&mut parameters);
    parameters.finish()?;
    let chosen = &filter;
    let first = ask::at_snapshot(&app, &viewer.org_id, as_of, |reader| async move {
        let period = reader.period_of(chosen.range);
        let page = ask::page(&reader, period.span, &chosen.narrow, Place::Newest, ROWS_AT_ONCE).await?;
        Ok((reader, period, page))
    });
    let names = async { Directory::all(&app.warehouse, &viewer.org_id).await.map_err(Problem::from) };
    let ((snapshot, (reader, period, page)), names) = tokio::try_join!(first, names)?;

    let name = csv::file_name(&snapshot.organisation.short_name, &period);
    let (sender, receiver) = mpsc::channel(1);
    let body = Body::from_stream(stream::unfold(receiver, async |mut receiver| {
        Some((receiver.recv().await?, receiver))
    }));
    let export = Export { viewer, filter, reader, span: period.span, names, sender };
    if method != Method::HEAD {
        tokio::spawn(export.run(page));
    }
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8; header=present"));
    let disposition = format!("attachment; filename=\"{name}\"");
    let complete_through = snapshot.complete_through_ms.map(rfc3339).unwrap_or_default();
    for (name, value) in [
        (header::CONTENT_DISPOSITION, disposition),
        (HeaderName::from_static("as-of"), snapshot.as_of.to_string()),
        (HeaderName::from_static("complete-through"), complete_through),
    ] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    Ok(response)
}

struct Export {
    viewer: Viewer,
    filter: Filter,
    reader: Reader,
    span: Span,
    names: Directory,
    sender: mpsc::Sender<io::Result<Bytes>>,
}

/// Why a file was not finished.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("the client went away, or did not read on")]
    ClientGone,
    #[error("{0}")]
    Unreadable(String),
    #[error("a line cannot be written")]
    Unwritable(#[from] ::csv::Error),
}

impl Export {
    /// Sends all pages, each while the next one is read.
    async fn run(self, first: Page) {
        let Err(why) = self.pages(first).await else { return };
        metrics::export_broken();
        match why {
            Broken::ClientGone => tracing::info!(org_id = self.viewer.org_id, "export broken off: {why}"),
            _ => tracing::warn!(org_id = self.viewer.org_id, "export broken off: {}", chain(&why)),
        }
        // An error in the body's stream breaks the transfer: the client sees that the file is not whole. It may have
        // gone already.
        let _ = self.sender.send(Err(io::Error::other("the export broke off"))).await;
    }

    async fn pages(&self, first: Page) -> Result<(), Broken> {
        self.send(csv::head()?).await?;
        let mut page = first;
        loop {
            metrics::exported(page.rows.len());
            self.send(csv::lines(&page.rows, &self.names)?).await?;
            let last = page.rows.last().and_then(|row| EventId::from_bytes(row.id.as_bytes()).ok());
            let (true, Some(last)) = (page.more, last) else { return Ok(()) };
            let narrow = &self.filter.narrow;
            page = ask::page(&self.reader, self.span, narrow, Place::After(last), ROWS_AT_ONCE)
                .await
                .map_err(|problem| Broken::Unreadable(problem.inside().unwrap_or_default().to_owned()))?;
        }
    }

    async fn send(&self, chunk: Vec<u8>) -> Result<(), Broken> {
        self.sender.send(Ok(Bytes::from(chunk))).await.map_err(|_| Broken::ClientGone)
    }
}
