//! `GET /v1/orgs/{org}/anomalies`: calls that several messages told of, with all of them.

use super::call::{Conflict, MessageFields};
use super::calls::{event_id_from, limit_from};
use super::{CallFields, PeriodFields, SnapshotFields, take_as_of};
use crate::app::App;
use crate::ask::{self, LogRow, Place, Told};
use crate::auth::Viewer;
use crate::directory::Directory;
use crate::filter::take_range;
use crate::parameters::Parameters;
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde::Serialize;
use utoipa::ToSchema;

/// A page of anomalies. None of them changes a number: the first message of a call counts, whatever comes later.
#[derive(Debug, Serialize, ToSchema)]
pub struct AnomaliesAnswer {
    /// The snapshot. Send `as_of` back with `after`.
    #[serde(flatten)]
    pub snapshot: SnapshotFields,
    /// The days in which the calls happened.
    pub period: PeriodFields,
    /// Newest first. A page may be short, or empty, and not be the last.
    pub anomalies: Vec<AnomalyFields>,
    /// The value of `after` for the next page; null at the end of the period.
    pub next: Option<String>,
}

/// A call that several messages told of.
#[derive(Debug, Serialize, ToSchema)]
pub struct AnomalyFields {
    /// The call that counts.
    pub call: CallFields,
    /// The message it came with.
    pub message: MessageFields,
    /// Later messages with the same content. Repeats and conflicts together: the first 19; ask for the call to have all.
    pub repeats: Vec<MessageFields>,
    /// Later messages with another content.
    pub conflicts: Vec<Conflict>,
}

const LIMIT_DEFAULT: u32 = 50;

/// Reads a page of anomalies.
///
/// # Errors
/// See the table of problems.
#[utoipa::path(get, path = "/v1/orgs/{org}/anomalies", tag = "log",
    params(("org" = String, Path, description = "the organisation's id"),
        ("range" = Option<String>, Query, description = "this_month (default), last_month, last_30_days or custom"),
        ("since" = Option<String>, Query, description = "first day, with range=custom"),
        ("until" = Option<String>, Query, description = "last day, inclusive, with range=custom"),
        ("kind" = Option<String>, Query, description = "conflict: only calls with a conflict; default all"),
        ("limit" = Option<u32>, Query, description = "calls of a page, 1 to 200, default 50"),
        ("after" = Option<String>, Query, description = "`next` of the page before"),
        ("as_of" = Option<String>, Query, description = "the snapshot of an earlier answer")),
    responses((status = 200, body = AnomaliesAnswer),
        (status = "default", body = crate::problem::ProblemDocument)))]
pub async fn get(State(app): State<App>, viewer: Viewer, uri: Uri) -> Result<Json<AnomaliesAnswer>, Problem> {
    let mut parameters = Parameters::parse(uri.query());
    let range = take_range(&mut parameters);
    let as_of = take_as_of(&mut parameters);
    let conflicts_only = parameters.one_as("kind", is_conflict).unwrap_or(false);
    let limit = parameters.one_as("limit", limit_from).unwrap_or(LIMIT_DEFAULT);
    let place = parameters.one_as("after", event_id_from).map_or(Place::Newest, Place::After);
    parameters.finish()?;
    let (snapshot, (period, found)) = ask::at_snapshot(&app, &viewer.org_id, as_of, |reader| async move {
        let period = reader.period_of(range);
        Ok((period, ask::anomalies(&reader, period.span, place, conflicts_only, limit).await?))
    })
    .await?;
    let members = found.calls.iter().flat_map(Told::members);
    let names = Directory::of(&app.warehouse, &viewer.org_id, members).await?;
    Ok(Json(AnomaliesAnswer {
        snapshot: SnapshotFields::of(&snapshot),
        period: period.into(),
        anomalies: found.calls.iter().map(|told| AnomalyFields::of(told, &names)).collect(),
        next: found.next.map(|id| id.to_string()),
    }))
}

impl AnomalyFields {
    fn of(told: &Told, names: &Directory) -> Self {
        Self {
            call: CallFields::of(&LogRow::from(&told.first), names),
            message: (&told.first).into(),
            repeats: told.repeats.iter().map(MessageFields::from).collect(),
            conflicts: told.conflicts.iter().map(|message| Conflict::of(message, names)).collect(),
        }
    }
}

fn is_conflict(text: &str) -> Result<bool, String> {
    match text {
        "conflict" => Ok(true),
        "all" => Ok(false),
        _ => Err("must be conflict or all".to_owned()),
    }
}
