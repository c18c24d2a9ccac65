//! What is true: computed in the plainest way from what the topic holds, with nothing that the services use to get there.

use crate::flow::{Flow, ORGS, Poison};
use crate::topic::Letter;
use chrono::{DateTime, NaiveDate};
use chrono_tz::Tz;
use proto::Amount;
use proto::topics::headers;
use proto::wire::{AiCall, ai_call::Charge};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use system_tests::PARTITIONS;

/// The number of the only source of calls.
const SOURCE: u64 = 1;

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

/// Everything that follows from the topic.
#[derive(Default)]
pub struct Truth {
    winners: BTreeMap<String, Vec<Winner>>,
    index: HashMap<(String, [u8; 16]), usize>,
    is_sorted: bool,
    /// Where each poisonous message lies, by partition and offset.
    pub poison: BTreeMap<(i32, i64), Poison>,
    /// Where each misrouted call lies.
    pub misrouted: BTreeSet<(i32, i64)>,
    /// Where those lie that were sent on.
    pub sent_on: BTreeSet<(i32, i64)>,
    /// Messages in the partition of their organisation: what must be ledger rows, by partition.
    pub rows: BTreeMap<i32, u64>,
    /// Later messages of a call, with the same content and with another one.
    pub later: [u64; 2],
    /// Every event id that the topic holds, and every key of a poison.
    pub told: HashSet<[u8; 16]>,
    /// Every key of a poisonous message.
    pub poison_keys: HashSet<String>,
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

impl Truth {
    /// Takes note of the next message of the calls topic.
    ///
    /// # Panics
    /// If it is none that the copilots or ingest can have published.
    pub fn note(&mut self, flow: &Flow, letter: Letter) {
        let place = (letter.partition, letter.offset);
        if let Some(poison) = flow.poison_of_key(&letter.key) {
            assert_eq!(letter.payload, poison.payload, "the payload of {}", letter.key);
            self.poison_keys.insert(letter.key);
            self.poison.insert(place, poison);
            return;
        }
        let payload = letter.payload.expect("a call has a payload");
        let call = <AiCall as prost::Message>::decode(payload.as_slice()).expect("a call is one");
        let event_id: [u8; 16] = call.event_id.as_slice().try_into().expect("an event id has 16 bytes");
        self.told.insert(event_id);
        if let Some(partition) = letter.headers.get(headers::ORIGIN_PARTITION) {
            let offset = &letter.headers[headers::ORIGIN_OFFSET];
            self.sent_on.insert((partition.parse().expect("a number"), offset.parse().expect("a number")));
        }
        let home = proto::partition_of(call.org_id.as_bytes(), PARTITIONS) as i32;
        if letter.partition != home {
            self.misrouted.insert(place);
            return;
        }
        *self.rows.entry(home).or_default() += 1;
        self.count(call, event_id, SOURCE << 48 | (letter.offset as u64 + 1));
    }

    fn count(&mut self, call: AiCall, event_id: [u8; 16], position: u64) {
        let winners = self.winners.entry(call.org_id.clone()).or_default();
        let key = (call.org_id.clone(), event_id);
        // Messages of a partition come in the order of their positions: whoever is there already was first.
        if let Some(winner) = self.index.get(&key).map(|index| &mut winners[*index]) {
            winner.messages += 1;
            self.later[usize::from(winner.call != call)] += 1;
            return;
        }
        self.index.insert(key, winners.len());
        let at_ms = call.occurred_at_ms;
        winners.push(Winner { at_ms, event_id, position, call, messages: 1 });
        self.is_sorted = false;
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

    /// Calls that count of an organisation, in the order of their time.
    pub fn winners(&self, org: &str) -> &[Winner] {
        self.winners.get(org).map_or(&[], Vec::as_slice)
    }

    /// Sums of an organisation's calls in `[from_ms, to_ms)` as they are known at a position.
    pub fn sums(&self, org: &str, (from_ms, to_ms): (i64, i64), at: u64) -> Sums {
        let winners = self.winners(org);
        let first = winners.partition_point(|winner| winner.at_ms < from_ms);
        let inside = winners[first..].iter().take_while(|winner| winner.at_ms < to_ms);
        let mut sums = Sums::default();
        inside.filter(|winner| winner.position <= at).for_each(|winner| sums.add(&winner.call));
        sums
    }

    /// Sums of each value of a dimension, from one day to another, both inclusive.
    pub fn by(
        &self,
        org: &str,
        days: (NaiveDate, NaiveDate),
        at: u64,
        dimension: fn(&Winner, Tz) -> String,
    ) -> BTreeMap<String, Sums> {
        let zone = zone_of(org);
        let mut by: BTreeMap<String, Sums> = BTreeMap::new();
        for winner in self.winners(org).iter().filter(|winner| winner.position <= at) {
            if (days.0..=days.1).contains(&date_of(zone, winner.at_ms)) {
                by.entry(dimension(winner, zone)).or_default().add(&winner.call);
            }
        }
        by
    }
}

impl Sums {
    /// Counts a call.
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
}

/// The zone of an organisation.
pub fn zone_of(org: &str) -> Tz {
    let zone = ORGS.iter().find(|(id, _)| *id == org).map_or("UTC", |(_, zone)| zone);
    zone.parse().expect("an IANA zone")
}

/// The date that a wall clock shows.
pub fn date_of(zone: Tz, unix_ms: i64) -> NaiveDate {
    DateTime::from_timestamp_millis(unix_ms).unwrap_or_default().with_timezone(&zone).date_naive()
}
