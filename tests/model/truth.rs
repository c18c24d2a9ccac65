//! What is true: computed in the simplest way from the logs alone, with nothing that the protocol uses.

use crate::engine::{Cells, LedgerRow};
use crate::kafka::{Fate, Message, fate_of, home_of, position};
use crate::time::Slots;
use crate::world::World;
use proto::Position;

/// The calls of an organisation in some slots as they are known at a position, in key order: of each identity the
/// message with the lowest position up to there.
pub fn calls(world: &World, org: usize, slots: Slots, at: Position) -> Vec<LedgerRow> {
    let mut calls: Vec<LedgerRow> = Vec::new();
    for (source, logs) in world.kafka.logs.iter().enumerate() {
        for (partition, log) in logs.iter().enumerate() {
            // Where misrouted calls are counted where they were found, they are part of the truth there.
            if partition != home_of(source, org) && world.protocol.rules.misrouted_calls_are_rerouted {
                continue;
            }
            for (offset, message) in log.messages.iter().enumerate() {
                let position = position(source, offset + 1);
                if position > at {
                    break;
                }
                let Message { event, slot, member, credits, .. } = *message;
                let is_row =
                    || fate_of(message, partition, position, true, &world.protocol.rules) == Fate::Row;
                if message.org != org || message.lost || slots >> slot & 1 == 0 || !is_row() {
                    continue;
                }
                let call = LedgerRow { slot, event, position, member, credits, written: 0 };
                match calls.iter_mut().find(|known| known.event == event) {
                    Some(known) if position < known.position => *known = call,
                    Some(_) => {}
                    None => calls.push(call),
                }
            }
        }
    }
    calls.sort_unstable_by_key(LedgerRow::identity);
    calls
}

/// Their sums by member.
pub fn cells(world: &World, org: usize, slots: Slots, at: Position) -> Cells {
    let mut cells = Cells::default();
    for call in calls(world, org, slots, at) {
        let cell = &mut cells[usize::from(call.member)];
        cell.calls += 1;
        cell.credits += call.credits;
    }
    cells
}
