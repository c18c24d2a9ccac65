//! The sums of a period, each against the same of the period before.

use crate::ask::Series;
use crate::page::pill::Pill;
use crate::page::words::{count, decimal, money};
use crate::sums::Sums;
use proto::Amount;
use std::collections::BTreeSet;

/// All sums.
#[derive(Debug)]
pub struct Totals {
    /// Credits, calls and tokens.
    pub sums: Vec<Total>,
    /// Provider cost of BYOK calls, one a currency.
    pub byok: Vec<Total>,
}

/// One sum.
#[derive(Debug)]
pub struct Total {
    /// What it is of.
    pub label: String,
    /// Exact.
    pub value: String,
    /// Against the period before.
    pub pill: Pill,
    /// The same sum of the period before, exact.
    pub previous: String,
}

impl Totals {
    /// From the answer.
    pub fn of(series: &Series) -> Self {
        let (current, previous) = (series.totals(), series.previous_totals());
        let total = |label: &str, value: fn(&Sums) -> Amount| Total {
            label: label.to_owned(),
            value: decimal(value(&current)),
            pill: Pill::between(value(&previous), value(&current)),
            previous: decimal(value(&previous)),
        };
        let sums = vec![
            total("Credits", |sums| sums.credits),
            total("Calls", |sums| whole_number(sums.calls)),
            total("Input tokens", |sums| whole_number(sums.input_tokens)),
            total("Output tokens", |sums| whole_number(sums.output_tokens)),
        ];
        Self { sums, byok: byok(&current, &previous) }
    }
}

/// A count as an amount, so that counts are shown and compared as credits are.
pub fn whole_number(number: u64) -> Amount {
    const ONE: i128 = 1_000_000_000_000;
    Amount::from_units(i128::from(number) * ONE)
}

/// Every currency of either period.
fn byok(current: &Sums, previous: &Sums) -> Vec<Total> {
    let currencies: BTreeSet<&String> = current.byok.keys().chain(previous.byok.keys()).collect();
    let totals = currencies.into_iter().map(|currency| {
        let of = |sums: &Sums| sums.byok.get(currency).copied().unwrap_or_default();
        let (now, before) = (of(current), of(previous));
        Total {
            label: format!("{currency}, {}", count(now.calls, "call")),
            value: money(now.cost, currency),
            pill: Pill::between(before.cost, now.cost),
            previous: money(before.cost, currency),
        }
    });
    totals.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sums::ByokSums;

    fn sums(byok: &[(&str, u64, &str)]) -> Sums {
        let byok = byok.iter().map(|(currency, calls, cost)| {
            ((*currency).to_owned(), ByokSums { calls: *calls, cost: Amount::parse(cost).unwrap() })
        });
        Sums { byok: byok.collect(), ..Sums::default() }
    }

    #[test]
    fn currencies_of_either_period_stand_apart() {
        let totals = byok(&sums(&[("USD", 12, "4.18")]), &sums(&[("EUR", 1, "2"), ("USD", 2, "2.09")]));
        let told: Vec<_> = totals
            .iter()
            .map(|total| {
                let Total { label, value, pill, previous } = total;
                format!("{label}: {value} {} from {previous}", pill.text)
            })
            .collect();
        assert_eq!(told, ["EUR, 0 calls: €0.00 −100% from €2.00", "USD, 12 calls: $4.18 +100.0% from $2.09"]);
    }
}
