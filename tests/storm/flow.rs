//! What the copilots publish: a stream in which every message follows from the seed, the copilot and its number, so
//! that a copilot that was killed goes on with the very messages it would have published.

use proto::{Call, EventId};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};
use system_tests::{PARTITIONS, call};

/// Organisations and their zones. The first has many calls, the last few.
pub const ORGS: [(&str, &str); 8] = [
    ("acme", "Europe/Berlin"),
    ("globex", "Asia/Kathmandu"),
    ("initech", "America/Sao_Paulo"),
    ("umbrella", "Australia/Lord_Howe"),
    ("hooli", "America/Los_Angeles"),
    ("wonka", "UTC"),
    ("tyrell", "Pacific/Chatham"),
    ("cyberdyne", "Africa/Casablanca"),
];

/// Time in which the calls of a storm happened: a day and a bit up to its start, so that buckets of all levels pass.
pub const SPAN_MS: i64 = 27 * 3_600_000;

/// How many copilots publish it.
pub const COPILOTS: u64 = 3;

/// Providers with their models, of which one is offered by two.
const MODELS: [(&str, &str); 4] = [("openai", "m1"), ("openai", "m2"), ("mistral", "m1"), ("mistral", "m3")];

/// Members of each organisation.
pub const MEMBERS: u64 = 12;

/// One copilot's part of the stream.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Flow {
    /// Of the storm.
    pub seed: u64,
    /// Which copilot, from 1.
    pub copilot: u64,
    /// How many messages all copilots have.
    pub events: u64,
    /// When the storm began, in Unix milliseconds.
    pub began_ms: i64,
}

/// One message.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// By the emitter's library: a call, new or late, or one that was published before, or one that contradicts it.
    Call(Call),
    /// By a foreign client, into a partition that is not its organisation's.
    Misrouted(Call, u32),
    /// By a foreign client: cannot be counted.
    Poison(Poison),
}

/// A message that cannot be counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poison {
    /// Tells it from every other one.
    pub key: String,
    /// What it holds; `None` is a tombstone.
    pub payload: Option<Vec<u8>>,
    /// Why it is a dead letter.
    pub reason: &'static str,
    /// Where it is published.
    pub partition: u32,
}

impl Flow {
    /// How many messages this copilot has: the first ones have one more where they cannot have as many each.
    pub fn count(&self) -> u64 {
        (self.events + COPILOTS - self.copilot) / COPILOTS
    }

    /// Message number `n`. In a thousand: 5 poisonous, 10 misrouted, 20 conflicts, 50 repeats; of all calls, 50 late.
    pub fn nth(&self, n: u64) -> Item {
        let mut dice = self.dice(n, "kind");
        match dice.random_range(0..1000) {
            0..5 => Item::Poison(self.poison(n)),
            5..15 => {
                let call = self.call(n);
                let home = proto::partition_of(call.key(), PARTITIONS);
                Item::Misrouted(call, (home + dice.random_range(1..PARTITIONS)) % PARTITIONS)
            }
            15..35 => {
                // The same identity with other content.
                let (told, other) = (self.earlier(n, &mut dice), self.call(n));
                Item::Call(Call { event_id: told.event_id, org_id: told.org_id, ..other })
            }
            35..85 => Item::Call(self.earlier(n, &mut dice)),
            _ => Item::Call(self.call(n)),
        }
    }

    /// Whether message `n` is a call of which nobody told before, and late.
    pub fn is_late(&self, n: u64) -> bool {
        let is_new = matches!(self.dice(n, "kind").random_range(0..1000), 5..15 | 85..1000);
        is_new && late_ms(&mut self.dice(n, "call")) > 0
    }

    /// The message whose key is that of a poison; `None` for any other key.
    pub fn poison_of_key(&self, key: &str) -> Option<Poison> {
        let mut parts = key.strip_prefix("poison-")?.split('-').map(str::parse);
        let (Some(Ok(copilot)), Some(Ok(n))) = (parts.next(), parts.next()) else { return None };
        Some(Self { copilot, ..self.clone() }.poison(n))
    }

    fn dice(&self, n: u64, what: &str) -> StdRng {
        let salt = what.bytes().fold(0u64, |salt, byte| salt << 8 | u64::from(byte));
        let mixed = (self.seed ^ salt).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (self.copilot << 48 | n);
        StdRng::seed_from_u64(mixed)
    }

    /// A call that was published before, most often a moment ago.
    fn earlier(&self, n: u64, dice: &mut StdRng) -> Call {
        let oldest = if dice.random_bool(0.7) { n.saturating_sub(300) } else { 0 };
        self.call(dice.random_range(oldest..=n.saturating_sub(1).max(oldest)))
    }

    fn call(&self, n: u64) -> Call {
        let mut dice = self.dice(n, "call");
        let late_ms = late_ms(&mut dice);
        let passed = SPAN_MS * n as i64 / self.count().max(1) as i64;
        let at_ms = self.began_ms - SPAN_MS + passed - late_ms - dice.random_range(0..1000);
        // Half of what is left for each next organisation.
        let org = (dice.random::<u32>() | 1 << (ORGS.len() - 1)).trailing_zeros() as usize;
        let (provider, model) = *MODELS.choose(&mut dice).unwrap_or(&MODELS[0]);
        let call = call()
            .id(EventId::from_parts(at_ms, dice.random()))
            .org(ORGS[org].0)
            .member(&format!("m-{}", dice.random_range(0..MEMBERS)))
            .reason(["chat", "generate_field", "summarize_cv"].choose(&mut dice).unwrap_or(&"chat"))
            .model(provider, model)
            .tokens(dice.random_range(0..9000), dice.random_range(0..900));
        let amount = proto::Amount::from_units(dice.random_range(0..5_000_000_000_000)).to_string();
        let call = if dice.random_bool(0.2) {
            call.byok(&amount, ["EUR", "USD"].choose(&mut dice).unwrap_or(&"EUR"))
        } else {
            call.credits(&amount)
        };
        call.build()
    }

    fn poison(&self, n: u64) -> Poison {
        use prost::Message;
        use proto::wire::{AiCall, ai_call::Charge};
        let mut dice = self.dice(n, "poison");
        let call = self.call(n);
        let changed = |change: fn(&mut AiCall)| {
            let mut wire = AiCall::decode(call.encode().as_slice()).unwrap_or_default();
            change(&mut wire);
            Some(wire.encode_to_vec())
        };
        let (reason, payload) = match dice.random_range(0..6) {
            0 => ("no_payload", None),
            1 => ("empty", Some(Vec::new())),
            2 => ("undecodable", Some(vec![0xff, dice.random(), dice.random(), 0])),
            3 => ("charge_missing", changed(|wire| wire.charge = None)),
            4 => ("times_differ", changed(|wire| wire.occurred_at_ms += 1)),
            _ => {
                let thirteen =
                    |wire: &mut AiCall| wire.charge = Some(Charge::Credits("0.1234567890123".into()));
                ("amount_out_of_bounds", changed(thirteen))
            }
        };
        let (key, partition) = (format!("poison-{}-{n}", self.copilot), dice.random_range(0..PARTITIONS));
        Poison { key, payload, reason, partition }
    }
}

/// One message in twenty is late, by minutes to months: so many of those that are new calls.
fn late_ms(dice: &mut StdRng) -> i64 {
    let minutes = 60_000i64 << dice.random_range(0..17);
    if dice.random_bool(0.054) { minutes + dice.random_range(0..minutes) } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_the_same_every_time_and_holds_every_kind_in_its_share() {
        let flow = Flow { seed: 7, copilot: 1, events: 60_000, began_ms: 1_790_000_000_000 };
        assert_eq!(flow.count(), 20_000);
        let (mut misrouted, mut poison, mut late, mut ids) = (0, 0, 0, std::collections::BTreeMap::new());
        for n in 0..flow.count() {
            let item = flow.nth(n);
            assert_eq!(item, flow.nth(n));
            match item {
                Item::Call(call) => {
                    late += u32::from(call.occurred_at_ms() < flow.began_ms - SPAN_MS - 60_000);
                    ids.entry(call.event_id).or_insert_with(Vec::new).push(call);
                }
                Item::Misrouted(call, partition) => {
                    misrouted += 1;
                    assert_ne!(partition, proto::partition_of(call.key(), PARTITIONS));
                }
                Item::Poison(found) => {
                    poison += 1;
                    assert_eq!(flow.poison_of_key(&found.key), Some(found));
                }
            }
        }
        let again = |same: bool| -> usize {
            ids.values()
                .map(|calls| calls[1..].iter().filter(|call| (**call == calls[0]) == same).count())
                .sum()
        };
        let shares = [misrouted, poison, again(true), again(false)].map(|count| count * 1000 / 20_000);
        assert!((8..12).contains(&shares[0]) && (3..7).contains(&shares[1]), "{shares:?}");
        assert!((40..60).contains(&shares[2]) && (15..25).contains(&shares[3]), "{shares:?}");
        assert!(late > 100, "{late} calls of days and months ago");
        let all_late = (0..flow.count()).filter(|n| flow.is_late(*n)).count();
        assert!((900..1100).contains(&all_late), "{all_late} late calls");
    }

    #[test]
    fn the_copilots_parts_are_the_whole() {
        for events in [0, 1, 2, 20_000, 1_000_000] {
            let part = |copilot| Flow { seed: 7, copilot, events, began_ms: 0 }.count();
            assert_eq!((1..=COPILOTS).map(part).sum::<u64>(), events);
        }
    }
}
