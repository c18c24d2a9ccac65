//! The contract in motion: Kafka messages, their checked domain types, and the rules that tell a call from a
//! dead letter.
//!
//! Bytes become values in exactly one place: [`decode_call`] for calls and [`decode_directory_change`] for the
//! directory. What they refuse goes to the dead-letter topic; what they accept is inside every bound that the
//! ledger relies on. `README.md` beside this crate tells people with another language's client how to emit.

mod call;
mod directory;
mod identifier;
mod money;
mod partitioner;
mod position;
pub mod topics;
mod view;

pub use call::{Call, Charge, OCCURRED_AFTER_APPEND_MS_MAX, OCCURRED_BEFORE_APPEND_MS_MAX, TOKENS_MAX};
pub use directory::{
    DirectoryChange, DirectoryError, MemberState, OrganisationState, decode_directory_change,
};
pub use identifier::{
    Currency, EventId, IDENTIFIER_BYTES_MAX, IdentifierError, MemberId, Model, OrgId, Provider, Reason,
};
pub use money::{
    AMOUNT_FRACTION_DIGITS, AMOUNT_INTEGER_DIGITS_MAX, Amount, AmountError, Credits, ProviderCost,
};
pub use partitioner::{murmur2, partition_of};
pub use position::{OFFSET_MAX, Position, PositionError};
pub use view::{CallError, CallView, ChargeView, decode_call};

/// The messages as `prost` generates them from the `.proto` files: unchecked, for encoding and for tests.
///
/// The generated code is committed, so that nobody who only builds the services builds a compiler of `.proto` files first.
/// `tests/generated.rs` proves that it is what the `.proto` files say.
pub mod wire {
    #![expect(missing_docs, reason = "generated; the `.proto` files carry the documentation")]
    include!("generated/ai_usage.v1.rs");
}
