//! Credits, calls and provider cost by reason, by model and by member.

use crate::cover::{Cover, Level};
use crate::filter::Filter;
use crate::period::Period;
use crate::queries;
use crate::reader::{AnswerRow, AskError, Reader};
use crate::sums::Sums;
use clickhouse::Row;
use serde::Deserialize;
use std::collections::HashMap;
use warehouse::DecimalUnits;

/// The breakdowns of one filter, in no order yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breakdowns {
    /// The filter's days.
    pub period: Period,
    /// Everything together.
    pub totals: Sums,
    /// By code.
    pub by_reason: HashMap<String, Sums>,
    /// By provider and model.
    pub by_model: HashMap<(String, String), Sums>,
    /// By member id.
    pub by_member: HashMap<String, Sums>,
}

#[derive(Clone, Row, Deserialize)]
struct BreakdownRow {
    kind: u8,
    start: u32,
    key: String,
    sum_calls: u64,
    sum_credits: DecimalUnits,
    sum_cost: DecimalUnits,
}

const INTERVAL: u8 = 1;
const REASON: u8 = 2;
const MODEL: u8 = 3;
const MEMBER: u8 = 4;

impl AnswerRow for BreakdownRow {
    type Cell = (u8, u32, String);

    fn cell(&self) -> Self::Cell {
        (self.kind, self.start, self.key.clone())
    }

    fn add(&mut self, later: Self) {
        self.sum_calls += later.sum_calls;
        self.sum_credits += later.sum_credits;
        self.sum_cost += later.sum_cost;
    }

    fn used(&self) -> &[u32] {
        if self.kind == INTERVAL { std::slice::from_ref(&self.start) } else { &[] }
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + self.key.len()
    }
}

/// Reads the breakdowns at a snapshot.
///
/// # Errors
/// Those of [`Reader::ask`].
pub async fn breakdowns(reader: &Reader, filter: &Filter) -> Result<Breakdowns, AskError> {
    let period = reader.period_of(filter.range);
    let mut cover = Cover::default();
    reader.cutter.add(&mut cover, period.span, 0, Level::Month);
    let mut answer = Breakdowns {
        period,
        totals: Sums::default(),
        by_reason: HashMap::new(),
        by_model: HashMap::new(),
        by_member: HashMap::new(),
    };
    reader
        .ask(&queries::BREAKDOWNS, &filter.narrow, cover, |row: BreakdownRow| {
            let Some((name, currency)) = row.key.rsplit_once('\0') else { return };
            let sums = match row.kind {
                REASON => {
                    answer.totals.add(currency, row.sum_calls, row.sum_credits, row.sum_cost);
                    answer.by_reason.entry(name.to_owned()).or_default()
                }
                MODEL => answer.by_model.entry(provider_and_model(name)).or_default(),
                MEMBER => answer.by_member.entry(name.to_owned()).or_default(),
                _ => return,
            };
            sums.add(currency, row.sum_calls, row.sum_credits, row.sum_cost);
        })
        .await?;
    Ok(answer)
}

/// The parts of a key that the statements join with a zero byte.
pub fn provider_and_model(key: &str) -> (String, String) {
    let (provider, model) = key.split_once('\0').unwrap_or((key, ""));
    (provider.to_owned(), model.to_owned())
}
