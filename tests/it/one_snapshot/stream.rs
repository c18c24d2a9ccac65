//! What pours in while questions are asked: new calls of now, late ones, repeats, and messages that contradict an earlier
//! one, at a steady rate.

use proto::{Amount, Call, EventId};
use rand::distr::Distribution;
use rand::distr::weighted::WeightedIndex;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rdkafka::producer::{BaseRecord, Producer};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use system_tests::{PARTITIONS, Room, call};

/// Organisations and their zones.
pub const ORGS: [(&str, &str); 8] = [
    ("acme", "Europe/Berlin"),
    ("globex", "Asia/Kathmandu"),
    ("initech", "America/Sao_Paulo"),
    ("umbrella", "Australia/Lord_Howe"),
    ("hooli", "America/Los_Angeles"),
    ("wonka", "UTC"),
    ("tyrell", "Pacific/Chatham"),
    ("cyberdyne", "Africa/Casablanca"),
];
/// How many calls each has in proportion to the others: the last ones so few that all of theirs can be read.
const SHARES: [u32; ORGS.len()] = [1024, 512, 256, 128, 64, 16, 2, 1];
static BY_SHARE: LazyLock<WeightedIndex<u32>> =
    LazyLock::new(|| WeightedIndex::new(SHARES).expect("there are shares"));
/// Of each organisation: so many that the log of one can be read to its end.
pub const MEMBERS: u32 = 500;
/// The last one has no label of its own.
pub const REASONS: [&str; 5] = ["chat", "generate_field", "summarize_cv", "classify_questions", "draft_mail"];
/// Providers and models; a model's name may hold a slash.
pub const MODELS: [(&str, &str); 4] =
    [("openai", "gpt-6"), ("openai", "gpt-6-mini"), ("anthropic", "opus-7"), ("local", "llama/70b")];
const CURRENCIES: [&str; 2] = ["EUR", "USD"];

/// How many published calls of an organisation are remembered, to be repeated, contradicted and asked for.
const REMEMBERED: usize = 1_024;
/// Of these the first ones, of the history, stay: at any instant one can be asked for that was there before.
const STAY: usize = 100;
/// Pause between two handfuls.
const PAUSE: Duration = Duration::from_millis(5);

/// Published calls of each organisation, and when they were published, in milliseconds since 1970.
type Seen = [Vec<(i64, Call)>; ORGS.len()];

/// Calls that pour in until it is stopped.
pub struct Stream {
    seen: Arc<Mutex<Seen>>,
    published: Arc<AtomicU64>,
    ends: Arc<AtomicBool>,
    publisher: JoinHandle<()>,
    began: Instant,
}

impl Stream {
    /// Calls of the last 75 days, for the rollups of every level: the same number for each organisation.
    pub fn history(count: i64, dice: &mut StdRng) -> Vec<Call> {
        let (now_ms, span_ms) = (service::clock::now_ms(), 75 * 86_400_000);
        let orgs = (0..ORGS.len()).cycle();
        (0..count).zip(orgs).map(|(n, org)| new_call(org, now_ms - span_ms * n / count, dice)).collect()
    }

    /// Begins to publish so many messages a second.
    pub fn start(room: &Room, rate: u64, history: Vec<Call>, mut dice: StdRng) -> Self {
        let mut seen = Seen::default();
        for call in history {
            seen[number_of(call.org_id.as_str())].push((call.occurred_at_ms(), call));
        }
        let (seen, published, ends) = (Arc::new(Mutex::new(seen)), Arc::default(), Arc::default());
        let stream = (Arc::clone(&seen), Arc::clone(&published), Arc::clone(&ends));
        let (producer, topic, began) = (room.producer(), room.topic("calls"), Instant::now());
        let publisher = std::thread::spawn(move || {
            let (seen, published, ends): (_, Arc<AtomicU64>, Arc<AtomicBool>) = stream;
            let mut sent = 0;
            while !ends.load(Ordering::Relaxed) {
                let due = began.elapsed().as_millis() as u64 * rate / 1000;
                for _ in sent..due {
                    let call = next_call(&seen, &mut dice);
                    let (payload, partition) =
                        (call.encode(), proto::partition_of(call.key(), PARTITIONS) as i32);
                    let record =
                        BaseRecord::to(&topic).partition(partition).key(call.key()).payload(&payload);
                    producer.send(record).map_err(|(error, _)| error).expect("the queue takes it");
                }
                sent = sent.max(due);
                published.store(sent, Ordering::Relaxed);
                std::thread::sleep(PAUSE);
            }
            producer.flush(Duration::from_secs(60)).expect("all is acknowledged");
        });
        Self { seen, published, ends, publisher, began }
    }

    /// A call of an organisation that was published before an instant of this stream.
    pub fn any_of(&self, org: &str, before_ms: i64, dice: &mut StdRng) -> Call {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let theirs = &seen[number_of(org)];
        let earlier: Vec<_> = theirs.iter().filter(|(at_ms, _)| *at_ms < before_ms).collect();
        earlier.choose(dice).expect("every organisation has a history").1.clone()
    }

    /// Ends it. Returns how many messages it published, and how many a second.
    pub fn stop(self) -> (u64, u64) {
        let length = self.began.elapsed();
        self.ends.store(true, Ordering::Relaxed);
        self.publisher.join().expect("the publisher went well");
        let published = self.published.load(Ordering::Relaxed);
        (published, published * 1000 / length.as_millis() as u64)
    }
}

fn number_of(org: &str) -> usize {
    ORGS.iter().position(|(name, _)| *name == org).expect("one of the organisations")
}

/// In a hundred: 5 repeats, 2 conflicts; of the new ones 5 are late, by minutes to months.
fn next_call(seen: &Mutex<Seen>, dice: &mut StdRng) -> Call {
    let org = BY_SHARE.sample(dice);
    let seen = &mut seen.lock().unwrap_or_else(PoisonError::into_inner)[org];
    let (_, told) = seen.choose(dice).expect("there is a history").clone();
    match dice.random_range(0..100) {
        0..5 => told,
        // The same identity with other content, of another member too.
        5..7 => Call { event_id: told.event_id, ..new_call(org, 0, dice) },
        _ => {
            let minutes = 60_000i64 << dice.random_range(0..16);
            let late_ms = if dice.random_bool(0.05) { minutes + dice.random_range(0..minutes) } else { 0 };
            let now_ms = service::clock::now_ms();
            let call = new_call(org, now_ms - late_ms, dice);
            if seen.len() < REMEMBERED {
                seen.push((now_ms, call.clone()));
            } else {
                let at = dice.random_range(STAY..REMEMBERED);
                seen[at] = (now_ms, call.clone());
            }
            call
        }
    }
}

fn new_call(org: usize, at_ms: i64, dice: &mut StdRng) -> Call {
    let (provider, model) = *MODELS.choose(dice).unwrap_or(&MODELS[0]);
    let call = call()
        .id(EventId::from_parts(at_ms, dice.random()))
        .org(ORGS[org].0)
        .member(&format!("m-{}", dice.random_range(0..MEMBERS)))
        .reason(REASONS.choose(dice).unwrap_or(&REASONS[0]))
        .model(provider, model)
        .tokens(dice.random_range(0..9000), dice.random_range(0..900));
    let amount = Amount::from_units(dice.random_range(0..5_000_000_000_000)).to_string();
    if dice.random_bool(0.2) {
        call.byok(&amount, CURRENCIES.choose(dice).unwrap_or(&CURRENCIES[0])).build()
    } else {
        call.credits(&amount).build()
    }
}

/// Dice of their own for everything that is numbered.
pub fn dice(seed: u64, number: u64) -> StdRng {
    StdRng::seed_from_u64(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number)
}
