//! One call with all its fields, the message it came with, and what was told of it again.

use super::document::Document;
use super::frame::{Completeness, Frame, Tab};
use super::log::CallView;
use super::theme::Theme;
use super::words::{Moment, number};
use crate::app::App;
use crate::ask::{self, LogRow, MessageRow, Told};
use crate::auth::Viewer;
use crate::directory::Directory;
use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::routes::call::MessageFields;
use crate::routes::calls::event_id_from;
use crate::routes::take_as_of;
use crate::snapshot::Snapshot;
use askama::Template;
use axum::extract::{RawPathParams, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use proto::EventId;

#[derive(Template)]
#[template(path = "call.html", whitespace = "minimize")]
struct View {
    frame: Frame,
    complete: Completeness,
    audit_path: String,
    find_path: String,
    /// What was looked for.
    event_id: String,
    /// Why nothing is shown.
    mistake: Option<&'static str>,
    found: Option<Found>,
}

/// A call that was found.
struct Found {
    member_id: String,
    reason_code: String,
    currency: String,
    call: CallView,
    /// Topic that the message came with.
    topic: String,
    message: Message,
    repeats: Vec<Message>,
    conflicts: Vec<Conflict>,
}

/// Where a message stands in Kafka.
struct Message {
    source: u16,
    partition: u16,
    offset: String,
    appended: Moment,
}

/// A later message of another content.
struct Conflict {
    message: Message,
    /// What it tells otherwise: field, what counts, what it says.
    differences: Vec<(&'static str, String, String)>,
}

const MALFORMED: &str = "This is not an event id. It looks like 019f6574-7e05-76b1-923c-596e28c45f01; the CSV has one in \
                         each row.";
const UNKNOWN: &str = "Your organisation has no call with this event id.";

/// `GET /orgs/{org}/settings/audit/calls?event_id=…`: on to the call.
///
/// # Errors
/// See the table of problems.
pub async fn find(
    State(app): State<App>,
    viewer: Viewer,
    theme: Theme,
    uri: Uri,
) -> Result<Response, Problem> {
    let mut parameters = Parameters::parse(uri.query());
    let given = parameters.one("event_id").unwrap_or_default();
    parameters.finish_known()?;
    let given = given.trim();
    match event_id_from(given) {
        Ok(_) => {
            let audit = Tab::Audit.path(&viewer.org_id);
            Ok(Redirect::to(&format!("{audit}/calls/{}", given.to_ascii_lowercase())).into_response())
        }
        Err(_) => view(&app, &viewer, theme, &uri, given, None, StatusCode::OK).await,
    }
}

/// `GET /orgs/{org}/settings/audit/calls/{event_id}`.
///
/// # Errors
/// See the table of problems.
pub async fn get(
    State(app): State<App>,
    viewer: Viewer,
    theme: Theme,
    path: RawPathParams,
    uri: Uri,
) -> Result<Response, Problem> {
    let given = path.iter().find(|(name, _)| *name == "event_id").map_or("", |(_, value)| value);
    view(&app, &viewer, theme, &uri, given, event_id_from(given).ok(), StatusCode::NOT_FOUND).await
}

async fn view(
    app: &App,
    viewer: &Viewer,
    theme: Theme,
    uri: &Uri,
    given: &str,
    event_id: Option<EventId>,
    when_malformed: StatusCode,
) -> Result<Response, Problem> {
    let mut parameters = Parameters::parse(uri.query());
    let as_of = take_as_of(&mut parameters);
    parameters.finish_known()?;
    let (snapshot, told) = ask::at_snapshot(app, &viewer.org_id, as_of, |reader| async move {
        match event_id {
            Some(event_id) => Ok(ask::call(&reader, event_id).await?),
            None => Ok(None),
        }
    })
    .await?;
    let members = told.iter().flat_map(Told::members);
    let names = Directory::of(&app.warehouse, &viewer.org_id, members).await?;
    let organisation = &snapshot.organisation.display_name;
    let frame =
        Frame::of(app, viewer, organisation, Tab::Audit, "Audit – A call", theme, &uri.to_string()).await?;
    let audit_path = Tab::Audit.path(&viewer.org_id);
    let topic_of = |source| app.last_sources.topic_of(source).unwrap_or_default();
    let found = told.map(|told| Found::of(&told, &names, &snapshot, topic_of));
    let newest = if as_of.is_some() { uri.path().to_owned() } else { uri.to_string() };
    let mistake = match (event_id, &found) {
        (None, _) => Some(MALFORMED),
        (Some(_), None) => Some(UNKNOWN),
        (Some(_), Some(_)) => None,
    };
    let status = match (event_id, &found) {
        (_, Some(_)) => StatusCode::OK,
        (None, None) => when_malformed,
        (Some(_), None) => StatusCode::NOT_FOUND,
    };
    let view = View {
        frame,
        complete: Completeness::of(&snapshot, app.behind_after, newest),
        find_path: format!("{audit_path}/calls"),
        audit_path,
        event_id: given.to_owned(),
        mistake,
        found,
    };
    Ok((status, Document(view)).into_response())
}

impl Found {
    fn of(told: &Told, names: &Directory, snapshot: &Snapshot, topic_of: impl Fn(u16) -> String) -> Self {
        let first = LogRow::from(&told.first);
        let message = |row| Message::of(row, snapshot);
        let counts = message(&told.first);
        Self {
            member_id: first.member.clone(),
            reason_code: first.reason_code.clone(),
            currency: first.currency_code.clone(),
            call: CallView::of(&first, names, snapshot, [0; 2]),
            topic: topic_of(counts.source),
            message: counts,
            repeats: told.repeats.iter().map(message).collect(),
            conflicts: told
                .conflicts
                .iter()
                .map(|row| Conflict {
                    message: message(row),
                    differences: differences(&first, &LogRow::from(row), names, snapshot),
                })
                .collect(),
        }
    }
}

impl Message {
    fn of(row: &MessageRow, snapshot: &Snapshot) -> Self {
        let MessageFields { source, partition, offset, .. } = MessageFields::from(row);
        Self {
            source,
            partition,
            offset: number(u64::try_from(offset).unwrap_or(0)),
            appended: Moment::of(snapshot.as_of.zone, row.appended_at_ms),
        }
    }
}

/// Field by field what two contents of one call say differently. Their time is the same: the id holds it.
fn differences(
    counts: &LogRow,
    other: &LogRow,
    names: &Directory,
    snapshot: &Snapshot,
) -> Vec<(&'static str, String, String)> {
    let views = [counts, other].map(|row| CallView::of(row, names, snapshot, [0; 2]));
    let [counts_view, other_view] = &views;
    let person = |view: &CallView, row: &LogRow| format!("{} ({})", view.name, row.member);
    let fields = [
        ("User", person(counts_view, counts), person(other_view, other)),
        ("Reason", counts_view.reason.clone(), other_view.reason.clone()),
        ("Provider", counts.provider_name.clone(), other.provider_name.clone()),
        ("Model", counts.model_name.clone(), other.model_name.clone()),
        ("Input tokens", counts_view.input_tokens.clone(), other_view.input_tokens.clone()),
        ("Output tokens", counts_view.output_tokens.clone(), other_view.output_tokens.clone()),
        ("Charge", charge(counts_view), charge(other_view)),
    ];
    fields.into_iter().filter(|(_, counts, other)| counts != other).collect()
}

fn charge(view: &CallView) -> String {
    if view.byok { format!("{} (BYOK)", view.amount) } else { format!("{} credits", view.amount) }
}
