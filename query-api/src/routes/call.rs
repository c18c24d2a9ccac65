//! `GET /v1/orgs/{org}/calls/{event_id}`: one call, with the messages that told of it.

use super::calls::event_id_from;
use super::{CallFields, SnapshotFields, take_as_of};
use crate::app::App;
use crate::as_of::rfc3339;
use crate::ask::{self, LogRow, MessageRow};
use crate::auth::Viewer;
use crate::directory::Directory;
use crate::parameters::Parameters;
use crate::problem::{Problem, ProblemKind};
use axum::Json;
use axum::extract::{RawPathParams, State};
use axum::http::Uri;
use proto::Position;
use serde::Serialize;
use utoipa::ToSchema;

/// One call. The first message counts; later ones with the same id change no number and are kept as evidence.
#[derive(Debug, Serialize, ToSchema)]
pub struct CallAnswer {
    /// The snapshot.
    #[serde(flatten)]
    pub snapshot: SnapshotFields,
    /// The call that counts.
    pub call: CallFields,
    /// The message it came with.
    pub message: MessageFields,
    /// Later messages with the same content.
    pub repeats: Vec<MessageFields>,
    /// Later messages with another content.
    pub conflicts: Vec<Conflict>,
}

/// Where a message stands in Kafka.
#[derive(Debug, Serialize, ToSchema)]
pub struct MessageFields {
    /// Number of the source: one topic of one cluster.
    pub source: u16,
    /// Kafka partition.
    pub partition: u16,
    /// Kafka offset.
    pub offset: i64,
    /// When the broker appended it, RFC 3339.
    pub appended_at: String,
}

/// A message that tells something else under the same id.
#[derive(Debug, Serialize, ToSchema)]
pub struct Conflict {
    /// Where it stands.
    pub message: MessageFields,
    /// What it tells.
    pub call: CallFields,
}

/// Reads one call.
///
/// # Errors
/// See the table of problems; `not-found` where the organisation has no such call at the snapshot.
#[utoipa::path(get, path = "/v1/orgs/{org}/calls/{event_id}", tag = "log",
    params(("org" = String, Path, description = "the organisation's id"),
        ("event_id" = String, Path, description = "the call's event id, a UUIDv7"),
        ("as_of" = Option<String>, Query, description = "the snapshot of an earlier answer")),
    responses((status = 200, body = CallAnswer), (status = "default", body = crate::problem::ProblemDocument)))]
pub async fn get(
    State(app): State<App>,
    viewer: Viewer,
    path: RawPathParams,
    uri: Uri,
) -> Result<Json<CallAnswer>, Problem> {
    let mut parameters = Parameters::parse(uri.query());
    let as_of = take_as_of(&mut parameters);
    let event_id = path.iter().find(|(name, _)| *name == "event_id").map_or("", |(_, value)| value);
    let event_id = event_id_from(event_id).inspect_err(|message| parameters.mistake("event_id", message));
    parameters.finish()?;
    let no_such_call = || {
        let detail = "Your organisation has no call with this event id at this snapshot.";
        Problem::new(ProblemKind::NotFound, detail)
    };
    let event_id = event_id.map_err(|_| no_such_call())?;
    let (snapshot, told) = ask::at_snapshot(&app, &viewer.org_id, as_of, |reader| async move {
        Ok(ask::call(&reader, event_id).await?)
    })
    .await?;
    let told = told.ok_or_else(no_such_call)?;
    let names = Directory::of(&app.warehouse, &viewer.org_id, told.members()).await?;
    Ok(Json(CallAnswer {
        snapshot: SnapshotFields::of(&snapshot),
        call: CallFields::of(&LogRow::from(&told.first), &names),
        message: (&told.first).into(),
        repeats: told.repeats.iter().map(MessageFields::from).collect(),
        conflicts: told.conflicts.iter().map(|message| Conflict::of(message, &names)).collect(),
    }))
}

impl Conflict {
    /// A message with the names of its member and reason.
    pub fn of(message: &MessageRow, names: &Directory) -> Self {
        Self { message: message.into(), call: CallFields::of(&LogRow::from(message), names) }
    }
}

impl From<&MessageRow> for MessageFields {
    fn from(row: &MessageRow) -> Self {
        let position = Position::from_u64(row.position);
        Self {
            source: position.source(),
            partition: row.partition,
            offset: position.next_offset() - 1,
            appended_at: rfc3339(row.appended_at_ms),
        }
    }
}
