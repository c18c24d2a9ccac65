//! One handler a file: parse, authorise, ask, shape.

pub mod anomalies;
pub mod breakdowns;
pub mod call;
pub mod calls;
pub mod export;
pub mod filters;
pub mod organisations;
pub mod summary;
pub mod usage;

use crate::as_of::{AsOf, rfc3339};
use crate::directory::Person;
use crate::filter::model_value;
use crate::labels::reason_label;
use crate::parameters::Parameters;
use crate::period::{Period, Span};
use crate::snapshot::Snapshot;
use serde::Serialize;
use utoipa::ToSchema;

/// What every answer says about itself.
#[derive(Debug, Serialize, ToSchema)]
pub struct SnapshotFields {
    /// Names this very snapshot. Sent back with any request for the organisation, it pins the answer to the same calls
    /// and the same days.
    #[schema(example = "281474976710698.1793487600123.Europe~Berlin.cabc8012")]
    pub as_of: String,
    /// Every call received up to this time is counted; null before the first. RFC 3339.
    pub complete_through: Option<String>,
    /// Whether newer calls were left out because reading them would take too long just now.
    pub behind: bool,
    /// The zone that decides days and months.
    pub time_zone: String,
}

/// Some days, as dates and as instants.
#[derive(Debug, Serialize, ToSchema)]
pub struct PeriodFields {
    /// First day, in the organisation's zone.
    pub since: String,
    /// Last day, inclusive.
    pub until: String,
    /// First instant, RFC 3339.
    pub from: String,
    /// First instant after the last, RFC 3339.
    pub to: String,
}

/// One call as answers carry it.
#[derive(Debug, Serialize, ToSchema)]
pub struct CallFields {
    /// UUIDv7.
    pub event_id: String,
    /// RFC 3339, UTC, milliseconds.
    pub occurred_at: String,
    /// Who.
    pub member: Person,
    /// The reason's code.
    pub reason: String,
    /// What people call it.
    pub reason_label: String,
    /// Who answered.
    pub provider: String,
    /// With which model.
    pub model: String,
    /// Tokens read.
    pub input_tokens: u32,
    /// Tokens written.
    pub output_tokens: u32,
    /// Whether the call was made with the organisation's own key.
    pub byok: bool,
    /// Credits deducted, exact decimal; null for a BYOK call.
    pub credits: Option<String>,
    /// What the provider charged, exact decimal; null for a call charged in credits.
    pub provider_cost: Option<String>,
    /// ISO 4217 code of `provider_cost`.
    pub currency: Option<String>,
}

/// A reason as an option or a row.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReasonFields {
    /// The code, also the value of the filter `reason`.
    pub reason: String,
    /// What people call it.
    pub label: String,
}

/// A model as an option or a row.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelFields {
    /// Who answers.
    pub provider: String,
    /// The model.
    pub model: String,
    /// Both as the value of the filter `model`.
    pub value: String,
}

impl SnapshotFields {
    fn of(snapshot: &Snapshot) -> Self {
        Self {
            as_of: snapshot.as_of.to_string(),
            complete_through: snapshot.complete_through_ms.map(rfc3339),
            behind: snapshot.behind,
            time_zone: snapshot.as_of.zone.name().to_owned(),
        }
    }
}

impl From<Period> for PeriodFields {
    fn from(period: Period) -> Self {
        let Span { from_ms, to_ms } = period.span;
        Self {
            since: period.since.to_string(),
            until: period.until.to_string(),
            from: rfc3339(from_ms),
            to: rfc3339(to_ms),
        }
    }
}

impl ReasonFields {
    fn of(code: &str) -> Self {
        Self { reason: code.to_owned(), label: reason_label(code).to_owned() }
    }
}

impl ModelFields {
    fn of(provider: &str, model: &str) -> Self {
        Self { provider: provider.to_owned(), model: model.to_owned(), value: model_value(provider, model) }
    }
}

/// Takes the parameter `as_of`.
pub fn take_as_of(parameters: &mut Parameters) -> Option<AsOf> {
    parameters
        .one_as("as_of", |text| text.parse().map_err(|error: crate::as_of::AsOfError| error.to_string()))
}
