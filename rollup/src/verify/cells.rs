//! Cells and their sums, computed here and as rows claim them.

use super::texts::Texts;
use hashbrown::HashMap;
use proto::Amount;
use std::fmt;

/// What tells cells of a bucket apart: the numbers of member, reason, provider, model and currency.
pub type CellKey = [u32; 5];

/// The cells of a bucket.
pub type Cells = HashMap<CellKey, Sums>;

/// What is summed. Amounts are in units of 10^-12; ten million times the largest call fits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Calls.
    pub calls: u64,
    /// Tokens read.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Credits.
    pub credits: i128,
    /// Provider cost, in the cell's currency.
    pub provider_cost: i128,
}

impl Sums {
    /// Adds others to these. Wraps, as the engine does, on rows that no check could have let in.
    pub fn add(&mut self, other: &Self) {
        self.calls = self.calls.wrapping_add(other.calls);
        self.input_tokens = self.input_tokens.wrapping_add(other.input_tokens);
        self.output_tokens = self.output_tokens.wrapping_add(other.output_tokens);
        self.credits = self.credits.wrapping_add(other.credits);
        self.provider_cost = self.provider_cost.wrapping_add(other.provider_cost);
    }
}

impl fmt::Display for Sums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { calls, input_tokens, output_tokens, credits, provider_cost } = self;
        let (credits, cost) = (Amount::from_units(*credits), Amount::from_units(*provider_cost));
        write!(f, "{calls} calls, {input_tokens} + {output_tokens} tokens, {credits} credits, cost {cost}")
    }
}

/// A cell as people read it.
pub fn shown(key: &CellKey, texts: &Texts) -> String {
    let [member, reason, provider, model, currency] = key.map(|number| texts.text(number));
    let charge = if currency.is_empty() { "credits" } else { currency };
    format!("member {member:?}, reason {reason:?}, {provider:?} {model:?}, {charge}")
}
