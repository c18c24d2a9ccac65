//! Settings → Audit.

use super::cards::CardsView;
use super::document::Document;
use super::frame::{Completeness, Frame, Tab};
use super::theme::Theme;
use crate::app::App;
use crate::ask;
use crate::auth::Viewer;
use crate::problem::Problem;
use askama::Template;
use axum::extract::State;
use axum::http::Uri;
use axum::response::IntoResponse;

#[derive(Template)]
#[template(path = "audit.html", whitespace = "minimize")]
struct View {
    frame: Frame,
    complete: Completeness,
    cards: CardsView,
}

/// `GET /orgs/{org}/settings/audit`.
///
/// # Errors
/// See the table of problems.
pub async fn get(
    State(app): State<App>,
    viewer: Viewer,
    theme: Theme,
    uri: Uri,
) -> Result<impl IntoResponse, Problem> {
    let (snapshot, cards) =
        ask::at_snapshot(&app, &viewer.org_id, None, |reader| async move { ask::cards(&reader).await })
            .await?;
    let organisation = &snapshot.organisation.display_name;
    let here = uri.to_string();
    let frame =
        Frame::of(&app, &viewer, organisation, Tab::Audit, "Audit – This month", theme, &here)
            .await?;
    let complete = Completeness::of(&snapshot);
    Ok(Document(View { frame, complete, cards: CardsView::of(&cards, &snapshot) }))
}
