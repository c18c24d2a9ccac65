//! `GET /v1/orgs`: the organisations of the token.

use crate::auth::{Caller, PERMISSION};
use crate::parameters::Parameters;
use crate::problem::Problem;
use axum::Json;
use axum::http::Uri;
use serde::Serialize;
use utoipa::ToSchema;

/// The organisations a token names.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrganisationsAnswer {
    /// In the order of the token.
    pub organisations: Vec<OrganisationFields>,
}

/// One organisation of a token.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrganisationFields {
    /// Its id.
    pub id: String,
    /// Whether the token allows to see its AI usage.
    pub may_view: bool,
}

/// Lists the organisations of the token.
///
/// # Errors
/// No valid token, or a parameter.
#[utoipa::path(get, path = "/v1/orgs", tag = "organisations",
    responses((status = 200, body = OrganisationsAnswer), (status = "default", body = crate::problem::ProblemDocument)))]
pub async fn get(Caller(claims): Caller, uri: Uri) -> Result<Json<OrganisationsAnswer>, Problem> {
    Parameters::parse(uri.query()).finish()?;
    let fields = claims
        .orgs
        .into_iter()
        .map(|grant| OrganisationFields { may_view: grant.allows(PERMISSION), id: grant.id });
    Ok(Json(OrganisationsAnswer { organisations: fields.collect() }))
}
