//! Random filters, chosen from values that were published, and the snapshots they are asked at.

use super::snapshots::Snapshots;
use super::stream::{MEMBERS, MODELS, ORGS, REASONS, Stream};
use chrono::{Datelike, Days, NaiveDate};
use chrono_tz::Tz;
use proto::Charge;
use proto::wire::{AiCall, ai_call};
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use system_tests::date_of;

/// A filter, and the snapshot it is asked at.
#[derive(Clone, Debug)]
pub struct Question {
    pub org: &'static str,
    pub as_of: String,
    /// The day of the snapshot.
    pub today: NaiveDate,
    pub filter: Filter,
    /// Whether the log is read to its end, or its newest pages alone.
    pub is_whole: bool,
}

/// What is kept.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Values of the parameters `member`, `reason`, `model` and `byok`; none keeps all.
    pub values: [Vec<String>; 4],
    range: Range,
}

/// The parameters by number.
pub const MEMBER: usize = 0;
pub const REASON: usize = 1;
pub const MODEL: usize = 2;
pub const BYOK: usize = 3;
const PARAMETERS: [&str; 4] = ["member", "reason", "model", "byok"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Range {
    ThisMonth,
    LastMonth,
    Last30Days,
    Custom(NaiveDate, NaiveDate),
}

/// A call that was published so long before a snapshot's present is most likely in it.
const COUNTED_AFTER_MS: i64 = 5_000;
/// The last ones have so few calls that the whole organisation can be read to its end.
const SMALL: usize = 2;

impl Question {
    /// One that a published call may answer.
    pub fn random(stream: &Stream, snapshots: &Snapshots, dice: &mut StdRng) -> Self {
        // Without a member: all of a small organisation, or the newest calls of any, where each one at the edge counts.
        let is_wide = dice.random_bool(0.2);
        let is_whole = !is_wide || dice.random_bool(0.5);
        let number = dice.random_range(if is_wide && is_whole { ORGS.len() - SMALL } else { 0 }..ORGS.len());
        let (org, zone) = ORGS[number];
        let zone: Tz = zone.parse().expect("an IANA zone");
        let recent = dice.random_bool(0.5);
        let as_of = [recent, false].iter().find_map(|recent| snapshots.any_of(org, *recent, dice));
        let as_of = as_of.expect("every organisation was asked");
        let present_ms: i64 = as_of.split('.').nth(1).and_then(|text| text.parse().ok()).expect("a present");
        let today = date_of(zone, present_ms);
        let call = stream.any_of(org, present_ms - COUNTED_AFTER_MS, dice);
        let day = date_of(zone, call.occurred_at_ms());
        let (member, reason) = (call.member_id.to_string(), call.reason.to_string());
        let model = format!("{}/{}", call.provider, call.model);
        let byok = if matches!(call.charge, Charge::ProviderCost(_)) { "only" } else { "none" };

        let mut values: [Vec<String>; 4] = Default::default();
        if !is_wide {
            let other = format!("m-{}", dice.random_range(0..MEMBERS));
            values[MEMBER] = some(member, other, dice);
        }
        if dice.random_bool(0.35) {
            let other = *REASONS.choose(dice).unwrap_or(&REASONS[0]);
            values[REASON] = some(reason, other.to_owned(), dice);
        }
        if dice.random_bool(0.35) {
            let (provider, other) = *MODELS.choose(dice).unwrap_or(&MODELS[0]);
            values[MODEL] = some(model, format!("{provider}/{other}"), dice);
        }
        if dice.random_bool(0.25) {
            values[BYOK] = vec![byok.to_owned()];
        }
        if dice.random_bool(0.04) {
            values[MEMBER] = vec!["nobody".to_owned()];
        }
        let filter = Filter { values, range: Range::around(day, today, dice) };
        Self { org, as_of, today, filter, is_whole }
    }

    /// The path of a resource at the snapshot.
    pub fn path(&self, resource: &str) -> String {
        format!("/v1/orgs/{}/{resource}?as_of={}&{}", self.org, self.as_of, self.filter.query())
    }

    /// First and last day.
    pub fn days(&self) -> (NaiveDate, NaiveDate) {
        self.filter.range.days(self.today)
    }
}

/// One value or two.
fn some(value: String, other: String, dice: &mut StdRng) -> Vec<String> {
    let more = Some(other).filter(|other| *other != value && dice.random_bool(0.3));
    std::iter::once(value).chain(more).collect()
}

impl Filter {
    fn query(&self) -> String {
        let pairs = PARAMETERS.iter().zip(&self.values);
        let pairs =
            pairs.flat_map(|(name, values)| values.iter().map(move |value| format!("{name}={value}")));
        pairs.chain([self.range.query()]).collect::<Vec<_>>().join("&")
    }

    /// Whether a call is kept by all parameters but one.
    pub fn keeps(&self, call: &AiCall, but: Option<usize>) -> bool {
        let byok = match call.charge {
            Some(ai_call::Charge::ProviderCost(_)) => "only",
            _ => "none",
        };
        let says = |number: usize, value: &str| match number {
            MEMBER => value == call.member_id,
            REASON => value == call.reason,
            MODEL => value.split_once('/') == Some((&call.provider, &call.model)),
            _ => value == byok,
        };
        self.values.iter().enumerate().all(|(number, values)| {
            but == Some(number) || values.is_empty() || values.iter().any(|value| says(number, value))
        })
    }
}

impl Range {
    /// A random one with that day in it.
    fn around(day: NaiveDate, today: NaiveDate, dice: &mut StdRng) -> Self {
        let mut days = || Days::new(dice.random_range(0..20));
        let custom = Self::Custom(day - days(), day + days());
        let all = [Self::ThisMonth, Self::LastMonth, Self::Last30Days, custom];
        let fit = all.into_iter().filter(|range| {
            let (since, until) = range.days(today);
            (since..=until).contains(&day)
        });
        *fit.collect::<Vec<_>>().choose(dice).unwrap_or(&custom)
    }

    fn days(self, today: NaiveDate) -> (NaiveDate, NaiveDate) {
        let first = today.with_day(1).expect("every month has a first day");
        match self {
            Self::ThisMonth => (first, last_of_month(first)),
            Self::LastMonth => {
                let last = first - Days::new(1);
                (last.with_day(1).expect("every month has a first day"), last)
            }
            Self::Last30Days => (today - Days::new(29), today),
            Self::Custom(since, until) => (since, until),
        }
    }

    fn query(self) -> String {
        match self {
            Self::ThisMonth => "range=this_month".to_owned(),
            Self::LastMonth => "range=last_month".to_owned(),
            Self::Last30Days => "range=last_30_days".to_owned(),
            Self::Custom(since, until) => format!("range=custom&since={since}&until={until}"),
        }
    }
}

fn last_of_month(first: NaiveDate) -> NaiveDate {
    let next = first + Days::new(31);
    next.with_day(1).expect("every month has a first day") - Days::new(1)
}
