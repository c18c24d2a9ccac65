//! `GET /v1/orgs/{org}/breakdowns`: credits, calls and provider cost by reason, model and member.

use super::{ModelFields, PeriodFields, ReasonFields, SnapshotFields, take_as_of};
use crate::app::App;
use crate::ask::{self, Breakdowns};
use crate::auth::Viewer;
use crate::change::share;
use crate::directory::{Directory, Person};
use crate::filter::Filter;
use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::snapshot::Snapshot;
use crate::sums::exact;
use crate::sums::{ByokCost, Sums};
use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use proto::Amount;
use serde::Serialize;
use std::cmp::Reverse;
use utoipa::ToSchema;

/// The breakdowns of a filter. Each list is sorted by credits, then calls, both descending, then name.
#[derive(Debug, Serialize, ToSchema)]
pub struct BreakdownsAnswer {
    /// The snapshot.
    #[serde(flatten)]
    pub snapshot: SnapshotFields,
    /// The filter's days.
    pub period: PeriodFields,
    /// Everything together.
    pub totals: TotalsFields,
    /// By activity type.
    pub by_reason: Vec<ReasonRow>,
    /// By provider and model.
    pub by_model: Vec<ModelRow>,
    /// By team member, all of them.
    pub by_member: Vec<MemberRow>,
}

/// Everything together.
#[derive(Debug, Serialize, ToSchema)]
pub struct TotalsFields {
    /// All calls, BYOK included.
    pub calls: u64,
    /// Credits consumed, exact decimal.
    #[serde(serialize_with = "exact")]
    #[schema(value_type = String)]
    pub credits: Amount,
    /// BYOK calls, apart and by currency.
    pub byok: Vec<ByokCost>,
}

/// Sums of one value of a dimension.
#[derive(Debug, Serialize, ToSchema)]
pub struct RowFields {
    /// All calls, BYOK included.
    pub calls: u64,
    /// Credits consumed, exact decimal.
    #[serde(serialize_with = "exact")]
    #[schema(value_type = String)]
    pub credits: Amount,
    /// Of all credits, in percent with one decimal; `0.0` with credits above zero means less than 0.05.
    pub share: String,
    /// BYOK calls, apart and by currency.
    pub byok: Vec<ByokCost>,
}

/// One activity type.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReasonRow {
    /// Which.
    #[serde(flatten)]
    pub reason: ReasonFields,
    /// Its sums.
    #[serde(flatten)]
    pub row: RowFields,
}

/// One model.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelRow {
    /// Which.
    #[serde(flatten)]
    pub model: ModelFields,
    /// Its sums.
    #[serde(flatten)]
    pub row: RowFields,
}

/// One member.
#[derive(Debug, Serialize, ToSchema)]
pub struct MemberRow {
    /// Who.
    #[serde(flatten)]
    pub member: Person,
    /// Their sums.
    #[serde(flatten)]
    pub row: RowFields,
}

/// Reads the breakdowns of a filter.
///
/// # Errors
/// See the table of problems.
#[utoipa::path(get, path = "/v1/orgs/{org}/breakdowns", tag = "usage",
    params(("org" = String, Path, description = "the organisation's id"), crate::openapi::FilterParameters,
        ("as_of" = Option<String>, Query, description = "the snapshot of an earlier answer")),
    responses((status = 200, body = BreakdownsAnswer), (status = "default", body = crate::problem::ProblemDocument)))]
pub async fn get(
    State(app): State<App>,
    viewer: Viewer,
    uri: Uri,
) -> Result<Json<BreakdownsAnswer>, Problem> {
    let mut parameters = Parameters::parse(uri.query());
    let filter = &Filter::take(&mut parameters);
    let as_of = take_as_of(&mut parameters);
    parameters.finish()?;
    let answer = ask::at_snapshot(&app, &viewer.org_id, as_of, |reader| async move {
        ask::breakdowns(&reader, filter).await
    });
    let names = async { Directory::all(&app.warehouse, &viewer.org_id).await.map_err(Problem::from) };
    let ((snapshot, breakdowns), names) = tokio::try_join!(answer, names)?;
    Ok(Json(BreakdownsAnswer::of(&snapshot, breakdowns, &names)))
}

impl BreakdownsAnswer {
    /// Shapes sums into sorted lists.
    pub fn of(snapshot: &Snapshot, breakdowns: Breakdowns, names: &Directory) -> Self {
        let Breakdowns { period, totals, by_reason, by_model, by_member } = breakdowns;
        let all = totals.credits;
        let by_reason =
            sorted(by_reason.iter().map(|(code, sums)| (ReasonFields::of(code), sums)), |reason| {
                reason.label.clone()
            });
        let by_model = sorted(
            by_model.iter().map(|((provider, model), sums)| (ModelFields::of(provider, model), sums)),
            |model| model.value.clone(),
        );
        let by_member =
            sorted(by_member.iter().map(|(member, sums)| (names.person(member), sums)), |person| {
                format!("{}\0{}", person.label, person.member_id)
            });
        Self {
            snapshot: SnapshotFields::of(snapshot),
            period: period.into(),
            totals: TotalsFields { calls: totals.calls, credits: all, byok: totals.byok_costs() },
            by_reason: by_reason
                .into_iter()
                .map(|(reason, sums)| ReasonRow { reason, row: RowFields::of(sums, all) })
                .collect(),
            by_model: by_model
                .into_iter()
                .map(|(model, sums)| ModelRow { model, row: RowFields::of(sums, all) })
                .collect(),
            by_member: by_member
                .into_iter()
                .map(|(member, sums)| MemberRow { member, row: RowFields::of(sums, all) })
                .collect(),
        }
    }
}

impl RowFields {
    fn of(sums: &Sums, all_credits: Amount) -> Self {
        Self {
            calls: sums.calls,
            credits: sums.credits,
            share: share(sums.credits, all_credits),
            byok: sums.byok_costs(),
        }
    }
}

fn sorted<'a, T>(
    rows: impl Iterator<Item = (T, &'a Sums)>,
    name_of: impl Fn(&T) -> String,
) -> Vec<(T, &'a Sums)> {
    let mut rows: Vec<_> = rows.collect();
    rows.sort_by_cached_key(|(value, sums)| (Reverse(sums.credits), Reverse(sums.calls), name_of(value)));
    rows
}
