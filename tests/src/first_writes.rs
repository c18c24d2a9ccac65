//! Which calls count, computed in the plainest way from the messages of a topic, with nothing that the services use to
//! get there: the first message of each identity.

use chrono::{DateTime, NaiveDate};
use chrono_tz::Tz;
use proto::Amount;
use proto::wire::{AiCall, ai_call::Charge};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

/// A call that counts, and how many messages told of it.
#[derive(Clone, Debug)]
pub struct Winner {
    /// When it happened, in Unix milliseconds.
    pub at_ms: i64,
    /// Its event id.
    pub event_id: [u8; 16],
    /// The lowest position that told of it.
    pub position: u64,
    /// What that message said.
    pub call: AiCall,
    /// Messages that told of it, whatever they said.
    pub messages: u64,
}

/// What a message is to its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// The first one, which counts.
    First,
    /// A later one that says the same.
    Repeat,
    /// A later one that says something else.
    Conflict,
}

/// All calls that count, by organisation.
#[derive(Debug, Default)]
pub struct FirstWrites {
    winners: BTreeMap<String, Vec<Winner>>,
    index: HashMap<(String, [u8; 16]), usize>,
    is_sorted: bool,
    /// Later messages of a call, with the same content and with another one.
    pub later: [u64; 2],
}

/// Sums of calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// How many.
    pub calls: u64,
    /// Tokens read.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// In units of 10^-12.
    pub credits: i128,
    /// BYOK calls and their cost by currency.
    pub byok: BTreeMap<String, (u64, i128)>,
}

impl FirstWrites {
    /// Takes note of the next message of the partition of its organisation, and says what it is.
    ///
    /// # Panics
    /// If its event id is none.
    pub fn note(&mut self, call: AiCall, position: u64) -> Told {
        let event_id: [u8; 16] = call.event_id.as_slice().try_into().expect("an event id has 16 bytes");
        let winners = self.winners.entry(call.org_id.clone()).or_default();
        let key = (call.org_id.clone(), event_id);
        // Messages of a partition come in the order of their positions: whoever is there already was first.
        if let Some(winner) = self.index.get(&key).map(|index| &mut winners[*index]) {
            let told = if winner.call == call { Told::Repeat } else { Told::Conflict };
            winner.messages += 1;
            self.later[usize::from(told == Told::Conflict)] += 1;
            return told;
        }
        self.index.insert(key, winners.len());
        let at_ms = call.occurred_at_ms;
        winners.push(Winner { at_ms, event_id, position, call, messages: 1 });
        self.is_sorted = false;
        Told::First
    }

    /// Makes questions cheap; after the last note.
    pub fn settle(&mut self) {
        if self.is_sorted {
            return;
        }
        self.index.clear();
        for (org, winners) in &mut self.winners {
            winners.sort_unstable_by_key(|winner| (winner.at_ms, winner.event_id));
            let keys = winners.iter().map(|winner| (org.clone(), winner.event_id));
            self.index.extend(keys.enumerate().map(|(index, key)| (key, index)));
        }
        self.is_sorted = true;
    }

    /// Calls that count of an organisation, in the order of their time once it is settled.
    pub fn of(&self, org: &str) -> &[Winner] {
        self.winners.get(org).map_or(&[], Vec::as_slice)
    }
}

impl Sums {
    /// Counts a call.
    ///
    /// # Panics
    /// If its charge is none.
    pub fn add(&mut self, call: &AiCall) {
        let units = |text: &str| Amount::parse(text).expect("an amount").units();
        self.calls += 1;
        self.input_tokens += call.input_tokens;
        self.output_tokens += call.output_tokens;
        match call.charge.as_ref().expect("a charge") {
            Charge::Credits(credits) => self.credits += units(credits),
            Charge::ProviderCost(cost) => {
                let byok = self.byok.entry(cost.currency.clone()).or_default();
                byok.0 += 1;
                byok.1 += units(&cost.amount);
            }
        }
    }

    /// The sums of each group.
    pub fn by<'a>(
        winners: impl IntoIterator<Item = &'a Winner>,
        name: impl Fn(&Winner) -> String,
    ) -> BTreeMap<String, Self> {
        let mut by: BTreeMap<String, Self> = BTreeMap::new();
        winners.into_iter().for_each(|winner| by.entry(name(winner)).or_default().add(&winner.call));
        by
    }

    /// As answers of the API carry them.
    pub fn json(&self) -> Value {
        let byok = self.byok.iter().map(|(currency, (calls, cost))| {
            json!({ "currency": currency, "calls": calls, "cost": Amount::from_units(*cost).to_string() })
        });
        json!({
            "calls": self.calls,
            "credits": Amount::from_units(self.credits).to_string(),
            "byok": byok.collect::<Vec<_>>(),
        })
    }

    /// Named sums as [`said_by_name`] finds them in an answer.
    pub fn json_by_name(sums: &BTreeMap<String, Self>) -> Value {
        sums.iter().map(|(name, sums)| (name.clone(), sums.json())).collect::<serde_json::Map<_, _>>().into()
    }
}

/// The part of sums that every answer carries.
pub fn said_sums(said: &Value) -> Value {
    json!({ "calls": said["calls"], "credits": said["credits"], "byok": said["byok"] })
}

/// Sums as the API says them, of a list of rows with a name each; without those that count nothing.
pub fn said_by_name(rows: &Value, name: impl Fn(&Value) -> String) -> Value {
    let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
    let said = rows.iter().filter(|row| row["calls"] != 0).map(|row| (name(row), said_sums(row)));
    said.collect::<serde_json::Map<_, _>>().into()
}

/// The date that a wall clock shows.
pub fn date_of(zone: Tz, unix_ms: i64) -> NaiveDate {
    DateTime::from_timestamp_millis(unix_ms).unwrap_or_default().with_timezone(&zone).date_naive()
}
