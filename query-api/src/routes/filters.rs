//! `GET /v1/orgs/{org}/filters`: what the filters offer, with counts.

use super::{ModelFields, PeriodFields, ReasonFields, SnapshotFields, take_as_of};
use crate::app::App;
use crate::ask::{self, Options};
use crate::auth::Viewer;
use crate::directory::{Directory, Person};
use crate::filter::{Filter, Narrow};
use crate::parameters::Parameters;
use crate::period::Period;
use crate::problem::Problem;
use crate::snapshot::Snapshot;
use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::HashSet;
use utoipa::ToSchema;

/// The options of each filter. Counts respect all other filters but not the filter's own; chosen values come first
/// and stay even without a call.
#[derive(Debug, Serialize, ToSchema)]
pub struct FiltersAnswer {
    /// The snapshot.
    #[serde(flatten)]
    pub snapshot: SnapshotFields,
    /// The filter's days.
    pub period: PeriodFields,
    /// Team members; absent when `dim` asks for another dimension.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub members: Option<OptionList<Person>>,
    /// Activity types; absent as above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasons: Option<OptionList<ReasonFields>>,
    /// Models; absent as above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub models: Option<OptionList<ModelFields>>,
    /// Kinds of payment; absent as above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub byok: Option<ByokOptions>,
}

/// Some options, and how many there are in all.
#[derive(Debug, Serialize, ToSchema)]
pub struct OptionList<T: ToSchema> {
    /// Chosen ones first, then by calls, then by name.
    pub options: Vec<OptionRow<T>>,
    /// Options there are, those not listed included.
    pub total: usize,
}

/// One option.
#[derive(Debug, Serialize, ToSchema)]
pub struct OptionRow<T: ToSchema> {
    /// What it stands for.
    #[serde(flatten)]
    pub option: T,
    /// Calls it would keep.
    pub calls: u64,
    /// Whether the request chose it.
    pub chosen: bool,
}

/// Calls by kind of payment.
#[derive(Debug, Serialize, ToSchema)]
pub struct ByokOptions {
    /// Both.
    pub any: u64,
    /// With the organisation's own key.
    pub only: u64,
    /// Without it.
    pub none: u64,
}

/// What filters choose from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dimension {
    /// Team members.
    Members,
    /// Activity types.
    Reasons,
    /// Models.
    Models,
    /// Kinds of payment.
    Byok,
}

const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 1000;

/// Reads the options of the filters.
///
/// # Errors
/// See the table of problems.
#[utoipa::path(get, path = "/v1/orgs/{org}/filters", tag = "usage",
    params(("org" = String, Path, description = "the organisation's id"), crate::openapi::FilterParameters,
        ("dim" = Option<String>, Query, description = "only one of members, reasons, models, byok"),
        ("q" = Option<String>, Query, description = "only options whose name, e-mail or id contains this"),
        ("limit" = Option<u32>, Query, description = "options of a dimension beside the chosen, 1 to 1000, default 100"),
        ("as_of" = Option<String>, Query, description = "the snapshot of an earlier answer")),
    responses((status = 200, body = FiltersAnswer), (status = "default", body = crate::problem::ProblemDocument)))]
pub async fn get(State(app): State<App>, viewer: Viewer, uri: Uri) -> Result<Json<FiltersAnswer>, Problem> {
    let mut parameters = Parameters::parse(uri.query());
    let filter = &Filter::take(&mut parameters);
    let as_of = take_as_of(&mut parameters);
    let dimension = parameters.one_as("dim", dimension_from);
    let search = parameters.one("q").unwrap_or_default().to_lowercase();
    let limit = parameters.one_as("limit", limit_from).unwrap_or(LIMIT_DEFAULT);
    parameters.finish()?;
    let answer = ask::at_snapshot(&app, &viewer.org_id, as_of, |reader| async move {
        let options = ask::options(&reader, filter).await?;
        Ok((reader.period_of(filter.range), options))
    });
    let names = async { Directory::all(&app.warehouse, &viewer.org_id).await.map_err(Problem::from) };
    let ((snapshot, (period, options)), names) = tokio::try_join!(answer, names)?;
    let lists = Lists { narrow: &filter.narrow, names: &names, dimension, search: &search, limit };
    Ok(Json(lists.answer(&snapshot, period, &options)))
}

/// Shapes options into lists.
#[derive(Debug)]
pub struct Lists<'a> {
    /// What the request chose.
    pub narrow: &'a Narrow,
    /// The members' names.
    pub names: &'a Directory,
    /// Only this dimension, or all.
    pub dimension: Option<Dimension>,
    /// Only options that contain this, in lower case.
    pub search: &'a str,
    /// Options of a dimension beside the chosen.
    pub limit: usize,
}

impl Lists<'_> {
    /// The members with calls.
    pub fn members(&self, options: &Options) -> OptionList<Person> {
        let chosen: HashSet<&String> = self.narrow.members.iter().collect();
        self.list(options.members.iter().map(|(member, calls)| {
            let person = self.names.person(member);
            let searched = [&person.label, person.email.as_deref().unwrap_or_default(), member].join("\n");
            let name = format!("{}\0{member}", person.label);
            (name, searched, OptionRow { option: person, calls: *calls, chosen: chosen.contains(member) })
        }))
    }

    /// The known reasons, and others with calls.
    pub fn reasons(&self, options: &Options) -> OptionList<ReasonFields> {
        self.list(options.reasons.iter().map(|(code, calls)| {
            let option = ReasonFields::of(code);
            let searched = [option.label.as_str(), code].join("\n");
            let chosen = self.narrow.reasons.contains(code);
            (option.label.clone(), searched, OptionRow { option, calls: *calls, chosen })
        }))
    }

    /// The models with calls.
    pub fn models(&self, options: &Options) -> OptionList<ModelFields> {
        self.list(options.models.iter().map(|(model, calls)| {
            let option = ModelFields::of(&model.0, &model.1);
            let searched = [model.0.as_str(), &model.1, &option.value].join("\n");
            let chosen = self.narrow.models.contains(model);
            (option.value.clone(), searched, OptionRow { option, calls: *calls, chosen })
        }))
    }

    fn answer(&self, snapshot: &Snapshot, period: Period, options: &Options) -> FiltersAnswer {
        let members = self.wants(Dimension::Members).then(|| self.members(options));
        let reasons = self.wants(Dimension::Reasons).then(|| self.reasons(options));
        let models = self.wants(Dimension::Models).then(|| self.models(options));
        let byok = self.wants(Dimension::Byok).then(|| ByokOptions {
            any: options.byok_only + options.byok_none,
            only: options.byok_only,
            none: options.byok_none,
        });
        FiltersAnswer {
            snapshot: SnapshotFields::of(snapshot),
            period: period.into(),
            members,
            reasons,
            models,
            byok,
        }
    }

    fn wants(&self, dimension: Dimension) -> bool {
        self.dimension.is_none_or(|wanted| wanted == dimension)
    }

    /// Rows come as name to sort by, text to search in, and option.
    fn list<T: ToSchema>(&self, rows: impl Iterator<Item = (String, String, OptionRow<T>)>) -> OptionList<T> {
        let found =
            |searched: &String| self.search.is_empty() || searched.to_lowercase().contains(self.search);
        let mut rows: Vec<_> = rows.filter(|(_, searched, row)| row.chosen || found(searched)).collect();
        rows.sort_by(|(left_name, _, left), (right_name, _, right)| {
            let key = |row: &OptionRow<T>| (Reverse(row.chosen), Reverse(row.calls));
            key(left).cmp(&key(right)).then_with(|| left_name.cmp(right_name))
        });
        let total = rows.len();
        let chosen = rows.iter().filter(|(_, _, row)| row.chosen).count();
        rows.truncate(chosen + self.limit);
        OptionList { options: rows.into_iter().map(|(_, _, row)| row).collect(), total }
    }
}

/// The parameter `dim`.
///
/// # Errors
/// What is allowed instead.
pub fn dimension_from(text: &str) -> Result<Dimension, String> {
    match text {
        "members" => Ok(Dimension::Members),
        "reasons" => Ok(Dimension::Reasons),
        "models" => Ok(Dimension::Models),
        "byok" => Ok(Dimension::Byok),
        _ => Err("must be members, reasons, models or byok".to_owned()),
    }
}

fn limit_from(text: &str) -> Result<usize, String> {
    let limit = text.parse::<usize>().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
    limit.ok_or_else(|| format!("must be a number from 1 to {LIMIT_MAX}"))
}
