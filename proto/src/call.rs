//! A call that passed every check, and how it becomes bytes.

use crate::identifier::{EventId, MemberId, Model, OrgId, Provider, Reason};
use crate::money::{Credits, ProviderCost};
use crate::wire;
use prost::Message;

/// Largest token count of one call. The ledger's columns are 32 bits wide; no model of today reads a thousandth.
pub const TOKENS_MAX: u64 = 4_000_000_000;

/// How long before the broker's append time a call may have happened: two years (731 days). One insert must not
/// touch more than 100 months, and a clock that stands at 1970 must not open a partition of its own.
pub const OCCURRED_BEFORE_APPEND_MS_MAX: i64 = 731 * DAY_MS;

/// How long after the broker's append time a call may claim to have happened: one day, for clocks that run fast.
pub const OCCURRED_AFTER_APPEND_MS_MAX: i64 = DAY_MS;

const DAY_MS: i64 = 86_400_000;

/// What a call costs, and whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charge {
    /// Deducted from the organisation's balance.
    Credits(Credits),
    /// BYOK: paid by the organisation to the provider itself.
    ProviderCost(ProviderCost),
}

/// One AI call. Its instant is the one inside `event_id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Identity and instant.
    pub event_id: EventId,
    /// Who pays.
    pub org_id: OrgId,
    /// Who called.
    pub member_id: MemberId,
    /// What for.
    pub reason: Reason,
    /// Who answered.
    pub provider: Provider,
    /// With which model.
    pub model: Model,
    /// Tokens read, 0 to [`TOKENS_MAX`].
    pub input_tokens: u32,
    /// Tokens written, 0 to [`TOKENS_MAX`].
    pub output_tokens: u32,
    /// Credits or provider cost.
    pub charge: Charge,
}

impl Call {
    /// When the call happened, in Unix milliseconds.
    pub fn occurred_at_ms(&self) -> i64 {
        self.event_id.unix_ms()
    }

    /// The Kafka key: it decides the partition.
    pub fn key(&self) -> &[u8] {
        self.org_id.as_str().as_bytes()
    }

    /// The message's bytes, in the order of the field numbers.
    pub fn encode(&self) -> Vec<u8> {
        wire::AiCall {
            event_id: self.event_id.uuid().as_bytes().to_vec(),
            occurred_at_ms: self.occurred_at_ms(),
            org_id: self.org_id.to_string(),
            member_id: self.member_id.to_string(),
            reason: self.reason.to_string(),
            provider: self.provider.to_string(),
            model: self.model.to_string(),
            input_tokens: u64::from(self.input_tokens),
            output_tokens: u64::from(self.output_tokens),
            charge: Some(match self.charge {
                Charge::Credits(credits) => wire::ai_call::Charge::Credits(credits.to_string()),
                Charge::ProviderCost(cost) => wire::ai_call::Charge::ProviderCost(wire::ProviderCost {
                    amount: cost.amount.to_string(),
                    currency: cost.currency.to_string(),
                }),
            }),
        }
        .encode_to_vec()
    }
}
