//! `GET /v1/orgs/{org}/summary`: the three cards.

use super::{PeriodFields, SnapshotFields, take_as_of};
use crate::app::App;
use crate::as_of::rfc3339;
use crate::ask;
use crate::auth::Viewer;
use crate::change::Change;
use crate::parameters::Parameters;
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde::Serialize;
use utoipa::ToSchema;

/// The cards of the current calendar month. No filter applies.
#[derive(Debug, Serialize, ToSchema)]
pub struct SummaryAnswer {
    /// The snapshot.
    #[serde(flatten)]
    pub snapshot: SnapshotFields,
    /// This calendar month.
    pub this_month: ThisMonth,
    /// Last calendar month.
    pub last_month: LastMonth,
    /// Last month up to the same day and local time of day.
    pub same_days_of_last_month: LastMonth,
}

/// This calendar month.
#[derive(Debug, Serialize, ToSchema)]
pub struct ThisMonth {
    /// Its days.
    #[serde(flatten)]
    pub period: PeriodFields,
    /// The present: the month so far ends here. RFC 3339.
    pub so_far_to: String,
    /// Credits consumed, exact decimal.
    pub credits: String,
    /// Members with at least one call, BYOK included.
    pub active_members: u64,
}

/// Days of last month, and how this month compares with them.
#[derive(Debug, Serialize, ToSchema)]
pub struct LastMonth {
    /// The days.
    #[serde(flatten)]
    pub period: PeriodFields,
    /// Credits consumed, exact decimal.
    pub credits: String,
    /// From these credits to this month's.
    pub change: Change,
}

/// Reads the three cards.
///
/// # Errors
/// See the table of problems.
#[utoipa::path(get, path = "/v1/orgs/{org}/summary", tag = "usage",
    params(("org" = String, Path, description = "the organisation's id"),
        ("as_of" = Option<String>, Query, description = "the snapshot of an earlier answer")),
    responses((status = 200, body = SummaryAnswer), (status = "default", body = crate::problem::ProblemDocument)))]
pub async fn get(State(app): State<App>, viewer: Viewer, uri: Uri) -> Result<Json<SummaryAnswer>, Problem> {
    let mut parameters = Parameters::parse(uri.query());
    let as_of = take_as_of(&mut parameters);
    parameters.finish()?;
    let (snapshot, cards) =
        ask::at_snapshot(&app, &viewer.org_id, as_of, |reader| async move { ask::cards(&reader).await })
            .await?;
    Ok(Json(SummaryAnswer {
        snapshot: SnapshotFields::of(&snapshot),
        this_month: ThisMonth {
            period: cards.this_month.into(),
            so_far_to: rfc3339(snapshot.as_of.now_ms),
            credits: cards.credits_this_month.to_string(),
            active_members: cards.active_members,
        },
        last_month: LastMonth {
            period: cards.last_month.into(),
            credits: cards.credits_last_month.to_string(),
            change: cards.against_last_month(),
        },
        same_days_of_last_month: LastMonth {
            period: cards.same_days.into(),
            credits: cards.credits_same_days.to_string(),
            change: cards.against_same_days(),
        },
    }))
}
