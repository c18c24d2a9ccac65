//! A load whose right outcome is known: good calls, repeats, misrouted ones, poison.

use crate::ledger;
use crate::topic::Raw;
use crate::worker::dead_letters;
use std::collections::BTreeSet;
use system_tests::{Room, call};

/// What was published, and must be counted.
#[derive(Default)]
pub struct Load {
    /// Event ids that must count.
    pub ids: BTreeSet<String>,
    poison: usize,
}

impl Load {
    /// The next messages: of each hundred, 5 repeats, 3 in a wrong partition, 2 poisonous.
    pub fn more(&mut self, count: usize) -> Vec<Raw> {
        let mut messages: Vec<Raw> = Vec::with_capacity(count);
        for n in 0..count {
            let call = call().org(&format!("org-{}", n % 23)).member(&format!("m-{}", n % 7)).build();
            let raw = Raw::of(&call);
            match n % 100 {
                0..5 if n > 0 => messages.push(messages[n - 1].clone()),
                5..8 => {
                    self.ids.insert(call.event_id.to_string());
                    messages.push(raw.elsewhere());
                }
                8..10 => {
                    self.poison += 1;
                    messages.push(raw.payload(Some(&[0xff, n as u8])));
                }
                _ => {
                    self.ids.insert(call.event_id.to_string());
                    messages.push(raw);
                }
            }
        }
        messages
    }

    /// Waits until all is read, and proves that each call counts once and each poisonous message is kept.
    pub async fn is_counted(&self, room: &Room) {
        let counts = ledger::settled(room).await;
        assert_eq!(ledger::identities(room).await, self.ids, "each call once");
        assert_eq!(dead_letters(room, &[]).len(), self.poison, "each poisonous message once, by its origin");
        assert_eq!(counts.dead_letters, self.poison as u64);
        assert_eq!((counts.lost, counts.empty_offsets), (0, 0));
    }
}
