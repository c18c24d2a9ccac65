//! Calls of a fixed, realistic shape, the same for the same seed: organisations by Zipf's law (the largest has 2,000
//! members), four reasons, twelve models of which each organisation uses a few, bursts of one member, tokens that
//! differ by powers of two, prices from list, a few in a hundred BYOK, and now and then an emitter that restarts and
//! says its last messages again.

mod slots;
mod timeline;
mod world;

pub use timeline::Timeline;
pub use world::{MODELS, Organisation, REASONS, Size, World};

use prost::Message as _;
use proto::wire::{AiCall, ProviderCost, ai_call::Charge};
use proto::{Amount, EventId};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use slots::Slots;
use std::collections::VecDeque;

/// An emitter restarts each so many messages …
const RESTART_EVERY: u64 = 500_000;
/// … and repeats so many.
const REPEATED: u64 = 20;

/// Makes one message after the other.
pub struct Generator<'w> {
    world: &'w World,
    rng: Xoshiro256PlusPlus,
    by_reason: Slots,
    bursts: Vec<Burst>,
    made: u64,
    /// The last messages before a restart.
    kept: VecDeque<Message>,
    repeats: u64,
    call: AiCall,
}

/// One member at work: the next calls of the organisation are theirs.
#[derive(Debug, Clone, Copy, Default)]
struct Burst {
    left: u32,
    member: usize,
    reason: usize,
}

/// A message, ready to be sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// Rank of the organisation in the world.
    pub organisation: usize,
    /// The encoded call.
    pub payload: Vec<u8>,
}

impl<'w> Generator<'w> {
    /// Calls of a world. Generators of several seeds make different calls of the same people.
    pub fn new(world: &'w World, seed: u64) -> Self {
        Self {
            world,
            rng: Xoshiro256PlusPlus::seed_from_u64(seed),
            by_reason: Slots::new(&REASONS.each_ref().map(|reason| reason.weight), 256),
            bursts: vec![Burst::default(); world.organisations.len()],
            made: 0,
            kept: VecDeque::new(),
            repeats: 0,
            call: AiCall::default(),
        }
    }

    /// Messages made so far that say an earlier one again.
    pub fn repeats(&self) -> u64 {
        self.repeats
    }

    /// The next message of a timeline, into `message`.
    pub fn next_of(&mut self, timeline: &Timeline, message: &mut Message) {
        let at = timeline.at(self.made, &mut self.rng);
        self.next_at(at, message);
    }

    /// The next message of any organisation, about a call at `unix_ms`.
    pub fn next_at(&mut self, unix_ms: i64, message: &mut Message) {
        let organisation = self.world.by_calls.pick(&mut self.rng);
        self.next_by(organisation, unix_ms, message);
    }

    /// The next message of the organisation of this rank, about a call at `unix_ms`.
    pub fn next_by(&mut self, organisation: usize, unix_ms: i64, message: &mut Message) {
        self.made += 1;
        let since_restart = self.made % RESTART_EVERY;
        if since_restart < REPEATED
            && let Some(earlier) = self.kept.pop_front()
        {
            *message = earlier;
            self.repeats += 1;
            return;
        }
        self.draw(organisation, unix_ms);
        message.organisation = organisation;
        message.payload.clear();
        message.payload.reserve(self.call.encoded_len());
        self.call.encode_raw(&mut message.payload);
        if since_restart >= RESTART_EVERY - REPEATED {
            self.kept.push_back(message.clone());
        }
    }

    fn draw(&mut self, organisation: usize, unix_ms: i64) {
        let rng = &mut self.rng;
        let org = &self.world.organisations[organisation];
        let burst = &mut self.bursts[organisation];
        if burst.left == 0 {
            // Most turns are one to three calls; one of ten is a pile of work, such as the CVs of a vacancy.
            let left = if rng.random_range(0..10u32) == 0 {
                rng.random_range(10..60)
            } else {
                rng.random_range(1..4)
            };
            *burst = Burst { left, member: org.by_activity.pick(rng), reason: self.by_reason.pick(rng) };
        }
        burst.left -= 1;
        let reason = &REASONS[burst.reason];
        let model = &MODELS[org.models[burst.reason][usize::from(rng.random_range(0..10u32) == 0)]];
        let input_tokens = tokens(reason.input, rng);
        let output_tokens = tokens(reason.output, rng);
        // In units of 10^−12 US dollars.
        let price = input_tokens * model.per_input_token + output_tokens * model.per_output_token;
        let price = i128::from(price);

        let call = &mut self.call;
        call.event_id.clear();
        call.event_id.extend_from_slice(EventId::from_parts(unix_ms, rng.random()).uuid().as_bytes());
        call.occurred_at_ms = unix_ms;
        set(&mut call.org_id, &org.id);
        set(&mut call.member_id, &org.members[burst.member]);
        set(&mut call.reason, reason.code);
        set(&mut call.provider, model.provider);
        set(&mut call.model, model.name);
        call.input_tokens = input_tokens;
        call.output_tokens = output_tokens;
        call.charge = Some(match org.own_key {
            Some((provider, currency)) if provider == model.provider => {
                let (amount, currency) = (Amount::from_units(price).to_string(), currency.to_string());
                Charge::ProviderCost(ProviderCost { amount, currency })
            }
            // A hundred credits a dollar, to the sixth digit.
            _ => Charge::Credits(Amount::from_units(price * 100 / 1_000_000 * 1_000_000).to_string()),
        });
    }
}

/// Few short texts, many of middle length, few long ones.
fn tokens((least, doublings): (u64, u32), rng: &mut Xoshiro256PlusPlus) -> u64 {
    let doubled = rng.random_range(0..=doublings).min(rng.random_range(0..=doublings));
    let floor = least << doubled;
    floor + rng.random_range(0..floor)
}

fn set(text: &mut String, value: &str) {
    text.clear();
    text.push_str(value);
}

#[cfg(test)]
mod tests;
