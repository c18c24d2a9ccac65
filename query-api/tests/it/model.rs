//! What the answers must be, computed the plain way: every message looked at, for every question.

use crate::world::World;
use chrono::{DateTime, NaiveDate};
use chrono_tz::Tz;
use proto::{Amount, Charge, EventId, Position};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use system_tests::LedgerMessage;

/// A filter with days instead of a range.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub org_id: String,
    pub at: Position,
    pub zone: Tz,
    pub since: NaiveDate,
    pub until: NaiveDate,
    pub members: Vec<String>,
    pub reasons: Vec<String>,
    pub models: Vec<(String, String)>,
    pub byok: Option<bool>,
}

/// Sums of calls.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sums {
    pub calls: u64,
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub credits: i128,
    pub byok: BTreeMap<String, (u64, i128)>,
}

impl Wanted {
    pub fn everything(org_id: &str, at: Position, zone: Tz, since: NaiveDate, until: NaiveDate) -> Self {
        Self {
            org_id: org_id.to_owned(),
            at,
            zone,
            since,
            until,
            members: Vec::new(),
            reasons: Vec::new(),
            models: Vec::new(),
            byok: None,
        }
    }

    /// The filter as a query string.
    pub fn query(&self) -> String {
        let mut query = format!("range=custom&since={}&until={}", self.since, self.until);
        let mut push = |key: &str, value: &str| {
            let value: String = url_encoded(value);
            query.push_str(&format!("&{key}={value}"));
        };
        self.members.iter().for_each(|member| push("member", member));
        self.reasons.iter().for_each(|reason| push("reason", reason));
        for (provider, model) in &self.models {
            push("model", &format!("{}/{model}", provider.replace('%', "%25").replace('/', "%2F")));
        }
        match self.byok {
            Some(true) => push("byok", "only"),
            Some(false) => push("byok", "none"),
            None => {}
        }
        query
    }

    /// The first write of each identity at the position.
    pub fn first_writes<'a>(&self, world: &'a World) -> Vec<&'a LedgerMessage> {
        let mut first: BTreeMap<(i64, EventId), &LedgerMessage> = BTreeMap::new();
        for message in &world.messages {
            if message.call.org_id.as_str() == self.org_id && message.position <= self.at {
                let kept =
                    first.entry((message.call.occurred_at_ms(), message.call.event_id)).or_insert(message);
                if message.position < kept.position {
                    *kept = message;
                }
            }
        }
        first.into_values().collect()
    }

    /// The calls the filter keeps, in no order.
    pub fn calls<'a>(&self, world: &'a World) -> Vec<&'a LedgerMessage> {
        let mut calls = self.first_writes(world);
        calls.retain(|message| self.keeps_day(message) && self.keeps(message));
        calls
    }

    fn keeps_day(&self, message: &LedgerMessage) -> bool {
        (self.since..=self.until).contains(&local_date(self.zone, message.call.occurred_at_ms()))
    }

    fn keeps(&self, message: &LedgerMessage) -> bool {
        let call = &message.call;
        let model = (call.provider.to_string(), call.model.to_string());
        (self.members.is_empty() || self.members.iter().any(|member| member == call.member_id.as_str()))
            && (self.reasons.is_empty() || self.reasons.iter().any(|reason| reason == call.reason.as_str()))
            && (self.models.is_empty() || self.models.contains(&model))
            && self.byok.is_none_or(|byok| byok == is_byok(message))
    }

    /// The parts of `breakdowns` that are numbers.
    pub fn breakdowns(&self, world: &World) -> Value {
        let calls = self.calls(world);
        let by = |name: fn(&LedgerMessage) -> String| -> Value {
            let mut sums: BTreeMap<String, Sums> = BTreeMap::new();
            for message in &calls {
                sums.entry(name(message)).or_default().add(message);
            }
            sums.into_iter().map(|(name, sums)| (name, sums.json())).collect::<serde_json::Map<_, _>>().into()
        };
        json!({
            "totals": total(&calls).json(),
            "by_reason": by(|message| message.call.reason.to_string()),
            "by_model": by(|message| format!("{} {}", message.call.provider, message.call.model)),
            "by_member": by(|message| message.call.member_id.to_string()),
        })
    }

    /// The parts of `filters` that are numbers.
    pub fn options(&self, world: &World) -> Value {
        let without = |dimension: &str| -> Vec<&LedgerMessage> {
            let mut wanted = self.clone();
            match dimension {
                "members" => wanted.members.clear(),
                "reasons" => wanted.reasons.clear(),
                "models" => wanted.models.clear(),
                _ => wanted.byok = None,
            }
            wanted.calls(world)
        };
        let count = |dimension: &str, chosen: Vec<String>, name: fn(&LedgerMessage) -> String| -> Value {
            let mut counts: BTreeMap<String, u64> = chosen.into_iter().map(|chosen| (chosen, 0)).collect();
            for message in without(dimension) {
                *counts.entry(name(message)).or_default() += 1;
            }
            json!(counts)
        };
        let byok = without("byok");
        let only = byok.iter().filter(|message| is_byok(message)).count();
        let known = ["chat", "generate_field", "summarize_cv", "classify_questions"].map(str::to_owned);
        let models = self.models.iter().map(|(provider, model)| format!("{provider} {model}")).collect();
        json!({
            "members": count("members", self.members.clone(), |message| message.call.member_id.to_string()),
            "reasons": count("reasons", [known.to_vec(), self.reasons.clone()].concat(), |message| {
                message.call.reason.to_string()
            }),
            "models": count("models", models, |message| {
                format!("{} {}", message.call.provider, message.call.model)
            }),
            "byok": { "any": byok.len(), "only": only, "none": byok.len() - only },
        })
    }

    /// Sums of each local day or month.
    pub fn series(&self, world: &World, by_month: bool) -> BTreeMap<String, Sums> {
        let mut sums: BTreeMap<String, Sums> = BTreeMap::new();
        for message in self.calls(world) {
            let date = local_date(self.zone, message.call.occurred_at_ms()).to_string();
            let name = if by_month { date[..7].to_owned() } else { date };
            sums.entry(name).or_default().add(message);
        }
        sums
    }

    /// Event ids, newest instant first; calls of one instant in no order.
    pub fn instants(&self, world: &World) -> (BTreeSet<String>, Vec<i64>) {
        let calls = self.calls(world);
        let ids = calls.iter().map(|message| message.call.event_id.to_string()).collect();
        let mut instants: Vec<i64> = calls.iter().map(|message| message.call.occurred_at_ms()).collect();
        instants.sort_unstable_by_key(|instant| std::cmp::Reverse(*instant));
        (ids, instants)
    }
}

impl Sums {
    pub fn add(&mut self, message: &LedgerMessage) {
        let call = &message.call;
        self.calls += 1;
        self.input_tokens += u64::from(call.input_tokens);
        self.output_tokens += u64::from(call.output_tokens);
        match call.charge {
            Charge::Credits(credits) => self.credits += credits.0.units(),
            Charge::ProviderCost(cost) => {
                let byok = self.byok.entry(cost.currency.to_string()).or_default();
                byok.0 += 1;
                byok.1 += cost.amount.units();
            }
        }
    }

    /// As answers carry them.
    pub fn json(&self) -> Value {
        let byok: Vec<Value> = self
            .byok
            .iter()
            .map(|(currency, (calls, cost))| {
                json!({ "currency": currency, "calls": calls, "cost": Amount::from_units(*cost).to_string() })
            })
            .collect();
        json!({ "calls": self.calls, "credits": Amount::from_units(self.credits).to_string(), "byok": byok })
    }
}

pub fn total(calls: &[&LedgerMessage]) -> Sums {
    let mut sums = Sums::default();
    calls.iter().for_each(|message| sums.add(message));
    sums
}

pub fn is_byok(message: &LedgerMessage) -> bool {
    matches!(message.call.charge, Charge::ProviderCost(_))
}

/// The date a wall clock shows, by chrono's own conversion.
pub fn local_date(zone: Tz, unix_ms: i64) -> NaiveDate {
    DateTime::from_timestamp_millis(unix_ms).unwrap().with_timezone(&zone).date_naive()
}

pub fn url_encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
