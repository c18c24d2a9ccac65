//! Settings → Usage: totals and charts only, compared with the period before.

mod compared;
mod measure;
mod over_time;
mod totals;

use super::audit::title_of;
use super::breakdowns;
use super::document::Document;
use super::filter_bar::{FilterBar, Ingredients};
use super::frame::{Completeness, Frame, Tab, encoded};
use super::part::{self, Failed, Part};
use super::state::State;
use super::theme::Theme;
use crate::app::App;
use crate::ask::{self, Breakdowns, Options, Seen, Series, Step};
use crate::auth::Viewer;
use crate::directory::Directory;
use crate::envelope::RequestId;
use crate::parameters::Parameters;
use crate::period::Period;
use crate::problem::Problem;
use crate::reader::{AskError, Reader};
use crate::routes::breakdowns::BreakdownsAnswer;
use crate::routes::usage::{default_step, step_from};
use askama::Template;
use axum::extract::State as FromState;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use compared::Compared;
use measure::Measure;
use over_time::{OverTime, Stretch};
use totals::Totals;
use warehouse::calendar;

#[derive(Template)]
#[template(path = "usage.html", whitespace = "minimize")]
struct View {
    frame: Frame,
    complete: Completeness,
    bar: FilterBar,
    /// Whether the organisation never had a call.
    empty: bool,
    /// The same calls one by one.
    audit_href: String,
    results: Results,
}

/// What stands below the filters.
enum Results {
    /// Custom dates are not both there, or not right: nothing is loaded.
    Unfinished,
    /// No call matches, in neither period.
    Nothing,
    /// Charts and breakdowns, each by itself.
    Loaded { charts: Result<Box<Charts>, Failed>, breakdowns: Result<breakdowns::Breakdowns, Failed> },
}

struct Charts {
    compared: Compared,
    totals: Totals,
    steps: Vec<StepLink>,
    drawn: Vec<OverTime>,
    /// Of the table: every measure, in the order of a row's values.
    columns: Vec<String>,
    stretches: [Stretch; 2],
}

/// A link to the same page by day or by month.
struct StepLink {
    label: &'static str,
    href: String,
    current: bool,
}

/// What is read of the chosen days at one snapshot.
struct Chosen {
    period: Period,
    step: Step,
    series: Part<Series>,
    breakdowns: Part<Breakdowns>,
    options: Part<Options>,
    /// Decides colours only: without it they are others.
    seen: Vec<Seen>,
    empty: bool,
}

/// A page with more bars is no page to look at.
const DAYS_MAX: u64 = 100;

/// `GET /orgs/{org}/settings/usage`.
///
/// # Errors
/// See the table of problems. A part that cannot be read is told in its place.
pub async fn get(
    FromState(app): FromState<App>,
    viewer: Viewer,
    theme: Theme,
    request_id: RequestId,
    uri: Uri,
) -> Result<Response, Problem> {
    let mut parameters = Parameters::parse(uri.query());
    let state = State::take(&mut parameters);
    let by = parameters.one_as("by", step_from);
    parameters.finish_known()?;
    // Months fit any days that a link may lead to; single days do not.
    let state = &State { by: (by == Some(Step::Month)).then_some("month"), ..state };
    let answer = ask::at_snapshot(&app, &viewer.org_id, state.as_of, |reader| read(reader, state, by));
    let names = async { Directory::all(&app.warehouse, &viewer.org_id).await.map_err(Problem::from) };
    let ((snapshot, chosen), names) = tokio::try_join!(answer, names)?;

    let organisation = &snapshot.organisation.display_name;
    let title = format!("Usage – {}", title_of(&state.days));
    let here = uri.to_string();
    let frame =
        Frame::of(&app, &viewer, organisation, Tab::Usage, &title, theme, &here).await?.with_filter(state);
    let path = &Tab::Usage.path(&viewer.org_id);
    let mut bar = FilterBar::of(&Ingredients {
        state,
        path,
        api: &format!("/v1/orgs/{}", encoded(&viewer.org_id)),
        as_of: &snapshot.as_of.to_string(),
        options: chosen.as_ref().map(|chosen| &chosen.options),
        names: &names,
        today: calendar::date_of(snapshot.as_of.zone, snapshot.as_of.now_ms),
        period: chosen.as_ref().map(|chosen| chosen.period),
        calls: chosen.as_ref().and_then(|chosen| Some(chosen.breakdowns.as_ref().ok()?.totals.calls)),
    });
    let now_ms = snapshot.as_of.now_ms;
    let failed = |what| part::failed(&request_id, what);
    let links = chosen.as_ref().map(|chosen| steps(chosen.step, &chosen.period, state, path));
    if let Some(current) = links.iter().flatten().find(|link| link.current) {
        bar.address.clone_from(&current.href);
    }
    let empty = chosen.as_ref().is_some_and(|chosen| chosen.empty);
    let all_failed = chosen.as_ref().is_some_and(Chosen::all_failed);
    let results = match chosen {
        None => Results::Unfinished,
        Some(chosen) if chosen.found_nothing() => Results::Nothing,
        Some(chosen) => Results::Loaded {
            charts: chosen
                .series
                .map(|series| {
                    let compared = Compared::of(&series, &snapshot);
                    let measures = Measure::of(&series);
                    Box::new(Charts {
                        totals: Totals::of(&series),
                        steps: steps(chosen.step, &chosen.period, state, path),
                        drawn: over_time::of(&series, &measures, chosen.step, &compared, &snapshot),
                        columns: measures.iter().map(Measure::heading).collect(),
                        stretches: over_time::stretches(&series, &measures, chosen.step, &compared, now_ms),
                        compared,
                    })
                })
                .map_err(failed("the charts")),
            breakdowns: chosen
                .breakdowns
                .map(|found| {
                    breakdowns::views(
                        &BreakdownsAnswer::of(&snapshot, found, &names),
                        &chosen.seen,
                        &names,
                        state,
                        path,
                    )
                })
                .map_err(failed("the breakdowns")),
        },
    };
    let view = View {
        frame,
        complete: Completeness::of(&snapshot, app.behind_after, state.link(path)),
        bar,
        empty,
        audit_href: state.for_api().href(&Tab::Audit.path(&viewer.org_id), &[]),
        results,
    };
    let status = if all_failed { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    Ok((status, Document(view)).into_response())
}

async fn read(reader: Reader, state: &State, by: Option<Step>) -> Result<Option<Chosen>, AskError> {
    let Some(filter) = state.filter() else { return Ok(None) };
    let period = reader.period_of(filter.range);
    let step = by.unwrap_or_else(|| default_step(&period));
    if step == Step::Day && period.days() > DAYS_MAX {
        let message = format!("must be month for more than {DAYS_MAX} days");
        return Err(Problem::invalid_parameter("by", message).into());
    }
    let (series, breakdowns, options, seen) = tokio::join!(
        ask::series(&reader, &filter, step),
        ask::breakdowns(&reader, &filter),
        ask::options(&reader, &filter),
        ask::models(&reader),
    );
    let (series, breakdowns, options) = (part::of(series)?, part::of(breakdowns)?, part::of(options)?);
    let mut chosen =
        Chosen { period, step, series, breakdowns, options, seen: seen.unwrap_or_default(), empty: false };
    chosen.empty = chosen.found_nothing() && !ask::had_calls(&reader).await?;
    Ok(Some(chosen))
}

impl Chosen {
    fn found_nothing(&self) -> bool {
        let none = |series: &Series| series.totals().calls + series.previous_totals().calls == 0;
        self.series.as_ref().is_ok_and(none)
    }

    fn all_failed(&self) -> bool {
        self.series.is_err() && self.breakdowns.is_err() && self.options.is_err()
    }
}

/// By day, as long as there are not too many, and by month. The default has no parameter.
fn steps(current: Step, period: &Period, state: &State, path: &str) -> Vec<StepLink> {
    let default = default_step(period);
    let steps = [(Step::Day, "By day", "day"), (Step::Month, "By month", "month")];
    let offered = steps.into_iter().filter(|(step, ..)| *step == Step::Month || period.days() <= DAYS_MAX);
    let links = offered.map(|(step, label, code)| {
        let further = [("by", code)];
        let further = if step == default { &[][..] } else { &further[..] };
        let any_step = State { by: None, ..state.clone() };
        StepLink { label, href: any_step.href(path, further), current: step == current }
    });
    links.collect()
}
