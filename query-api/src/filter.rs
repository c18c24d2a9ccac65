//! Which calls an answer is about.

use crate::parameters::Parameters;
use crate::period::Range;
use chrono::NaiveDate;
use clickhouse::query::Query;
use percent_encoding::percent_decode_str;

/// A period and what to keep of it. Several values of one kind widen each other, kinds narrow each other; no value
/// means all. A value that nobody has matches nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// The period.
    pub range: Range,
    /// The rest.
    pub narrow: Narrow,
}

/// The part of a filter beside its period.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Narrow {
    /// Member ids.
    pub members: Vec<String>,
    /// Reason codes.
    pub reasons: Vec<String>,
    /// Providers and models.
    pub models: Vec<(String, String)>,
    /// Calls with or without the organisation's own key.
    pub byok: Byok,
}

/// Calls with or without the organisation's own key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Byok {
    /// Both.
    #[default]
    Any,
    /// With it.
    Only,
    /// Without it.
    None,
}

/// Periods reach from here …
const FIRST_DATE: NaiveDate = match NaiveDate::from_ymd_opt(2000, 1, 1) {
    Some(date) => date,
    None => NaiveDate::MIN,
};
/// … to here: the columns of the ledger end in 2106.
const LAST_DATE: NaiveDate = match NaiveDate::from_ymd_opt(2099, 12, 31) {
    Some(date) => date,
    None => NaiveDate::MIN,
};

impl Filter {
    /// Takes `range`, `since`, `until`, `member`, `reason`, `model` and `byok` from a request.
    pub fn take(parameters: &mut Parameters) -> Self {
        Self { range: take_range(parameters), narrow: Narrow::take(parameters) }
    }
}

impl Narrow {
    fn take(parameters: &mut Parameters) -> Self {
        let mut models = Vec::new();
        for value in parameters.many("model") {
            match model_from(&value) {
                Some(model) => models.push(model),
                None => {
                    parameters.mistake("model", "must be provider/model, as the answers give it in `value`")
                }
            }
        }
        Self {
            members: parameters.many("member"),
            reasons: parameters.many("reason"),
            models,
            byok: parameters.one_as("byok", byok_from).unwrap_or_default(),
        }
    }

    /// Whether everything is kept.
    pub fn keeps_all(&self) -> bool {
        *self == Self::default()
    }

    /// Binds the parameters of `queries/filter.sql`.
    pub fn bind(&self, query: Query) -> Query {
        query
            .param("members", &self.members)
            .param("reasons", &self.reasons)
            .param("models", &self.models)
            .param("byok", self.byok.code())
    }
}

impl Byok {
    /// Its code in the parameter `byok`; `any` where that is left out.
    pub fn code(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Only => "only",
            Self::None => "none",
        }
    }
}

/// A provider and model as one value: `openai/gpt-6`. A slash or percent sign in the provider is percent-encoded, so
/// that the first slash always parts the two.
pub fn model_value(provider: &str, model: &str) -> String {
    format!("{}/{model}", provider.replace('%', "%25").replace('/', "%2F"))
}

/// The provider and model of a [`model_value`], if it is one.
pub fn model_from(value: &str) -> Option<(String, String)> {
    let (provider, model) = value.split_once('/')?;
    let provider = percent_decode_str(provider).decode_utf8().ok()?;
    Some((provider.into_owned(), model.to_owned()))
}

/// The parameter `byok`.
///
/// # Errors
/// What is allowed instead.
pub fn byok_from(value: &str) -> Result<Byok, String> {
    match value {
        "only" => Ok(Byok::Only),
        "none" => Ok(Byok::None),
        _ => Err("must be only or none, or be left out for both".to_owned()),
    }
}

/// Takes `range`, `since` and `until` from a request.
pub fn take_range(parameters: &mut Parameters) -> Range {
    let range = parameters.one("range").unwrap_or_else(|| "this_month".to_owned());
    let since = parameters.one_as("since", date_from);
    let until = parameters.one_as("until", date_from);
    let preset = match range.as_str() {
        "this_month" => Range::ThisMonth,
        "last_month" => Range::LastMonth,
        "last_30_days" => Range::Last30Days,
        "custom" => return custom_range(parameters, since, until),
        _ => {
            parameters.mistake("range", "must be this_month, last_month, last_30_days or custom");
            return Range::ThisMonth;
        }
    };
    for (key, date) in [("since", since), ("until", until)] {
        if date.is_some() {
            parameters.mistake(key, "is only allowed with range=custom");
        }
    }
    preset
}

fn custom_range(parameters: &mut Parameters, since: Option<NaiveDate>, until: Option<NaiveDate>) -> Range {
    for (key, date) in [("since", since), ("until", until)] {
        if date.is_none() && !parameters.is_mistaken(key) {
            parameters.mistake(key, "is required with range=custom, a date such as 2026-11-23");
        }
    }
    match (since, until) {
        (Some(since), Some(until)) if since <= until => Range::Custom { since, until },
        (Some(_), Some(_)) => {
            parameters.mistake("since", "must not be after until");
            Range::ThisMonth
        }
        _ => Range::ThisMonth,
    }
}

/// A date in a parameter.
///
/// # Errors
/// What is allowed instead.
pub fn date_from(value: &str) -> Result<NaiveDate, String> {
    match written_date(value) {
        Some(date) if (FIRST_DATE..=LAST_DATE).contains(&date) => Ok(date),
        Some(_) => Err(format!("must lie between {FIRST_DATE} and {LAST_DATE}")),
        None => Err("must be a date such as 2026-11-23".to_owned()),
    }
}

/// A date of any year, where it is written as `2026-11-23`.
pub fn written_date(value: &str) -> Option<NaiveDate> {
    let is_plain = value.len() == 10 && value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    value.parse().ok().filter(|_| is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Filter, Vec<(String, String)>> {
        let mut parameters = Parameters::parse(Some(query));
        let filter = Filter::take(&mut parameters);
        match parameters.finish() {
            Ok(()) => Ok(filter),
            Err(problem) => Err(problem
                .mistakes()
                .iter()
                .map(|mistake| (mistake.parameter.clone(), mistake.message.clone()))
                .collect()),
        }
    }

    #[test]
    fn nothing_asked_is_this_month_and_everything_in_it() {
        let filter = read("").unwrap();
        assert_eq!(filter.range, Range::ThisMonth);
        assert!(filter.narrow.keeps_all());
    }

    #[test]
    fn every_kind_of_value_is_read() {
        let filter = read(
            "range=custom&since=2026-02-28&until=2026-03-01&member=m1&member=m2&reason=chat&model=openai/gpt-6\
             &model=a%252Fb/c/d&byok=only",
        )
        .unwrap();
        let (since, until) = ("2026-02-28".parse().unwrap(), "2026-03-01".parse().unwrap());
        assert_eq!(filter.range, Range::Custom { since, until });
        assert_eq!(filter.narrow.members, ["m1", "m2"]);
        assert_eq!(filter.narrow.reasons, ["chat"]);
        let pair = |provider: &str, model: &str| (provider.to_owned(), model.to_owned());
        assert_eq!(filter.narrow.models, [pair("openai", "gpt-6"), pair("a/b", "c/d")]);
        assert_eq!(filter.narrow.byok, Byok::Only);
    }

    #[test]
    fn a_models_value_reads_back_as_the_model() {
        for (provider, model) in [("openai", "gpt"), ("a/b", "c/d"), ("50%", "/"), ("%2F", "%2F"), ("é", "ü")]
        {
            let read = model_from(&model_value(provider, model)).unwrap();
            assert_eq!((read.0.as_str(), read.1.as_str()), (provider, model));
        }
    }

    #[test]
    fn a_mistake_names_its_parameter() {
        for (query, parameters) in [
            ("range=today", vec!["range"]),
            ("range=custom", vec!["since", "until"]),
            ("range=custom&since=2026-11-01", vec!["until"]),
            ("range=custom&since=2026-11-02&until=2026-11-01", vec!["since"]),
            ("range=custom&since=2026-02-30&until=2026-03-01", vec!["since"]),
            ("range=custom&since=1999-12-31&until=2100-01-01", vec!["since", "until"]),
            ("range=custom&since=+2026-1-1&until=2026-11-01", vec!["since"]),
            ("since=2026-11-01", vec!["since"]),
            ("range=this_month&range=last_month", vec!["range"]),
            ("model=gpt-6", vec!["model"]),
            ("byok=yes", vec!["byok"]),
            ("members=m1", vec!["members"]),
        ] {
            let mistakes = read(query).expect_err(query);
            let named: Vec<&str> = mistakes.iter().map(|(parameter, _)| parameter.as_str()).collect();
            assert_eq!(named, parameters, "{query}");
        }
    }
}
