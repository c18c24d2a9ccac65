//! Pages without an organisation in their address: on to the first one the token allows to see.

use crate::auth::{Caller, no_permission};
use crate::page::frame::Tab;
use crate::problem::Problem;
use axum::http::Uri;
use axum::response::Redirect;

/// `GET /settings/audit`, and `/`.
///
/// # Errors
/// No token, or none that allows anything.
pub async fn audit(caller: Caller, uri: Uri) -> Result<Redirect, Problem> {
    on_to(Tab::Audit, &caller, &uri)
}

/// `GET /settings/usage`.
///
/// # Errors
/// As [`audit`].
pub async fn usage(caller: Caller, uri: Uri) -> Result<Redirect, Problem> {
    on_to(Tab::Usage, &caller, &uri)
}

fn on_to(tab: Tab, Caller(claims): &Caller, uri: &Uri) -> Result<Redirect, Problem> {
    let org_id = claims.allowed().into_iter().next().ok_or_else(no_permission)?;
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    Ok(Redirect::to(&format!("{}{query}", tab.path(&org_id))))
}
