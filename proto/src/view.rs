//! Bytes become a checked call without being copied: ingest reads millions of them.
//!
//! The walk over the fields follows protobuf's own rules (the last of a repeated field wins, unknown fields are
//! passed over, a message that comes twice is merged), which a property test compares with `prost`.

use crate::call::{Call, Charge, OCCURRED_AFTER_APPEND_MS_MAX, OCCURRED_BEFORE_APPEND_MS_MAX, TOKENS_MAX};
use crate::identifier::{
    Currency, EventId, IdentifierError, MemberId, Model, OrgId, Provider, Reason, check_text,
};
use crate::money::{Amount, AmountError, Credits, ProviderCost};
use prost::bytes::Buf;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

/// Why a message is no call. The text names the field and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// Not a protobuf message of this shape.
    #[error("the message is no AiCall: {0}")]
    Undecodable(&'static str),
    /// An identifier is out of bounds.
    #[error("`{field}` {error}")]
    Identifier {
        /// The field's name in the `.proto` file.
        field: &'static str,
        /// What is wrong with it.
        error: IdentifierError,
    },
    /// An amount is out of bounds.
    #[error("`{field}` {error}")]
    Amount {
        /// The field's name in the `.proto` file.
        field: &'static str,
        /// What is wrong with it.
        error: AmountError,
    },
    /// Neither credits nor provider cost.
    #[error("`charge` is missing; exactly one of `credits` and `provider_cost` is required")]
    NoCharge,
    /// A token count is out of bounds.
    #[error("`{field}` is {value}; 0 to {TOKENS_MAX} are allowed")]
    Tokens {
        /// The field's name in the `.proto` file.
        field: &'static str,
        /// What stood there.
        value: u64,
    },
    /// The id tells another time than the field.
    #[error(
        "`occurred_at_ms` is {occurred_at_ms}, but the time inside `event_id` is {event_id_ms}; they must be equal"
    )]
    TimesDiffer {
        /// The field.
        occurred_at_ms: i64,
        /// The time in the UUIDv7.
        event_id_ms: i64,
    },
    /// Too far from the broker's append time.
    #[error(
        "`occurred_at_ms` is {occurred_at_ms}, the message was appended at {appended_at_ms}; allowed are 731 days \
         before to 1 day after"
    )]
    OccurredAt {
        /// The field.
        occurred_at_ms: i64,
        /// The broker's append time.
        appended_at_ms: i64,
    },
}

impl CallError {
    /// A stable code for headers, metrics and filters.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Undecodable(_) => "undecodable",
            Self::Identifier { .. } => "identifier_out_of_bounds",
            Self::Amount { .. } => "amount_out_of_bounds",
            Self::NoCharge => "charge_missing",
            Self::Tokens { .. } => "tokens_out_of_bounds",
            Self::TimesDiffer { .. } => "times_differ",
            Self::OccurredAt { .. } => "occurred_at_out_of_bounds",
        }
    }
}

/// What a call costs, as [`Charge`] says.
pub type ChargeView = Charge;

/// A checked call that borrows its texts from the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallView<'a> {
    /// Identity and instant.
    pub event_id: EventId,
    /// Who pays.
    pub org_id: &'a str,
    /// Who called.
    pub member_id: &'a str,
    /// What for.
    pub reason: &'a str,
    /// Who answered.
    pub provider: &'a str,
    /// With which model.
    pub model: &'a str,
    /// Tokens read.
    pub input_tokens: u32,
    /// Tokens written.
    pub output_tokens: u32,
    /// Credits or provider cost.
    pub charge: ChargeView,
}

impl CallView<'_> {
    /// When the call happened, in Unix milliseconds.
    pub fn occurred_at_ms(&self) -> i64 {
        self.event_id.unix_ms()
    }

    /// Checks the instant against the broker's append time of the message (of its first one, if it was rerouted).
    ///
    /// # Errors
    /// [`CallError::OccurredAt`] outside the window.
    pub fn check_time(&self, appended_at_ms: i64) -> Result<(), CallError> {
        let occurred_at_ms = self.occurred_at_ms();
        let age = appended_at_ms.saturating_sub(occurred_at_ms);
        if (-OCCURRED_AFTER_APPEND_MS_MAX..=OCCURRED_BEFORE_APPEND_MS_MAX).contains(&age) {
            Ok(())
        } else {
            Err(CallError::OccurredAt { occurred_at_ms, appended_at_ms })
        }
    }

    /// An owned copy.
    ///
    /// # Errors
    /// None for a view that [`decode_call`] made; the checks run again because the fields are public.
    pub fn to_call(&self) -> Result<Call, CallError> {
        let of = |field| move |error| CallError::Identifier { field, error };
        Ok(Call {
            event_id: self.event_id,
            org_id: OrgId::new(self.org_id).map_err(of("org_id"))?,
            member_id: MemberId::new(self.member_id).map_err(of("member_id"))?,
            reason: Reason::new(self.reason).map_err(of("reason"))?,
            provider: Provider::new(self.provider).map_err(of("provider"))?,
            model: Model::new(self.model).map_err(of("model"))?,
            input_tokens: self.input_tokens,
            output_tokens: self.output_tokens,
            charge: self.charge,
        })
    }
}

/// Reads and checks one message, all but its time window (see [`CallView::check_time`]).
///
/// # Errors
/// The first thing that is wrong, in the order of the fields.
pub fn decode_call(message: &[u8]) -> Result<CallView<'_>, CallError> {
    let raw = RawCall::read(message)?;
    let text = |field, bytes| checked_text(field, bytes);
    let event_id = EventId::from_bytes(raw.event_id)
        .map_err(|error| CallError::Identifier { field: "event_id", error })?;
    if event_id.unix_ms() != raw.occurred_at_ms {
        return Err(CallError::TimesDiffer {
            occurred_at_ms: raw.occurred_at_ms,
            event_id_ms: event_id.unix_ms(),
        });
    }
    Ok(CallView {
        event_id,
        org_id: text("org_id", raw.org_id)?,
        member_id: text("member_id", raw.member_id)?,
        reason: text("reason", raw.reason)?,
        provider: text("provider", raw.provider)?,
        model: text("model", raw.model)?,
        input_tokens: checked_tokens("input_tokens", raw.input_tokens)?,
        output_tokens: checked_tokens("output_tokens", raw.output_tokens)?,
        charge: match raw.charge {
            RawCharge::None => return Err(CallError::NoCharge),
            RawCharge::Credits(amount) => Charge::Credits(Credits(checked_amount("credits", amount)?)),
            RawCharge::ProviderCost { amount, currency } => Charge::ProviderCost(ProviderCost {
                amount: checked_amount("provider_cost.amount", amount)?,
                currency: Currency::new(currency)
                    .map_err(|error| CallError::Identifier { field: "provider_cost.currency", error })?,
            }),
        },
    })
}

fn checked_text<'a>(field: &'static str, text: &'a str) -> Result<&'a str, CallError> {
    check_text(text).map_err(|error| CallError::Identifier { field, error })
}

fn checked_tokens(field: &'static str, value: u64) -> Result<u32, CallError> {
    match u32::try_from(value) {
        Ok(tokens) if value <= TOKENS_MAX => Ok(tokens),
        _ => Err(CallError::Tokens { field, value }),
    }
}

fn checked_amount(field: &'static str, text: &str) -> Result<Amount, CallError> {
    Amount::parse(text).map_err(|error| CallError::Amount { field, error })
}

/// The fields as they stand on the wire, with protobuf's defaults.
#[derive(Default)]
struct RawCall<'a> {
    event_id: &'a [u8],
    occurred_at_ms: i64,
    org_id: &'a str,
    member_id: &'a str,
    reason: &'a str,
    provider: &'a str,
    model: &'a str,
    input_tokens: u64,
    output_tokens: u64,
    charge: RawCharge<'a>,
}

#[derive(Default, Clone, Copy)]
enum RawCharge<'a> {
    #[default]
    None,
    Credits(&'a str),
    ProviderCost {
        amount: &'a str,
        currency: &'a str,
    },
}

impl<'a> RawCall<'a> {
    fn read(mut message: &'a [u8]) -> Result<Self, CallError> {
        let mut call = Self::default();
        while message.has_remaining() {
            let (field, wire_type) = key(&mut message)?;
            match field {
                1 => call.event_id = delimited(wire_type, &mut message)?,
                2 => call.occurred_at_ms = varint(wire_type, &mut message)? as i64,
                3 => call.org_id = text(wire_type, &mut message)?,
                4 => call.member_id = text(wire_type, &mut message)?,
                5 => call.reason = text(wire_type, &mut message)?,
                6 => call.provider = text(wire_type, &mut message)?,
                7 => call.model = text(wire_type, &mut message)?,
                8 => call.input_tokens = varint(wire_type, &mut message)?,
                9 => call.output_tokens = varint(wire_type, &mut message)?,
                10 => call.charge = RawCharge::Credits(text(wire_type, &mut message)?),
                11 => call.charge = call.charge.merged(delimited(wire_type, &mut message)?)?,
                _ => skip(wire_type, field, &mut message)?,
            }
        }
        Ok(call)
    }
}

impl<'a> RawCharge<'a> {
    /// A `ProviderCost` on the wire replaces credits and is merged into an earlier `ProviderCost`.
    fn merged(self, mut message: &'a [u8]) -> Result<Self, CallError> {
        let (mut amount, mut currency) = match self {
            Self::ProviderCost { amount, currency } => (amount, currency),
            Self::None | Self::Credits(_) => ("", ""),
        };
        while message.has_remaining() {
            let (field, wire_type) = key(&mut message)?;
            match field {
                1 => amount = text(wire_type, &mut message)?,
                2 => currency = text(wire_type, &mut message)?,
                _ => skip(wire_type, field, &mut message)?,
            }
        }
        Ok(Self::ProviderCost { amount, currency })
    }
}

fn key(message: &mut &[u8]) -> Result<(u32, WireType), CallError> {
    decode_key(message).map_err(|_| CallError::Undecodable("a field's key is broken"))
}

fn varint(wire_type: WireType, message: &mut &[u8]) -> Result<u64, CallError> {
    expect(wire_type, WireType::Varint)?;
    decode_varint(message).map_err(|_| CallError::Undecodable("a number is broken"))
}

fn delimited<'a>(wire_type: WireType, message: &mut &'a [u8]) -> Result<&'a [u8], CallError> {
    expect(wire_type, WireType::LengthDelimited)?;
    let length = decode_varint(message).map_err(|_| CallError::Undecodable("a length is broken"))?;
    let (bytes, rest) = usize::try_from(length)
        .ok()
        .and_then(|length| message.split_at_checked(length))
        .ok_or(CallError::Undecodable("a field is longer than the message"))?;
    *message = rest;
    Ok(bytes)
}

fn text<'a>(wire_type: WireType, message: &mut &'a [u8]) -> Result<&'a str, CallError> {
    std::str::from_utf8(delimited(wire_type, message)?)
        .map_err(|_| CallError::Undecodable("a text is not UTF-8"))
}

fn skip(wire_type: WireType, field: u32, message: &mut &[u8]) -> Result<(), CallError> {
    skip_field(wire_type, field, message, DecodeContext::default())
        .map_err(|_| CallError::Undecodable("an unknown field is broken"))
}

fn expect(found: WireType, wanted: WireType) -> Result<(), CallError> {
    if found == wanted { Ok(()) } else { Err(CallError::Undecodable("a field has the wrong wire type")) }
}

#[cfg(test)]
#[path = "view/tests.rs"]
mod tests;
