//! The three cards: the calendar month at a glance, whatever the filters say.

use super::pill::Pill;
use super::words::{Moment, days_of_one_year, decimal, number};
use crate::ask::Cards;
use crate::snapshot::Snapshot;

/// The cards as they are shown.
#[derive(Debug)]
pub struct CardsView {
    /// Credits this month.
    pub this_month: String,
    /// Credits last month.
    pub last_month: String,
    /// This month so far against all of last month.
    pub against_last_month: Pill,
    /// This month so far against the same days of last month.
    pub against_same_days: Pill,
    /// The same days: `1 Oct – 14 Oct, until 14:05`.
    pub same_days: String,
    /// Credits of the same days.
    pub same_days_credits: String,
    /// Active members this month.
    pub active_members: String,
}

impl CardsView {
    /// From the answer.
    pub fn of(cards: &Cards, snapshot: &Snapshot) -> Self {
        let same_days = days_of_one_year(cards.same_days.since, cards.same_days.until);
        // A shorter last month is compared whole: then no time of day ends it.
        let cut = cards.same_days.span.to_ms < cards.last_month.span.to_ms;
        let time = Moment::of(snapshot.as_of.zone, snapshot.as_of.now_ms).time;
        let minutes = time.get(..5).unwrap_or(&time);
        Self {
            this_month: decimal(cards.credits_this_month),
            last_month: decimal(cards.credits_last_month),
            against_last_month: Pill::between(cards.credits_last_month, cards.credits_this_month),
            against_same_days: Pill::between(cards.credits_same_days, cards.credits_this_month),
            same_days: if cut { format!("{same_days}, until {minutes}") } else { same_days },
            same_days_credits: decimal(cards.credits_same_days),
            active_members: number(cards.active_members),
        }
    }
}
