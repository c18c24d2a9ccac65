//! Sums of calls: credits and provider costs side by side, never together, and never two currencies together.

use proto::Amount;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use warehouse::DecimalUnits;

/// What some calls add up to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sums {
    /// All calls, BYOK included.
    pub calls: u64,
    /// Tokens read.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Credits deducted.
    pub credits: Amount,
    /// Calls with the organisation's own key, by currency.
    pub byok: BTreeMap<String, ByokSums>,
}

/// What the BYOK calls in one currency add up to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ByokSums {
    /// Number of calls.
    pub calls: u64,
    /// Charged by the providers.
    pub cost: Amount,
}

/// BYOK calls in one currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ByokCost {
    /// ISO 4217 code.
    pub currency: String,
    /// Number of calls.
    pub calls: u64,
    /// Charged by the providers, exact decimal.
    #[serde(serialize_with = "exact")]
    #[schema(value_type = String)]
    pub cost: Amount,
}

impl Sums {
    /// Adds calls of one kind of payment; an empty currency means credits.
    pub fn add(&mut self, currency: &str, calls: u64, credits: DecimalUnits, cost: DecimalUnits) {
        self.calls += calls;
        self.credits = sum(self.credits, credits);
        if !currency.is_empty() {
            let byok = self.byok.entry(currency.to_owned()).or_default();
            byok.calls += calls;
            byok.cost = sum(byok.cost, cost);
        }
    }

    /// Adds all of other sums.
    pub fn merge(&mut self, other: &Self) {
        self.calls += other.calls;
        self.input_tokens += other.input_tokens;
        self.output_tokens += other.output_tokens;
        self.credits = sum(self.credits, DecimalUnits(other.credits.units()));
        for (currency, added) in &other.byok {
            let byok = self.byok.entry(currency.clone()).or_default();
            byok.calls += added.calls;
            byok.cost = sum(byok.cost, DecimalUnits(added.cost.units()));
        }
    }

    /// The BYOK sums as answers carry them, by currency.
    pub fn byok_costs(&self) -> Vec<ByokCost> {
        let costs = self.byok.iter().map(|(currency, byok)| ByokCost {
            currency: currency.clone(),
            calls: byok.calls,
            cost: byok.cost,
        });
        costs.collect()
    }
}

/// An amount as answers carry it: all digits, as a text, so that no reader rounds it.
///
/// # Errors
/// The serializer's.
pub fn exact<S: Serializer>(amount: &Amount, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(amount)
}

/// One call's amount is below 10^24 units, so the sum of 10^14 calls still fits.
pub fn sum(amount: Amount, added: DecimalUnits) -> Amount {
    Amount::from_units(amount.units().saturating_add(added.0))
}
