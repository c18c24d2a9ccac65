//! `GET /v1/orgs/{org}/usage`: sums over time, compared with the period before.

use super::{PeriodFields, SnapshotFields, take_as_of};
use crate::app::App;
use crate::as_of::rfc3339;
use crate::ask::{self, Point, Series, Step};
use crate::auth::Viewer;
use crate::change::Change;
use crate::filter::Filter;
use crate::parameters::Parameters;
use crate::period::Period;
use crate::problem::Problem;
use crate::sums::{ByokCost, Sums};
use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde::Serialize;
use utoipa::ToSchema;

/// Usage over time.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageAnswer {
    /// The snapshot.
    #[serde(flatten)]
    pub snapshot: SnapshotFields,
    /// Width of a point: `day` or `month`.
    pub by: &'static str,
    /// The filter's days.
    #[serde(flatten)]
    pub current: UsagePeriod,
    /// The period before: of this month the same days of last month, of last month the month before, else as many
    /// days just before.
    pub previous: UsagePeriod,
    /// From the credits of the period before to these.
    pub change: Change,
}

/// A period with its sums and points.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsagePeriod {
    /// Its days.
    pub period: PeriodFields,
    /// All points together.
    pub totals: UsageSums,
    /// In order, those without a call included.
    pub points: Vec<UsagePoint>,
}

/// What some calls add up to.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageSums {
    /// Credits consumed, exact decimal.
    pub credits: String,
    /// All calls, BYOK included.
    pub calls: u64,
    /// Tokens read.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// BYOK calls, apart and by currency.
    pub byok: Vec<ByokCost>,
}

/// A day or a month.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsagePoint {
    /// First day.
    pub since: String,
    /// Last day, inclusive.
    pub until: String,
    /// First instant, RFC 3339.
    pub from: String,
    /// First instant after the last, RFC 3339.
    pub to: String,
    /// Its sums.
    #[serde(flatten)]
    pub sums: UsageSums,
}

/// Up to two months the days are shown unless something else is asked for.
const DAYS_BY_DEFAULT_MAX: u64 = 62;
/// Three years of days; an answer with more would be no series to look at.
const DAYS_MAX: u64 = 1_100;

/// Reads usage over time.
///
/// # Errors
/// See the table of problems.
#[utoipa::path(get, path = "/v1/orgs/{org}/usage", tag = "usage",
    params(("org" = String, Path, description = "the organisation's id"), crate::openapi::FilterParameters,
        ("by" = Option<String>, Query, description = "day or month; default day up to 62 days, else month"),
        ("as_of" = Option<String>, Query, description = "the snapshot of an earlier answer")),
    responses((status = 200, body = UsageAnswer), (status = "default", body = crate::problem::ProblemDocument)))]
pub async fn get(State(app): State<App>, viewer: Viewer, uri: Uri) -> Result<Json<UsageAnswer>, Problem> {
    let mut parameters = Parameters::parse(uri.query());
    let filter = &Filter::take(&mut parameters);
    let as_of = take_as_of(&mut parameters);
    let by = parameters.one_as("by", step_from);
    parameters.finish()?;
    let (snapshot, (step, series)) = ask::at_snapshot(&app, &viewer.org_id, as_of, |reader| async move {
        let period = reader.period_of(filter.range);
        let step = by.unwrap_or_else(|| default_step(&period));
        if step == Step::Day && period.days() > DAYS_MAX {
            let message = format!("must be month for more than {DAYS_MAX} days");
            return Err(Problem::invalid_parameter("by", message).into());
        }
        Ok((step, ask::series(&reader, filter, step).await?))
    })
    .await?;
    Ok(Json(UsageAnswer {
        snapshot: SnapshotFields::of(&snapshot),
        by: step_name(step),
        change: Change::between(series.previous_totals().credits, series.totals().credits),
        previous: UsagePeriod::previous(&series),
        current: UsagePeriod::current(&series),
    }))
}

impl UsagePeriod {
    fn current(series: &Series) -> Self {
        Self {
            period: series.period.into(),
            totals: UsageSums::of(&series.totals()),
            points: series.points.iter().map(UsagePoint::of).collect(),
        }
    }

    fn previous(series: &Series) -> Self {
        Self {
            period: series.previous.into(),
            totals: UsageSums::of(&series.previous_totals()),
            points: series.previous_points.iter().map(UsagePoint::of).collect(),
        }
    }
}

impl UsageSums {
    fn of(sums: &Sums) -> Self {
        Self {
            credits: sums.credits.to_string(),
            calls: sums.calls,
            input_tokens: sums.input_tokens,
            output_tokens: sums.output_tokens,
            byok: sums.byok_costs(),
        }
    }
}

impl UsagePoint {
    fn of(point: &Point) -> Self {
        Self {
            since: point.since.to_string(),
            until: point.until.to_string(),
            from: rfc3339(point.span.from_ms),
            to: rfc3339(point.span.to_ms),
            sums: UsageSums::of(&point.sums),
        }
    }
}

/// Days, as long as there are not too many.
pub fn default_step(period: &Period) -> Step {
    if period.days() <= DAYS_BY_DEFAULT_MAX { Step::Day } else { Step::Month }
}

/// The value of `by`.
pub fn step_from(text: &str) -> Result<Step, String> {
    match text {
        "day" => Ok(Step::Day),
        "month" => Ok(Step::Month),
        _ => Err("must be day or month".to_owned()),
    }
}

fn step_name(step: Step) -> &'static str {
    match step {
        Step::Day => "day",
        Step::Month => "month",
    }
}
