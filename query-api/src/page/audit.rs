//! Settings → Audit: how much, compared with what, who and on what, and every single call.

use super::breakdowns;
use super::cards::CardsView;
use super::document::Document;
use super::filter_bar::{FilterBar, Ingredients};
use super::frame::{Completeness, Frame, Tab, encoded};
use super::log::{Log, ROWS};
use super::part::{self, Failed, Part};
use super::state::{Days, State};
use super::theme::Theme;
use super::words::{count, days};
use crate::app::App;
use crate::ask::{self, Breakdowns, Cards, Options, Page, Place, Seen};
use crate::auth::Viewer;
use crate::directory::Directory;
use crate::envelope::RequestId;
use crate::period::Range;
use crate::problem::Problem;
use crate::reader::{AskError, Reader};
use crate::routes::breakdowns::BreakdownsAnswer;
use askama::Template;
use axum::extract::State as FromState;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use proto::Amount;
use warehouse::calendar;

#[derive(Template)]
#[template(path = "audit.html", whitespace = "minimize")]
struct View {
    frame: Frame,
    complete: Completeness,
    cards: Result<CardsView, Failed>,
    /// Whether the organisation never had a call.
    empty: bool,
    bar: FilterBar,
    export: Export,
    results: Results,
    find_path: String,
}

/// What stands below the filters.
enum Results {
    /// Custom dates are not both there, or not right: nothing is loaded.
    Unfinished,
    /// No call matches.
    Nothing,
    /// Breakdowns and log, each by itself.
    Loaded { breakdowns: Result<breakdowns::Breakdowns, Failed>, log: Result<Log, Failed> },
}

/// The export's link.
struct Export {
    /// Where the file is, unless it would be empty.
    href: Option<String>,
    /// `1,204 rows`.
    rows: Option<String>,
}

/// What is read at one snapshot.
struct Answers {
    cards: Part<Cards>,
    chosen: Option<Chosen>,
    empty: bool,
}

/// What is read of the chosen days.
struct Chosen {
    period: crate::period::Period,
    breakdowns: Part<Breakdowns>,
    options: Part<Options>,
    /// Decides colours only: without it they are others.
    seen: Vec<Seen>,
    page: Part<Page>,
}

/// `GET /orgs/{org}/settings/audit`.
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
    let state = &State::read(uri.query())?;
    let answer = ask::at_snapshot(&app, &viewer.org_id, state.as_of, |reader| read(reader, state));
    let names = async { Directory::all(&app.warehouse, &viewer.org_id).await.map_err(Problem::from) };
    let ((snapshot, answers), names) = tokio::try_join!(answer, names)?;

    let organisation = &snapshot.organisation.display_name;
    let title = format!("Audit – {}", title_of(&state.days));
    let here = uri.to_string();
    let frame =
        Frame::of(&app, &viewer, organisation, Tab::Audit, &title, theme, &here).await?.with_filter(state);

    let path = &Tab::Audit.path(&viewer.org_id);
    let api = &format!("/v1/orgs/{}", encoded(&viewer.org_id));
    let chosen = answers.chosen.as_ref();
    let calls = chosen.and_then(|chosen| chosen.breakdowns.as_ref().ok()).map(|found| found.totals.calls);
    let as_of = snapshot.as_of.to_string();
    let bar = FilterBar::of(&Ingredients {
        state,
        path,
        api,
        as_of: &as_of,
        options: chosen.map(|chosen| &chosen.options),
        names: &names,
        today: calendar::date_of(snapshot.as_of.zone, snapshot.as_of.now_ms),
        period: chosen.map(|chosen| chosen.period),
        calls,
    });
    let export = Export {
        href: (calls != Some(0) && chosen.is_some())
            .then(|| state.for_api().href(&format!("{api}/export.csv"), &[("as_of", &as_of)])),
        rows: calls.map(|calls| count(calls, "row")),
    };
    let failed = |what| part::failed(&request_id, what);
    let all_failed = answers.all_failed();
    let results = match answers.chosen {
        None => Results::Unfinished,
        Some(_) if calls == Some(0) => Results::Nothing,
        Some(chosen) => Results::Loaded {
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
            log: chosen
                .page
                .map(|page| Log::of(&page, &names, state, path, &snapshot))
                .map_err(failed("the audit log")),
        },
    };
    let view = View {
        frame,
        complete: Completeness::of(&snapshot, app.behind_after, state.link(path)),
        cards: answers.cards.map(|cards| CardsView::of(&cards, &snapshot)).map_err(failed("the cards")),
        empty: answers.empty,
        bar,
        export,
        results,
        find_path: format!("{path}/calls"),
    };
    let status = if all_failed { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    Ok((status, Document(view)).into_response())
}

async fn read(reader: Reader, state: &State) -> Result<Answers, AskError> {
    let Some(filter) = state.filter() else {
        let cards = part::of(ask::cards(&reader).await)?;
        return Ok(Answers { cards, chosen: None, empty: false });
    };
    let period = reader.period_of(filter.range);
    let place = state.after.map_or(Place::Newest, Place::After);
    let (cards, breakdowns, options, seen, page) = tokio::join!(
        ask::cards(&reader),
        ask::breakdowns(&reader, &filter),
        ask::options(&reader, &filter),
        ask::models(&reader),
        ask::page(&reader, period.span, &filter.narrow, place, ROWS),
    );
    let (cards, breakdowns, options) = (part::of(cards)?, part::of(breakdowns)?, part::of(options)?);
    let nothing = |cards: &Cards| {
        let credits = [cards.credits_this_month, cards.credits_last_month];
        cards.active_members == 0 && credits == [Amount::ZERO; 2]
    };
    let none_found = breakdowns.as_ref().is_ok_and(|found| found.totals.calls == 0);
    let empty = none_found && cards.as_ref().is_ok_and(nothing) && !ask::had_calls(&reader).await?;
    Ok(Answers {
        cards,
        chosen: Some(Chosen { period, breakdowns, options, seen: seen.unwrap_or_default(), page }),
        empty,
    })
}

impl Answers {
    fn all_failed(&self) -> bool {
        let of_chosen = self.chosen.as_ref().is_none_or(|chosen| {
            chosen.breakdowns.is_err() && chosen.options.is_err() && chosen.page.is_err()
        });
        self.cards.is_err() && of_chosen
    }
}

/// The days in a document's title.
pub fn title_of(chosen: &Days) -> String {
    match chosen {
        Days::Chosen(Range::ThisMonth) => "This month".to_owned(),
        Days::Chosen(Range::LastMonth) => "Last month".to_owned(),
        Days::Chosen(Range::Last30Days) => "Last 30 days".to_owned(),
        Days::Chosen(Range::Custom { since, until }) => days(*since, *until),
        Days::Unfinished { .. } => "Custom".to_owned(),
    }
}
