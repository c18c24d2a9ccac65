//! What the page shows over time.

use super::totals::whole_number;
use crate::ask::Series;
use crate::page::words::{decimal, decimal_with, money_with};
use crate::sums::Sums;
use proto::Amount;
use std::collections::BTreeSet;

/// One measure of some calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Measure {
    /// Credits consumed.
    Credits,
    /// All calls, BYOK included.
    Calls,
    /// Tokens read.
    InputTokens,
    /// Tokens written.
    OutputTokens,
    /// What the providers charged for BYOK calls in one currency: costs of two are never added.
    Cost(String),
}

impl Measure {
    /// Those of a series: the first four always, and each currency of either period.
    pub fn of(series: &Series) -> Vec<Self> {
        let points = series.points.iter().chain(&series.previous_points);
        let currencies: BTreeSet<&String> = points.flat_map(|point| point.sums.byok.keys()).collect();
        let costs = currencies.into_iter().cloned().map(Self::Cost);
        [Self::Credits, Self::Calls, Self::InputTokens, Self::OutputTokens].into_iter().chain(costs).collect()
    }

    /// For the parts' names in the page: `credits`, `cost-USD`.
    pub fn id(&self) -> String {
        match self {
            Self::Credits => "credits".to_owned(),
            Self::Calls => "calls".to_owned(),
            Self::InputTokens => "input-tokens".to_owned(),
            Self::OutputTokens => "output-tokens".to_owned(),
            Self::Cost(currency) => format!("cost-{currency}"),
        }
    }

    /// `Credits`, `BYOK cost in USD`.
    pub fn heading(&self) -> String {
        match self {
            Self::Credits => "Credits".to_owned(),
            Self::Calls => "Calls".to_owned(),
            Self::InputTokens => "Input tokens".to_owned(),
            Self::OutputTokens => "Output tokens".to_owned(),
            Self::Cost(currency) => format!("BYOK cost in {currency}"),
        }
    }

    /// Its value of some calls.
    pub fn value(&self, sums: &Sums) -> Amount {
        match self {
            Self::Credits => sums.credits,
            Self::Calls => whole_number(sums.calls),
            Self::InputTokens => whole_number(sums.input_tokens),
            Self::OutputTokens => whole_number(sums.output_tokens),
            Self::Cost(currency) => sums.byok.get(currency).map(|byok| byok.cost).unwrap_or_default(),
        }
    }

    /// A value, exact: `1,204.5`, `$4.18`.
    pub fn written(&self, value: Amount) -> String {
        self.written_with(value, 0)
    }

    /// The same with at least some decimals, so that those of a column stand under each other.
    pub fn written_with(&self, value: Amount, fraction_digits: usize) -> String {
        match self {
            Self::Cost(currency) => money_with(value, currency, fraction_digits),
            _ => decimal_with(value, fraction_digits),
        }
    }

    /// A value with what it is of: `1,204.5 credits`, `$4.18`.
    pub fn told(&self, value: Amount) -> String {
        let noun = match self {
            Self::Credits => "credit",
            Self::Calls => "call",
            Self::InputTokens => "input token",
            Self::OutputTokens => "output token",
            Self::Cost(_) => return self.written(value),
        };
        let plural = if value == whole_number(1) { "" } else { "s" };
        format!("{} {noun}{plural}", decimal(value))
    }

    /// Whether it has no fractions.
    pub fn is_whole(&self) -> bool {
        matches!(self, Self::Calls | Self::InputTokens | Self::OutputTokens)
    }
}
