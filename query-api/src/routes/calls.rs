//! `GET /v1/orgs/{org}/calls`: the log, newest first, in pages.

use super::{CallFields, PeriodFields, ReasonFields, SnapshotFields, take_as_of};
use crate::app::App;
use crate::as_of::rfc3339;
use crate::ask::{self, LogRow, Place};
use crate::auth::Viewer;
use crate::directory::Directory;
use crate::filter::Filter;
use crate::parameters::Parameters;
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use proto::{Amount, EventId};
use serde::Serialize;
use utoipa::ToSchema;

/// A page of the log.
#[derive(Debug, Serialize, ToSchema)]
pub struct CallsAnswer {
    /// The snapshot. Send `as_of` back with `after`, so that new calls do not move the pages.
    #[serde(flatten)]
    pub snapshot: SnapshotFields,
    /// The filter's days.
    pub period: PeriodFields,
    /// Newest first.
    pub calls: Vec<CallFields>,
    /// The value of `after` for the next page; null at the end of results for this filter.
    pub next: Option<String>,
}

const LIMIT_DEFAULT: u32 = 50;
const LIMIT_MAX: u32 = 200;

/// Reads a page of the log.
///
/// # Errors
/// See the table of problems.
#[utoipa::path(get, path = "/v1/orgs/{org}/calls", tag = "log",
    params(("org" = String, Path, description = "the organisation's id"), crate::openapi::FilterParameters,
        ("limit" = Option<u32>, Query, description = "calls of a page, 1 to 200, default 50"),
        ("after" = Option<String>, Query, description = "`next` of the page before"),
        ("as_of" = Option<String>, Query, description = "the snapshot of an earlier answer")),
    responses((status = 200, body = CallsAnswer), (status = "default", body = crate::problem::ProblemDocument)))]
pub async fn get(State(app): State<App>, viewer: Viewer, uri: Uri) -> Result<Json<CallsAnswer>, Problem> {
    let mut parameters = Parameters::parse(uri.query());
    let filter = &Filter::take(&mut parameters);
    let as_of = take_as_of(&mut parameters);
    let limit = parameters.one_as("limit", limit_from).unwrap_or(LIMIT_DEFAULT);
    let place = parameters.one_as("after", event_id_from).map_or(Place::Newest, Place::After);
    parameters.finish()?;
    let (snapshot, (period, page)) = ask::at_snapshot(&app, &viewer.org_id, as_of, |reader| async move {
        let period = reader.period_of(filter.range);
        let page = ask::page(&reader, period.span, &filter.narrow, place, limit).await?;
        Ok((period, page))
    })
    .await?;
    let members = page.rows.iter().map(|row| row.member.as_str());
    let names = Directory::of(&app.warehouse, &viewer.org_id, members).await?;
    let last = page.rows.last().map(|row| row.id.to_string());
    Ok(Json(CallsAnswer {
        snapshot: SnapshotFields::of(&snapshot),
        period: period.into(),
        calls: page.rows.iter().map(|row| CallFields::of(row, &names)).collect(),
        next: last.filter(|_| page.more),
    }))
}

/// An event id in a path or a parameter.
///
/// # Errors
/// What is allowed instead.
pub fn event_id_from(text: &str) -> Result<EventId, String> {
    let id = uuid::Uuid::try_parse(text).ok().filter(|id| id.to_string() == text.to_ascii_lowercase());
    let id = id.and_then(|id| EventId::from_bytes(id.as_bytes()).ok());
    id.ok_or_else(|| "must be the event id of a call, a UUIDv7".to_owned())
}

/// How many a page shall have.
///
/// # Errors
/// What is allowed instead.
pub fn limit_from(text: &str) -> Result<u32, String> {
    let limit = text.parse::<u32>().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
    limit.ok_or_else(|| format!("must be a number from 1 to {LIMIT_MAX}"))
}

impl CallFields {
    /// A row of the log with the names of its member and reason.
    pub fn of(row: &LogRow, names: &Directory) -> Self {
        let byok = !row.currency_code.is_empty();
        let ReasonFields { reason, label } = ReasonFields::of(&row.reason_code);
        Self {
            event_id: row.id.to_string(),
            occurred_at: rfc3339(row.occurred_at_ms),
            member: names.person(&row.member),
            reason,
            reason_label: label,
            provider: row.provider_name.clone(),
            model: row.model_name.clone(),
            input_tokens: row.input_tokens,
            output_tokens: row.output_tokens,
            byok,
            credits: (!byok).then(|| Amount::from(row.credits).to_string()),
            provider_cost: byok.then(|| Amount::from(row.provider_cost).to_string()),
            currency: byok.then(|| row.currency_code.clone()),
        }
    }
}
