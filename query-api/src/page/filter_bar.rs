//! The filter bar: presets, dropdowns and chips, each of them a link or a field of one form, so that all of it works
//! without a script.

mod chips;
mod dropdowns;

pub use chips::Chip;
pub use dropdowns::Dropdown;

use super::state::{Days, Field, State};
use super::words::{count, days, days_spoken, number};
use crate::ask::Options;
use crate::directory::Directory;
use crate::filter::Byok;
use crate::period::{Period, Range};
use crate::problem::Problem;
use chips::{PERIOD, chips};
use chrono::NaiveDate;
use dropdowns::dropdowns;

/// The bar as it is shown.
#[derive(Debug)]
pub struct FilterBar {
    /// Where the form is sent.
    pub path: String,
    /// The one address of this view.
    pub address: String,
    /// The ranges.
    pub presets: Vec<Preset>,
    /// What the form must say besides its own fields.
    pub hidden: Vec<(&'static str, String)>,
    /// All of the state, for the forms that search options.
    pub pairs: Vec<(&'static str, String)>,
    /// The date fields, where custom days are asked for.
    pub custom: Option<Custom>,
    /// Members, reasons and models.
    pub dropdowns: Vec<Dropdown>,
    /// BYOK: what is chosen.
    pub byok_label: &'static str,
    /// BYOK: what can be chosen, with the calls it keeps.
    pub byok: Vec<(Preset, Option<String>)>,
    /// What narrows the page, each with a way to take it off.
    pub chips: Vec<Chip>,
    /// The page without filters.
    pub clear_all: String,
    /// The days and calls below.
    pub shown: Option<Shown>,
}

/// A link that chooses one of a few.
#[derive(Debug)]
pub struct Preset {
    /// Its words.
    pub label: &'static str,
    /// Where it leads.
    pub href: String,
    /// Whether it is chosen.
    pub current: bool,
}

/// The date fields.
#[derive(Debug)]
pub struct Custom {
    /// First day.
    pub since: Field,
    /// Last day.
    pub until: Field,
    /// Today; days to come hold nothing yet.
    pub today: String,
}

/// The days and calls of a page.
#[derive(Debug)]
pub struct Shown {
    /// `1 Nov – 14 Nov 2026`.
    pub days: String,
    /// `1,204 calls`; absent where they could not be counted.
    pub calls: Option<String>,
    /// The same in one sentence for those who hear it.
    pub spoken: String,
}

/// What a bar is made of.
#[derive(Debug)]
pub struct Ingredients<'a> {
    /// What the address says.
    pub state: &'a State,
    /// Path of the page.
    pub path: &'a str,
    /// Path of the API's resources of this organisation.
    pub api: &'a str,
    /// The snapshot that the page stands on.
    pub as_of: &'a str,
    /// The options at the snapshot; none before the days are chosen.
    pub options: Option<&'a Result<Options, Problem>>,
    /// The members' names.
    pub names: &'a Directory,
    /// Today in the organisation's zone.
    pub today: NaiveDate,
    /// The days shown.
    pub period: Option<Period>,
    /// Calls of the filter, where they are known.
    pub calls: Option<u64>,
}

impl FilterBar {
    /// Puts the bar together.
    pub fn of(from: &Ingredients<'_>) -> Self {
        let Ingredients { state, path, .. } = *from;
        let narrow = &state.narrow;
        let mut hidden = Vec::new();
        if !state.days.is_custom() {
            hidden.extend(state.filter_pairs().into_iter().filter(|(key, _)| *key == "range"));
        } else {
            hidden.push(("range", "custom".to_owned()));
        }
        if narrow.byok != Byok::Any {
            hidden.push(("byok", narrow.byok.code().to_owned()));
        }
        hidden.extend(state.page_pairs());
        Self {
            path: path.to_owned(),
            address: state.href(path, &[]),
            presets: presets(state, path),
            hidden,
            pairs: state.pairs(),
            custom: custom(from),
            dropdowns: dropdowns(from),
            byok_label: byok_label(narrow.byok),
            byok: byok(from),
            chips: chips(from),
            clear_all: state.cleared().link(path),
            shown: from.period.map(|period| Shown::of(&period, from.calls)),
        }
    }

    /// What to do about custom dates that are not both there, or not right.
    pub fn unfinished(&self) -> &'static str {
        let mistaken = |custom: &Custom| custom.since.mistake.is_some() || custom.until.mistake.is_some();
        if self.custom.as_ref().is_some_and(mistaken) {
            "Correct the dates to see this period."
        } else {
            "Pick a start and end date to see this period."
        }
    }

    /// Whether options are searched.
    pub fn is_searching(&self) -> bool {
        self.dropdowns.iter().any(|dropdown| dropdown.open)
    }

    /// How many filters are active, the period apart.
    pub fn active(&self) -> usize {
        self.chips.iter().filter(|chip| chip.kind != PERIOD).count()
    }
}

impl Shown {
    fn of(period: &Period, calls: Option<u64>) -> Self {
        let calls = calls.map(|calls| count(calls, "call"));
        let spoken = days_spoken(period.since, period.until);
        Self {
            days: days(period.since, period.until),
            spoken: calls.as_ref().map_or_else(|| spoken.clone(), |calls| format!("{calls}, {spoken}")),
            calls,
        }
    }
}

fn presets(state: &State, path: &str) -> Vec<Preset> {
    let ranges = [
        ("This month", Range::ThisMonth),
        ("Last month", Range::LastMonth),
        ("Last 30 days", Range::Last30Days),
    ];
    let preset = |(label, range)| {
        let days = Days::Chosen(range);
        Preset { label, current: state.days == days, href: state.with_days(days).link(path) }
    };
    let mut presets: Vec<Preset> = ranges.into_iter().map(preset).collect();
    let custom = state.days.is_custom();
    let days = if custom { state.days.clone() } else { Days::unfilled() };
    presets.push(Preset { label: "Custom", current: custom, href: state.with_days(days).link(path) });
    presets
}

fn custom(from: &Ingredients<'_>) -> Option<Custom> {
    let given = |date: NaiveDate| Field { text: date.to_string(), mistake: None };
    let (since, until) = match &from.state.days {
        Days::Chosen(Range::Custom { since, until }) => (given(*since), given(*until)),
        Days::Chosen(_) => return None,
        Days::Unfinished { since, until } => (since.clone(), until.clone()),
    };
    Some(Custom { since, until, today: from.today.to_string() })
}

fn byok_label(byok: Byok) -> &'static str {
    match byok {
        Byok::Any => "Any",
        Byok::Only => "BYOK only",
        Byok::None => "Non-BYOK only",
    }
}

fn byok(from: &Ingredients<'_>) -> Vec<(Preset, Option<String>)> {
    let options = from.options.and_then(|options| options.as_ref().ok());
    let calls = |byok| {
        options.map(|options| match byok {
            Byok::Any => options.byok_only + options.byok_none,
            Byok::Only => options.byok_only,
            Byok::None => options.byok_none,
        })
    };
    let choice = |byok| {
        let preset = Preset {
            label: byok_label(byok),
            href: from.state.with(|narrow| narrow.byok = byok).link(from.path),
            current: from.state.narrow.byok == byok,
        };
        (preset, calls(byok).map(number))
    };
    [Byok::Any, Byok::Only, Byok::None].map(choice).into()
}

#[cfg(test)]
mod tests;
