//! The dropdowns of members, reasons and models: what each offers, and how its options are searched.

use super::Ingredients;
use crate::ask::Options;
use crate::labels::UNKNOWN_USER;
use crate::page::state::State;
use crate::page::words::number;
use crate::routes::filters::{Dimension, Lists};

/// A disclosure with check boxes.
#[derive(Debug)]
pub struct Dropdown {
    /// `members`, `reasons`, `models`: also what the search for options is called by.
    pub id: &'static str,
    /// The parameter.
    pub key: &'static str,
    /// Its words.
    pub label: &'static str,
    /// One of its options, for sentences.
    pub singular: &'static str,
    /// How many are chosen.
    pub chosen: usize,
    /// The options.
    pub options: Vec<OptionView>,
    /// Whether there are so many that they can be searched.
    pub searchable: bool,
    /// How many are not listed; more are found by searching.
    pub unlisted: usize,
    /// The page with nothing chosen here.
    pub clear: String,
    /// Whether it is open, because its options were searched.
    pub open: bool,
    /// What was searched for.
    pub search: String,
    /// Where a script searches.
    pub search_href: String,
    /// Whether the options could not be read.
    pub failed: bool,
}

/// A check box.
#[derive(Debug)]
pub struct OptionView {
    /// Value of the parameter.
    pub value: String,
    /// What it is called.
    pub label: String,
    /// What tells it from others of the same name.
    pub note: String,
    /// Calls it keeps; unknown before the days are chosen.
    pub calls: Option<String>,
    /// Whether it is chosen.
    pub chosen: bool,
    /// Whether the label stands for a name that is not known.
    pub unknown: bool,
}

/// Options listed beside the chosen ones. Nobody reads more, and the page stays small; searching finds the others.
const OPTIONS_MAX: usize = 50;
/// From here on options can be searched.
const SEARCHABLE_FROM: usize = 9;

/// The three dropdowns, in their order.
pub(super) fn dropdowns(from: &Ingredients<'_>) -> Vec<Dropdown> {
    let narrow = &from.state.narrow;
    let unknown = Options::with_none(narrow);
    let options = from.options.and_then(|options| options.as_ref().ok());
    let counted = options.is_some();
    let options = options.unwrap_or(&unknown);
    let failed = from.options.is_some_and(Result::is_err);

    let search_of = |dimension| match &from.state.find {
        Some((found, search)) if *found == dimension => Some(search.as_str()),
        _ => None,
    };
    let dropdown = |dimension, id, key, label, singular, chosen, cleared: State| {
        let search = search_of(dimension);
        Dropdown {
            id,
            key,
            label,
            singular,
            chosen,
            options: Vec::new(),
            searchable: false,
            unlisted: 0,
            clear: cleared.link(from.path),
            open: search.is_some(),
            search: search.unwrap_or_default().to_owned(),
            // The API's own snapshot would count other calls; and it knows no list of members.
            search_href: from
                .state
                .for_api()
                .href(&format!("{}/filters", from.api), &[("dim", id), ("as_of", from.as_of)]),
            failed,
        }
    };
    let lists = |dimension| Lists {
        narrow,
        names: from.names,
        dimension: None,
        search: search_of(dimension).unwrap_or_default(),
        limit: OPTIONS_MAX,
    };
    let calls = |calls: u64| counted.then(|| number(calls));

    let mut members = dropdown(
        Dimension::Members,
        "members",
        "member",
        "Members",
        "member",
        narrow.members.len(),
        from.state.with(|narrow| narrow.members.clear()),
    );
    let list = lists(Dimension::Members).members(options);
    members.fill(
        list.total,
        list.options.into_iter().map(|row| OptionView {
            calls: calls(row.calls),
            chosen: row.chosen,
            note: row.option.email.clone().unwrap_or_else(|| row.option.member_id.clone()),
            unknown: row.option.label == UNKNOWN_USER,
            value: row.option.member_id,
            label: row.option.label,
        }),
    );

    let mut reasons = dropdown(
        Dimension::Reasons,
        "reasons",
        "reason",
        "Reasons",
        "reason",
        narrow.reasons.len(),
        from.state.with(|narrow| narrow.reasons.clear()),
    );
    let list = lists(Dimension::Reasons).reasons(options);
    reasons.fill(
        list.total,
        list.options.into_iter().map(|row| OptionView {
            calls: calls(row.calls),
            chosen: row.chosen,
            note: String::new(),
            unknown: false,
            value: row.option.reason,
            label: row.option.label,
        }),
    );

    let mut models = dropdown(
        Dimension::Models,
        "models",
        "model",
        "Models",
        "model",
        narrow.models.len(),
        from.state.with(|narrow| narrow.models.clear()),
    );
    let list = lists(Dimension::Models).models(options);
    models.fill(
        list.total,
        list.options.into_iter().map(|row| OptionView {
            calls: calls(row.calls),
            chosen: row.chosen,
            note: row.option.provider,
            unknown: false,
            value: row.option.value,
            label: row.option.model,
        }),
    );
    vec![members, reasons, models]
}

impl Dropdown {
    fn fill(&mut self, total: usize, options: impl Iterator<Item = OptionView>) {
        self.options = options.collect();
        self.unlisted = total.saturating_sub(self.options.len());
        self.searchable = total >= SEARCHABLE_FROM || self.open;
    }
}
