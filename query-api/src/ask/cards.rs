//! The three cards: credits of this and last calendar month, and who was active.

use crate::change::Change;
use crate::cover::{Cover, Level};
use crate::filter::Narrow;
use crate::period::{Period, Range, same_days_of_last_month};
use crate::queries;
use crate::reader::{AnswerRow, AskError, Reader};
use crate::sums::sum;
use clickhouse::Row;
use proto::Amount;
use serde::Deserialize;
use std::collections::HashSet;
use warehouse::DecimalUnits;

/// The cards, never filtered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cards {
    /// The calendar month of today.
    pub this_month: Period,
    /// The one before.
    pub last_month: Period,
    /// The days of last month up to today's, the last one up to the same local time of day.
    pub same_days: Period,
    /// Credits of this month.
    pub credits_this_month: Amount,
    /// Credits of last month.
    pub credits_last_month: Amount,
    /// Credits of the same days of last month.
    pub credits_same_days: Amount,
    /// Members with at least one call this month, BYOK included.
    pub active_members: u64,
}

/// The statements ask for the members of this one.
const THIS_MONTH: u32 = 1;
const LAST_MONTH: u32 = 2;
const SAME_DAYS: u32 = 3;

#[derive(Clone, Row, Deserialize)]
struct CardsRow {
    starts: Vec<u32>,
    slot: u32,
    sum_credits: DecimalUnits,
    active: Vec<String>,
}

impl AnswerRow for CardsRow {
    type Cell = (Vec<u32>, u32);

    fn cell(&self) -> Self::Cell {
        (self.starts.clone(), self.slot)
    }

    fn add(&mut self, later: Self) {
        self.sum_credits += later.sum_credits;
        let known: HashSet<&String> = self.active.iter().collect();
        let new: Vec<String> = later.active.into_iter().filter(|member| !known.contains(member)).collect();
        self.active.extend(new);
    }

    fn used(&self) -> &[u32] {
        &self.starts
    }

    fn bytes(&self) -> usize {
        size_of::<Self>()
            + size_of_val(self.starts.as_slice())
            + self.active.iter().map(|member| size_of_val(member) + member.len()).sum::<usize>()
    }
}

impl Cards {
    /// This month so far against all of last month.
    pub fn against_last_month(&self) -> Change {
        Change::between(self.credits_last_month, self.credits_this_month)
    }

    /// This month so far against the same days of last month.
    pub fn against_same_days(&self) -> Change {
        Change::between(self.credits_same_days, self.credits_this_month)
    }
}

/// Reads the cards at a snapshot.
///
/// # Errors
/// Those of [`Reader::ask`].
pub async fn cards(reader: &Reader) -> Result<Cards, AskError> {
    let (zone, now_ms) = (reader.cutter.zone, reader.cutter.now_ms);
    let mut cards = Cards {
        this_month: Range::ThisMonth.resolve(zone, now_ms),
        last_month: Range::LastMonth.resolve(zone, now_ms),
        same_days: same_days_of_last_month(zone, now_ms),
        credits_this_month: Amount::ZERO,
        credits_last_month: Amount::ZERO,
        credits_same_days: Amount::ZERO,
        active_members: 0,
    };
    let mut cover = Cover::default();
    reader.cutter.add(&mut cover, cards.this_month.span, THIS_MONTH, Level::Month);
    reader.cutter.add(&mut cover, cards.last_month.span, LAST_MONTH, Level::Month);
    reader.cutter.add(&mut cover, cards.same_days.span, SAME_DAYS, Level::Month);
    let mut active = HashSet::new();
    reader
        .ask(&queries::CARDS, &Narrow::default(), cover, |row: CardsRow| {
            let credits = match row.slot {
                THIS_MONTH => &mut cards.credits_this_month,
                LAST_MONTH => &mut cards.credits_last_month,
                SAME_DAYS => &mut cards.credits_same_days,
                _ => return,
            };
            *credits = sum(*credits, row.sum_credits);
            active.extend(row.active);
        })
        .await?;
    cards.active_members = active.len() as u64;
    Ok(cards)
}
