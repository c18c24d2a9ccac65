//! Reading the ledger: one statement, one snapshot, first writes only.

use crate::engine::{Cells, LedgerRow};
use crate::rules::Rules;
use crate::time::{SLOTS, Slots};
use proto::Position;
use warehouse::first_write::{Ascending, Descending, Verdict};

/// The calls of one organisation's ledger in some slots at a position, in key order; of one member if a filter says so.
pub fn calls(
    ledger: &[LedgerRow],
    slots: Slots,
    at: Position,
    member: Option<u8>,
    rules: &Rules,
) -> Vec<LedgerRow> {
    let matches = |row: &LedgerRow| member.is_none_or(|member| row.member == member);
    let mut judge = Ascending::cut_at(at);
    let mut calls: Vec<LedgerRow> = Vec::new();
    for row in ledger.iter().filter(|row| slots >> row.slot & 1 == 1) {
        if !rules.deduplicate_before_filter && !matches(row) {
            continue;
        }
        match judge.judge(row.identity(), row.position) {
            Verdict::Counts => calls.push(*row),
            Verdict::Later if !rules.lowest_position_counts => {
                calls.pop();
                calls.push(*row);
            }
            Verdict::Later | Verdict::Copy | Verdict::AfterCut => {}
        }
    }
    calls.retain(matches);
    calls
}

/// The same calls before a place in the log, newest first, at most so many: what a page of the log reads. The ledger is
/// read backwards and only as far as needed.
pub fn calls_backwards(
    ledger: &[LedgerRow],
    slots: Slots,
    before: (u8, u16),
    at: Position,
    member: Option<u8>,
    limit: usize,
    rules: &Rules,
) -> Vec<LedgerRow> {
    let matches = |row: &LedgerRow| member.is_none_or(|member| row.member == member);
    let is_asked = |row: &&LedgerRow| slots >> row.slot & 1 == 1 && row.identity() < before;
    let mut calls = Vec::new();
    if !rules.backward_reader_keeps_the_last {
        let mut asked: Vec<LedgerRow> =
            ledger.iter().rev().filter(is_asked).filter(|row| row.position <= at).copied().collect();
        asked.dedup_by_key(|row| row.identity());
        calls.extend(asked.into_iter().filter(matches).take(limit));
        return calls;
    }
    let mut judge = Descending::cut_at(at);
    for row in ledger.iter().rev().filter(is_asked) {
        calls.extend(judge.push(row.identity(), row.position, *row).filter(matches));
        if calls.len() == limit {
            return calls;
        }
    }
    calls.extend(judge.finish().filter(matches));
    calls
}

/// The sums of calls by slot and member.
pub fn cells_by_slot(calls: &[LedgerRow]) -> [Cells; SLOTS] {
    let mut sums = [Cells::default(); SLOTS];
    for call in calls {
        let cell = &mut sums[usize::from(call.slot)][usize::from(call.member)];
        cell.calls += 1;
        cell.credits += call.credits;
    }
    sums
}
