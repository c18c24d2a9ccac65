//! `ingest dead-letters list` and `redrive`.

mod letter;
mod list;
mod redrive;

pub use letter::DeadLetter;
pub(super) use letter::{each, place_in};
pub use list::{ListArgs, list};
pub use redrive::{RedriveArgs, redrive};
