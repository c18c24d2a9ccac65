//! What the ledger answered, kept for the next reader: it holds at later positions, with the calls that came since.

use crate::engine::{Cells, LedgerRow, Touches, add};
use crate::ledger;
use crate::rules::Rules;
use crate::time::{SLOTS, Slots, each};
use proto::Position;

/// The answers kept of one organisation's ledger: of each slot, for all members and for each of the two alone.
#[derive(Clone, Debug, Default)]
pub struct Kept([[Option<Answer>; 3]; SLOTS]);

#[derive(Clone, Copy, Debug)]
struct Answer {
    /// The position it is cut at.
    at: Position,
    cells: Cells,
}

/// Where a reader stands.
pub struct Stand<'a> {
    /// The ledger as it is now.
    pub ledger: &'a [LedgerRow],
    /// Touches that were read after the position was chosen.
    pub touches: &'a Touches,
    /// The position.
    pub at: Position,
    /// Where the reader cuts the ledger.
    pub cut: Position,
    /// A filter.
    pub member: Option<u8>,
}

impl Kept {
    /// What slots hold, and how many of them were not asked anew.
    pub fn answer(&mut self, slots: Slots, stand: &Stand<'_>, rules: &Rules) -> (Cells, u64) {
        let (mut cells, mut kept) = (Cells::default(), 0);
        for slot in each(slots) {
            let place = &mut self.0[slot][stand.member.map_or(0, |member| 1 + usize::from(member))];
            let before = place.filter(|answer| answer.at <= stand.at || !rules.kept_answers_are_of_before);
            kept += u64::from(before.is_some());
            let answer = stand.of_slot(slot, before, rules);
            add(&mut cells, &answer);
            *place = Some(Answer { at: stand.at, cells: answer });
        }
        (cells, kept)
    }
}

impl Stand<'_> {
    fn of_slot(&self, slot: usize, before: Option<Answer>, rules: &Rules) -> Cells {
        let Some(Answer { at: then, mut cells }) = before else {
            return self.calls_after(slot, Position::ZERO, rules);
        };
        let touched_since = self.touches[slot].is_some_and(|touch| touch.last > then);
        if touched_since && rules.kept_answers_are_extended {
            add(&mut cells, &self.calls_after(slot, then, rules));
        }
        cells
    }

    /// The calls whose first message came after a position.
    fn calls_after(&self, slot: usize, then: Position, rules: &Rules) -> Cells {
        let later: Vec<LedgerRow>;
        let rows = if rules.later_calls_are_told_from_repeats {
            self.ledger
        } else {
            later = self.ledger.iter().filter(|row| row.position > then).copied().collect();
            &later
        };
        let mut calls = ledger::calls(rows, 1 << slot, self.cut, self.member, rules);
        calls.retain(|call| call.position > then);
        ledger::cells_by_slot(&calls)[slot]
    }
}
