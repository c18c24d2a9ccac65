//! Event ids for lines that name none: the same file gives the same ids at every run.
//!
//! The id is a UUIDv7 of the call's time whose random bits are taken from a hash of everything the line says. Lines
//! that say the very same are told apart by counting them: the first, the second, … So two calls of the same
//! millisecond both count, a line that is moved keeps its id, and a file that is published twice adds nothing.

use proto::{Call, Charge, EventId};
use std::collections::HashMap;
use uuid::Uuid;

/// Names this way of deriving ids, so that no other hash of the same text is the same.
const NAMESPACE: Uuid = Uuid::from_u128(0xe12508d5eb20418481a58db37c36d555);

/// Gives ids; one for a whole run, over all its files. Remembers about 20 bytes for each line without an id.
#[derive(Debug, Default)]
pub struct EventIds {
    /// How many lines of this hash came before.
    seen: HashMap<u64, u32>,
}

impl EventIds {
    /// The id of a call whose line names none.
    pub fn derive(&mut self, call: &Call) -> EventId {
        let content = content(call);
        let hash = Uuid::new_v5(&NAMESPACE, content.as_bytes());
        let before = self.seen.entry(hash.as_u64_pair().1).or_default();
        let ordinal = *before;
        *before += 1;
        let hash = match ordinal {
            0 => hash,
            _ => Uuid::new_v5(&hash, ordinal.to_string().as_bytes()),
        };
        with_time(hash, call.occurred_at_ms())
    }
}

/// The same id at another time: its random bits stay.
pub fn moved_by(id: EventId, shift_ms: i64) -> EventId {
    with_time(id.uuid(), id.unix_ms() + shift_ms)
}

fn with_time(uuid: Uuid, unix_ms: i64) -> EventId {
    let mut random = [0; 10];
    random.copy_from_slice(&uuid.as_bytes()[6..]);
    EventId::from_parts(unix_ms, random)
}

/// Everything a line says, in one form for both formats. No part holds a line break, so no two contents are alike.
fn content(call: &Call) -> String {
    let (kind, amount, currency) = match call.charge {
        Charge::Credits(credits) => ("credits", credits.to_string(), String::new()),
        Charge::ProviderCost(cost) => ("provider_cost", cost.amount.to_string(), cost.currency.to_string()),
    };
    let Call { org_id, member_id, reason, provider, model, input_tokens, output_tokens, .. } = call;
    let occurred_at_ms = call.occurred_at_ms();
    format!(
        "{occurred_at_ms}\n{org_id}\n{member_id}\n{reason}\n{provider}\n{model}\n{input_tokens}\n{output_tokens}\n\
         {kind}\n{amount}\n{currency}"
    )
}

#[cfg(test)]
mod tests {
    use super::super::call_line::call_line;
    use super::super::row::Row;
    use super::*;

    fn call(member: &str) -> Call {
        let json = format!(
            r#"{{"occurred_at":"2026-11-24T09:30:00.123Z","org_id":"acme","member_id":"{member}","reason":"chat",
            "provider":"openai","model":"gpt-6-sol","input_tokens":100,"output_tokens":20,"credits":"0.25"}}"#
        );
        call_line(&Row::from_json(&json).unwrap()).unwrap().call
    }

    #[test]
    fn the_same_lines_get_the_same_ids_at_every_run_in_any_order() {
        let run = |members: &[&str]| {
            let mut ids = EventIds::default();
            members.iter().map(|member| (member.to_string(), ids.derive(&call(member)))).collect::<Vec<_>>()
        };
        let (mut first, mut second) =
            (run(&["ada", "bob", "ada", "ada"]), run(&["ada", "ada", "ada", "bob"]));
        first.sort_unstable();
        second.sort_unstable();
        assert_eq!(first, second);
        first.dedup();
        assert_eq!(first.len(), 4, "equal lines are told apart");
    }

    /// A change here would publish every file of every user a second time.
    #[test]
    fn derived_ids_never_change_between_versions() {
        let mut ids = EventIds::default();
        let derived = [ids.derive(&call("ada")), ids.derive(&call("ada"))].map(|id| id.to_string());
        assert_eq!(derived, ["01a20ce4-063b-7656-b509-12670eaaceeb", "01a20ce4-063b-758d-8536-0d88cc2b7e64"]);
    }

    #[test]
    fn a_moved_id_keeps_its_random_bits() {
        let id = EventIds::default().derive(&call("ada"));
        let moved = moved_by(id, 86_400_000);
        assert_eq!(moved.unix_ms(), id.unix_ms() + 86_400_000);
        assert_eq!(moved.uuid().as_bytes()[6..], id.uuid().as_bytes()[6..]);
        assert_eq!(moved_by(moved, -86_400_000), id);
    }
}
