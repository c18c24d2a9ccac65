//! What the address of a page says. The address *is* the state of a page: back, reload, a bookmark and a link to a
//! colleague all show the same.
//!
//! Defaults are left out and keys have a fixed order, so that one view has one address. Relative ranges stay relative. A
//! value that nobody has stays and matches nothing; a date that is none is a mistake of its field; anything else that is
//! malformed is refused, for a page that silently shows more than was asked for would be wrong.

use super::frame::encoded;
use crate::as_of::AsOf;
use crate::filter::{Byok, Filter, Narrow, byok_from, date_from, model_from, model_value, written_date};
use crate::parameters::Parameters;
use crate::period::Range;
use crate::problem::Problem;
use crate::routes::calls::event_id_from;
use crate::routes::filters::{Dimension, dimension_from};
use crate::routes::take_as_of;
use chrono::NaiveDate;
use proto::EventId;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Which days.
    pub days: Days,
    /// Which of their calls.
    pub narrow: Narrow,
    /// Whether all members are listed, not only the first five.
    pub all_members: bool,
    /// The log begins after this call.
    pub after: Option<EventId>,
    /// The snapshot to stay at.
    pub as_of: Option<AsOf>,
    /// A search for options of one filter.
    pub find: Option<(Dimension, String)>,
    /// `day` or `month`, where a page over time was asked for other steps than it takes by itself.
    pub by: Option<&'static str>,
}

/// Which days a page shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Days {
    /// A range with all it needs.
    Chosen(Range),
    /// Custom dates, not both there or not right yet. Nothing is loaded.
    Unfinished {
        /// The field *Since*.
        since: Field,
        /// The field *Until*.
        until: Field,
    },
}

/// A date field as it was sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Field {
    /// What stands in it.
    pub text: String,
    /// What is wrong with it.
    pub mistake: Option<String>,
}

impl Field {
    /// The text where it is a date: a date field takes nothing else.
    pub fn date(&self) -> &str {
        if written_date(&self.text).is_some() { &self.text } else { "" }
    }
}

/// Told beside *Until*.
const REVERSED: &str = "Since is after Until. Choose a start date on or before the end date.";

impl State {
    /// Takes everything that an address may say.
    ///
    /// # Errors
    /// What cannot be shown beside its field.
    pub fn read(query: Option<&str>) -> Result<Self, Problem> {
        let mut parameters = Parameters::parse(query);
        let state = Self::take(&mut parameters);
        parameters.finish_known()?;
        Ok(state)
    }

    /// As [`Self::read`], where a page has parameters of its own.
    pub fn take(parameters: &mut Parameters) -> Self {
        let search = parameters.one("q").unwrap_or_default();
        let find = parameters.one_as("find", dimension_from);
        Self {
            days: take_days(parameters),
            narrow: take_narrow(parameters),
            all_members: parameters.one("members").is_some_and(|members| members == "all"),
            after: parameters.one_as("after", event_id_from),
            as_of: take_as_of(parameters),
            find: find.map(|dimension| (dimension, search)),
            by: None,
        }
    }

    /// The filter, if the days are chosen.
    pub fn filter(&self) -> Option<Filter> {
        match self.days {
            Days::Chosen(range) => Some(Filter { range, narrow: self.narrow.clone() }),
            Days::Unfinished { .. } => None,
        }
    }

    /// Whether nothing is filtered: this month, and all of it.
    pub fn is_default(&self) -> bool {
        self.days == Days::Chosen(Range::ThisMonth) && self.narrow.keeps_all()
    }

    /// The filter as key and value, for links to the API and hidden fields.
    pub fn filter_pairs(&self) -> Vec<(&'static str, String)> {
        let mut pairs = self.day_pairs();
        let Narrow { members, reasons, models, byok } = &self.narrow;
        pairs.extend(members.iter().map(|member| ("member", member.clone())));
        pairs.extend(reasons.iter().map(|reason| ("reason", reason.clone())));
        pairs.extend(models.iter().map(|(provider, model)| ("model", model_value(provider, model))));
        if *byok != Byok::Any {
            pairs.push(("byok", byok.code().to_owned()));
        }
        pairs
    }

    /// The address of this state under a path; further pairs come last. Where a page begins and its snapshot are not
    /// part of it: they belong to one look at it.
    pub fn href(&self, path: &str, further: &[(&str, &str)]) -> String {
        let pairs = self.pairs();
        let own = pairs.iter().map(|(key, value)| (*key, value.as_str()));
        let pairs: Vec<String> = own
            .chain(further.iter().copied())
            .map(|(key, value)| format!("{key}={}", encoded(value)))
            .collect();
        if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
    }

    /// How the page shows what is kept, as key and value.
    pub fn page_pairs(&self) -> Vec<(&'static str, String)> {
        let members = self.all_members.then(|| ("members", "all".to_owned()));
        members.into_iter().chain(self.by.map(|by| ("by", by.to_owned()))).collect()
    }

    /// All of the state as key and value.
    pub fn pairs(&self) -> Vec<(&'static str, String)> {
        let mut pairs = self.filter_pairs();
        pairs.extend(self.page_pairs());
        pairs
    }

    /// The filter alone: the API and other pages know nothing of how this page shows it.
    pub fn for_api(&self) -> Self {
        Self { all_members: false, by: None, ..self.clone() }
    }

    /// The same steps of everything, unfiltered.
    pub fn cleared(&self) -> Self {
        Self {
            days: Days::Chosen(Range::ThisMonth),
            narrow: Narrow::default(),
            all_members: false,
            ..self.clone()
        }
    }

    /// As [`Self::href`], short, for links on a page of that path.
    pub fn link(&self, path: &str) -> String {
        let href = self.href("", &[]);
        if href.is_empty() { path.to_owned() } else { href }
    }

    /// The same with other days.
    pub fn with_days(&self, days: Days) -> Self {
        Self { days, ..self.clone() }
    }

    /// The same with all members listed or not.
    pub fn with_all_members(&self, all_members: bool) -> Self {
        Self { all_members, ..self.clone() }
    }

    /// The same with a change of what is kept.
    pub fn with(&self, change: impl FnOnce(&mut Narrow)) -> Self {
        let mut state = self.clone();
        change(&mut state.narrow);
        state
    }

    fn day_pairs(&self) -> Vec<(&'static str, String)> {
        let custom = |since: String, until: String| {
            let mut pairs = vec![("range", "custom".to_owned())];
            let dates = [("since", since), ("until", until)];
            pairs.extend(dates.into_iter().filter(|(_, date)| !date.is_empty()));
            pairs
        };
        match &self.days {
            Days::Chosen(Range::ThisMonth) => Vec::new(),
            Days::Chosen(Range::LastMonth) => vec![("range", "last_month".to_owned())],
            Days::Chosen(Range::Last30Days) => vec![("range", "last_30_days".to_owned())],
            Days::Chosen(Range::Custom { since, until }) => custom(since.to_string(), until.to_string()),
            Days::Unfinished { since, until } => custom(since.text.clone(), until.text.clone()),
        }
    }
}

impl Days {
    /// Custom, with empty fields.
    pub fn unfilled() -> Self {
        Self::Unfinished { since: Field::default(), until: Field::default() }
    }

    /// Whether they are custom ones.
    pub fn is_custom(&self) -> bool {
        matches!(self, Self::Unfinished { .. } | Self::Chosen(Range::Custom { .. }))
    }
}

fn take_days(parameters: &mut Parameters) -> Days {
    let since = parameters.one("since").unwrap_or_default();
    let until = parameters.one("until").unwrap_or_default();
    match parameters.one("range").as_deref() {
        // Who writes dates means them.
        None if !(since.is_empty() && until.is_empty()) => custom(since, until),
        None | Some("this_month") => Days::Chosen(Range::ThisMonth),
        Some("last_month") => Days::Chosen(Range::LastMonth),
        Some("last_30_days") => Days::Chosen(Range::Last30Days),
        Some("custom") => custom(since, until),
        Some(_) => {
            parameters.mistake("range", "must be this_month, last_month, last_30_days or custom");
            Days::Chosen(Range::ThisMonth)
        }
    }
}

fn custom(since: String, until: String) -> Days {
    let read = |text: &str| if text.is_empty() { None } else { Some(date_from(text)) };
    match (read(&since), read(&until)) {
        (Some(Ok(since)), Some(Ok(until))) if since <= until => Days::Chosen(Range::Custom { since, until }),
        (Some(Ok(_)), Some(Ok(_))) => Days::Unfinished {
            since: Field { text: since, mistake: None },
            until: Field { text: until, mistake: Some(REVERSED.to_owned()) },
        },
        (read_since, read_until) => Days::Unfinished {
            since: field("Since", since, read_since),
            until: field("Until", until, read_until),
        },
    }
}

fn field(label: &str, text: String, read: Option<Result<NaiveDate, String>>) -> Field {
    let mistake = read.and_then(Result::err).map(|allowed| format!("{label} {allowed}."));
    Field { text, mistake }
}

fn take_narrow(parameters: &mut Parameters) -> Narrow {
    let unique = |mut values: Vec<String>| {
        values.sort_unstable();
        values.dedup();
        values
    };
    let models = unique(parameters.many("model"));
    Narrow {
        members: unique(parameters.many("member")),
        reasons: unique(parameters.many("reason")),
        // No call has an empty provider: what is no model's value stays as it is and matches nothing.
        models: models
            .into_iter()
            .map(|value| model_from(&value).unwrap_or_else(|| (String::new(), value)))
            .collect(),
        byok: parameters.one_as("byok", byok_from).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> State {
        State::read(Some(query)).unwrap_or_else(|problem| panic!("{query}: {:?}", problem.mistakes()))
    }

    fn href(query: &str) -> String {
        read(query).href("", &[])
    }

    #[test]
    fn one_view_has_one_address() {
        assert_eq!(href(""), "");
        assert_eq!(href("range=this_month&utm_source=mail&byok=only"), "?byok=only");
        assert_eq!(
            href(
                "model=openai/gpt-6&reason=chat&member=b&member=a&member=b&until=2026-11-02&since=2026-11-01&range=custom"
            ),
            "?range=custom&since=2026-11-01&until=2026-11-02&member=a&member=b&reason=chat&model=openai%2Fgpt-6"
        );
        assert_eq!(
            href("since=2026-11-01&until=2026-11-02"),
            "?range=custom&since=2026-11-01&until=2026-11-02"
        );
        assert_eq!(href("range=last_30_days&members=all"), "?range=last_30_days&members=all");
    }

    #[test]
    fn an_address_reads_back_as_itself() {
        for query in [
            "range=custom",
            "range=custom&since=2026-11-01",
            "range=custom&since=bad&until=2026-13-01",
            "member=%3Cscript%3E&reason=%26&model=a%252Fb%2Fc%2Fd",
            "model=gpt-6",
        ] {
            let state = read(query);
            assert_eq!(read(state.href("", &[]).trim_start_matches('?')), state, "{query}");
        }
    }

    #[test]
    fn custom_dates_are_unfinished_until_both_are_there_and_right() {
        let mistakes = |query: &str| match read(query).days {
            Days::Chosen(_) => panic!("{query}"),
            Days::Unfinished { since, until } => {
                [since.mistake, until.mistake].map(Option::unwrap_or_default)
            }
        };
        assert_eq!(mistakes("range=custom"), ["", ""]);
        assert_eq!(mistakes("range=custom&since=2026-11-01&until="), ["", ""]);
        assert_eq!(mistakes("range=custom&since=2026-11-02&until=2026-11-01"), ["", REVERSED]);
        assert_eq!(
            mistakes("range=custom&since=2026-02-30&until=2026-11-01"),
            ["Since must be a date such as 2026-11-23.", ""]
        );
        assert!(read("range=custom&since=2026-11-01&until=2026-11-01").filter().is_some());
        assert!(read("range=custom").filter().is_none());
    }

    #[test]
    fn what_would_widen_a_total_is_refused() {
        for query in ["range=today", "byok=yes", "as_of=1", "after=x", "range=last_month&range=this_month"] {
            assert!(State::read(Some(query)).is_err(), "{query}");
        }
    }

    #[test]
    fn a_value_that_is_no_model_stays_and_matches_nothing() {
        assert_eq!(read("model=gpt-6").narrow.models, [(String::new(), "gpt-6".to_owned())]);
    }
}
