//! The description of the API, generated from the handlers and their types.

use crate::problem::ProblemDocument;
use crate::routes;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{IntoParams, Modify, OpenApi};

/// The parameters of a filter, as they are documented. [`crate::filter::Filter`] reads them.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FilterParameters {
    /// `this_month` (default), `last_month`, `last_30_days` or `custom`; whole days of the organisation's zone
    pub range: Option<String>,
    /// First day, YYYY-MM-DD; with `range=custom`
    pub since: Option<String>,
    /// Last day, inclusive, YYYY-MM-DD; with `range=custom`
    pub until: Option<String>,
    /// Only calls of this member; repeat the key for several
    pub member: Option<Vec<String>>,
    /// Only calls of this activity type; repeat the key for several
    pub reason: Option<Vec<String>>,
    /// Only calls to this model, `provider/model`; repeat the key for several
    pub model: Option<Vec<String>>,
    /// `only`: calls with the organisation's own key; `none`: calls without
    pub byok: Option<String>,
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "AI usage audit log",
        version = "1",
        description = "Every AI call of an organisation: cards, breakdowns, log and CSV. Amounts are exact decimal \
                       strings. Credits and provider costs are never added, nor costs of two currencies. Every answer \
                       carries `as_of`, which pins later answers to the same calls and the same days.",
        license(name = "Apache-2.0")
    ),
    paths(
        routes::organisations::get,
        routes::summary::get,
        routes::breakdowns::get,
        routes::usage::get,
        routes::filters::get,
        routes::calls::get,
        routes::call::get,
        routes::anomalies::get,
        routes::export::get
    ),
    components(schemas(ProblemDocument)),
    security(("bearer" = []), ("cookie" = [])),
    modifiers(&Security)
)]
struct Description;

struct Security;

impl Modify for Security {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_default();
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        let cookie = ApiKey::Cookie(ApiKeyValue::new(crate::auth::COOKIE_NAME));
        components.add_security_scheme("cookie", SecurityScheme::ApiKey(cookie));
    }
}

/// The OpenAPI document.
pub fn description() -> utoipa::openapi::OpenApi {
    Description::openapi()
}

/// The OpenAPI document as JSON.
pub fn document() -> String {
    description().to_pretty_json().unwrap_or_default()
}
