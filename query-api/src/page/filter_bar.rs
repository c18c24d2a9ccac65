//! The filter bar: presets, dropdowns and chips, each of them a link or a field of one form, so that all of it works
//! without a script.

use super::state::{Days, Field, State};
use super::words::{count, days, days_spoken, number};
use crate::ask::Options;
use crate::directory::{Directory, Person};
use crate::filter::Byok;
use crate::labels::{UNKNOWN_USER, reason_label};
use crate::period::{Period, Range};
use crate::problem::Problem;
use crate::routes::filters::{Dimension, Lists};
use chrono::NaiveDate;

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

/// An active filter.
#[derive(Debug)]
pub struct Chip {
    /// `Member`, `Reason`, `Model`, `Period`; empty where the value says it.
    pub kind: &'static str,
    /// Which.
    pub value: String,
    /// What tells it from others of the same name.
    pub note: String,
    /// The page without it.
    pub href: String,
}

/// The kind of the period's chip.
const PERIOD: &str = "Period";

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

/// Options listed beside the chosen ones. Nobody reads more, and the page stays small; searching finds the others.
const OPTIONS_MAX: usize = 50;
/// From here on options can be searched.
const SEARCHABLE_FROM: usize = 9;

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

fn dropdowns(from: &Ingredients<'_>) -> Vec<Dropdown> {
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

fn chips(from: &Ingredients<'_>) -> Vec<Chip> {
    let Ingredients { state, path, .. } = *from;
    let mut chips = Vec::new();
    let period = match state.days {
        Days::Chosen(Range::LastMonth) => Some("Last month".to_owned()),
        Days::Chosen(Range::Last30Days) => Some("Last 30 days".to_owned()),
        Days::Chosen(Range::Custom { since, until }) => Some(days(since, until)),
        Days::Chosen(Range::ThisMonth) | Days::Unfinished { .. } => None,
    };
    chips.extend(period.map(|value| Chip {
        kind: PERIOD,
        value,
        note: String::new(),
        href: state.with_days(Days::Chosen(Range::ThisMonth)).link(path),
    }));
    chips.extend(state.narrow.members.iter().map(|member| {
        let Person { label, email, name, .. } = from.names.person(member);
        Chip {
            kind: "Member",
            value: label,
            // A name says who; without one, the id does.
            note: if name.is_none() && email.is_none() { member.clone() } else { String::new() },
            href: state.with(|narrow| narrow.members.retain(|kept| kept != member)).link(path),
        }
    }));
    chips.extend(state.narrow.reasons.iter().map(|reason| Chip {
        kind: "Reason",
        value: reason_label(reason).to_owned(),
        note: String::new(),
        href: state.with(|narrow| narrow.reasons.retain(|kept| kept != reason)).link(path),
    }));
    chips.extend(state.narrow.models.iter().map(|model| Chip {
        kind: "Model",
        value: model.1.clone(),
        note: model.0.clone(),
        href: state.with(|narrow| narrow.models.retain(|kept| kept != model)).link(path),
    }));
    chips.extend((state.narrow.byok != Byok::Any).then(|| Chip {
        kind: "",
        value: byok_label(state.narrow.byok).to_owned(),
        note: String::new(),
        href: state.with(|narrow| narrow.byok = Byok::Any).link(path),
    }));
    chips
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(query: &str, options: Option<&Result<Options, Problem>>) -> FilterBar {
        let state = State::read(Some(query)).unwrap();
        FilterBar::of(&Ingredients {
            state: &state,
            path: "/p",
            api: "/v1/orgs/acme",
            as_of: "1:2:3",
            options,
            names: &Directory::default(),
            today: "2026-11-14".parse().unwrap(),
            period: None,
            calls: None,
        })
    }

    #[test]
    fn a_chip_takes_its_own_value_off_and_no_other() {
        let bar = bar("range=last_month&member=a&member=b&reason=chat&model=openai/gpt-6&byok=only", None);
        let chips: Vec<(&str, &str, &str)> =
            bar.chips.iter().map(|chip| (chip.kind, chip.value.as_str(), chip.href.as_str())).collect();
        assert_eq!(
            chips,
            [
                ("Period", "Last month", "?member=a&member=b&reason=chat&model=openai%2Fgpt-6&byok=only"),
                (
                    "Member",
                    "Unknown user",
                    "?range=last_month&member=b&reason=chat&model=openai%2Fgpt-6&byok=only"
                ),
                (
                    "Member",
                    "Unknown user",
                    "?range=last_month&member=a&reason=chat&model=openai%2Fgpt-6&byok=only"
                ),
                ("Reason", "Chat", "?range=last_month&member=a&member=b&model=openai%2Fgpt-6&byok=only"),
                ("Model", "gpt-6", "?range=last_month&member=a&member=b&reason=chat&byok=only"),
                ("", "BYOK only", "?range=last_month&member=a&member=b&reason=chat&model=openai%2Fgpt-6"),
            ]
        );
        assert_eq!(bar.chips[1].note, "a");
        assert_eq!(bar.clear_all, "/p");
    }

    #[test]
    fn custom_shows_its_fields_and_no_chip_until_both_dates_are_there() {
        let unfilled = bar("range=custom&since=2026-11-01", None);
        assert!(unfilled.chips.is_empty());
        assert!(unfilled.custom.is_some());
        let filled = bar("range=custom&since=2026-11-01&until=2026-11-02", None);
        assert_eq!(filled.chips[0].value, "1 Nov – 2 Nov 2026");
        assert!(filled.custom.is_some());
        assert!(bar("range=last_month", None).custom.is_none());
    }

    #[test]
    fn the_form_keeps_what_it_has_no_field_for() {
        assert_eq!(bar("", None).hidden, []);
        let kept = bar("range=last_month&byok=none&members=all&member=a", None).hidden;
        let kept: Vec<(&str, &str)> = kept.iter().map(|(key, value)| (*key, value.as_str())).collect();
        assert_eq!(kept, [("range", "last_month"), ("byok", "none"), ("members", "all")]);
    }

    #[test]
    fn the_four_known_reasons_are_always_offered() {
        let options = Ok(Options::with_none(&State::read(None).unwrap().narrow));
        let bar = bar("", Some(&options));
        let labels: Vec<&str> = bar.dropdowns[1].options.iter().map(|option| option.label.as_str()).collect();
        assert_eq!(labels, ["Chat", "Classify questions", "Generate field", "Summarize CV"]);
        assert!(bar.dropdowns[1].options.iter().all(|option| option.calls.as_deref() == Some("0")));
    }

    #[test]
    fn a_chosen_value_without_a_call_stays() {
        let options = Ok(Options::with_none(&State::read(Some("model=x/y")).unwrap().narrow));
        let bar = bar("model=x/y", Some(&options));
        let models = &bar.dropdowns[2];
        assert_eq!(
            (models.chosen, models.options[0].value.as_str(), models.options[0].chosen),
            (1, "x/y", true)
        );
    }
}
