//! What is published: calls of two months and of now, repeats, contradictions, misrouted and unreadable messages.

use proto::{Call, EventId};
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use system_tests::{PARTITIONS, Room, call};
use tokio::task::JoinHandle;

/// Organisations and their zones.
pub const ORGS: [(&str, &str); 3] =
    [("acme", "Europe/Berlin"), ("globex", "Asia/Kathmandu"), ("initech", "America/St_Johns")];
const MEMBERS: u32 = 12;
const HISTORY_DAYS: i64 = 62;
/// Messages at once, and the pause between: about 100 a second.
const HANDFUL: usize = 20;
const PAUSE: Duration = Duration::from_millis(200);
/// Calls of the past come so many at once.
const TOGETHER: i64 = 6;

type Message = (u32, Vec<u8>, Vec<u8>);

/// Calls of two months, evenly.
pub fn history(count: i64) -> Vec<Call> {
    let (now_ms, mut dice) = (service::clock::now_ms(), rand::rng());
    let step_ms = HISTORY_DAYS * 86_400_000 / count;
    (1..=count).map(|n| new_call(now_ms - (n / TOGETHER * TOGETHER + 1) * step_ms - n, &mut dice)).collect()
}

fn new_call(at_ms: i64, dice: &mut impl Rng) -> Call {
    let (org, _) = ORGS[dice.random_range(0..ORGS.len())];
    let built = call()
        .org(org)
        .id(EventId::from_parts(at_ms, dice.random()))
        .member(&format!("m-{}", dice.random_range(0..MEMBERS)))
        .reason(["chat", "generate_field", "summarize_cv"][dice.random_range(0..3)])
        .model("openai", ["gpt-6", "gpt-6-mini"][dice.random_range(0..2)])
        .tokens(dice.random_range(0..9000), dice.random_range(0..900));
    let amount = format!("{}.{:012}", dice.random_range(0..3), dice.random_range(0..1_000_000_000_000u64));
    if dice.random_bool(0.2) { built.byok(&amount, "EUR").build() } else { built.credits(&amount).build() }
}

/// One message: in a hundred 60 are calls of now, 20 late ones, 8 repeats, 4 contradictions, 4 in a wrong partition, and
/// 4 unreadable.
fn message(seen: &mut Vec<Call>, dice: &mut impl Rng) -> Message {
    let now_ms = service::clock::now_ms();
    let told = seen.choose(dice).expect("there is a history").clone();
    let (call, detour) = match dice.random_range(0..100) {
        0..8 => (told, 0),
        8..12 => (Call { event_id: told.event_id, org_id: told.org_id, ..new_call(now_ms, dice) }, 0),
        12..16 => (new_call(now_ms, dice), 1),
        16..20 => return (dice.random_range(0..PARTITIONS), b"acme".to_vec(), b"not a call".to_vec()),
        20..40 => (new_call(now_ms - dice.random_range(0..HISTORY_DAYS * 86_400_000), dice), 0),
        _ => (new_call(now_ms, dice), 0),
    };
    seen.push(call.clone());
    let partition = (proto::partition_of(call.key(), PARTITIONS) + detour) % PARTITIONS;
    (partition, call.key().to_vec(), call.encode())
}

/// Messages that come until it is stopped.
pub struct Load {
    ends: Arc<AtomicBool>,
    publisher: JoinHandle<()>,
}

impl Load {
    /// Begins.
    pub fn start(room: Arc<Room>, mut seen: Vec<Call>) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let told_to_end = Arc::clone(&ends);
        let publisher = tokio::spawn(async move {
            while !told_to_end.load(Ordering::Relaxed) {
                let messages: Vec<Message> =
                    (0..HANDFUL).map(|_| message(&mut seen, &mut rand::rng())).collect();
                room.publish(messages).await;
                tokio::time::sleep(PAUSE).await;
            }
        });
        Self { ends, publisher }
    }

    /// Ends it.
    pub async fn stop(self) {
        self.ends.store(true, Ordering::Relaxed);
        self.publisher.await.expect("the publisher went well");
    }
}
