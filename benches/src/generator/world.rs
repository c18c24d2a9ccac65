//! Who calls what: organisations of very different size, their members and the models they chose.

use super::slots::Slots;
use proto::Currency;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

/// A model with its list price.
#[derive(Debug)]
pub struct Model {
    /// Who serves it.
    pub provider: &'static str,
    /// Its name.
    pub name: &'static str,
    /// US dollars per million tokens read, in 10^−6; so the price of one token in 10^−12.
    pub per_input_token: u64,
    /// The same for tokens written.
    pub per_output_token: u64,
}

/// The models on offer, most used first.
pub const MODELS: [Model; 12] = [
    model("openai", "gpt-5.4-mini", 750_000, 4_500_000),
    model("anthropic", "claude-sonnet-5", 3_000_000, 15_000_000),
    model("openai", "gpt-6-sol", 2_500_000, 15_000_000),
    model("google", "gemini-3-flash", 500_000, 3_000_000),
    model("anthropic", "claude-haiku-4-5", 1_000_000, 5_000_000),
    model("mistral", "mistral-large-2512", 500_000, 1_500_000),
    model("google", "gemini-3-pro", 2_000_000, 12_000_000),
    model("openai", "gpt-5.4-nano", 200_000, 1_250_000),
    model("anthropic", "claude-opus-5", 5_000_000, 25_000_000),
    model("deepseek", "deepseek-v4", 280_000, 420_000),
    model("mistral", "mistral-small-2603", 100_000, 300_000),
    model("google", "gemini-3-flash-lite", 100_000, 400_000),
];

const fn model(
    provider: &'static str,
    name: &'static str,
    per_input_token: u64,
    per_output_token: u64,
) -> Model {
    Model { provider, name, per_input_token, per_output_token }
}

/// What calls are for, with how often, and how long texts are: the least tokens read and written, and how many times
/// these may double.
pub const REASONS: [Reason; 4] = [
    Reason { code: "chat", weight: 62, input: (250, 5), output: (40, 4) },
    Reason { code: "generate_field", weight: 22, input: (500, 3), output: (30, 3) },
    Reason { code: "summarize_cv", weight: 12, input: (1_800, 2), output: (180, 1) },
    Reason { code: "classify_questions", weight: 4, input: (300, 2), output: (12, 2) },
];

/// One of [`REASONS`].
#[derive(Debug)]
pub struct Reason {
    /// Its code.
    pub code: &'static str,
    /// How often, in parts of all weights.
    pub weight: u64,
    /// Least tokens read, and doublings.
    pub input: (u64, u32),
    /// Least tokens written, and doublings.
    pub output: (u64, u32),
}

/// One organisation.
#[derive(Debug)]
pub struct Organisation {
    /// Its id, the Kafka key.
    pub id: String,
    /// Its members' ids, most active first.
    pub members: Vec<String>,
    /// Which member calls.
    pub by_activity: Slots,
    /// Its model for each of [`REASONS`], and the one it is moving to: indexes into [`MODELS`].
    pub models: [[usize; 2]; REASONS.len()],
    /// Provider for which it has a key of its own, and the currency of that contract.
    pub own_key: Option<(&'static str, Currency)>,
}

/// All organisations, largest first.
#[derive(Debug)]
pub struct World {
    /// The organisations.
    pub organisations: Vec<Organisation>,
    /// Which organisation calls.
    pub by_calls: Slots,
}

/// How large a world is.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Organisations; the one of rank r has `members_max / r` members.
    pub organisations: u32,
    /// Members of the largest.
    pub members_max: u32,
}

impl Default for Size {
    /// 200 organisations, 2,000 members in the largest.
    fn default() -> Self {
        Self { organisations: 200, members_max: 2_000 }
    }
}

impl World {
    /// The world of a seed.
    pub fn new(seed: u64, size: Size) -> Self {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let popularity: Vec<u64> = (0..MODELS.len() as u64).map(|rank| 60 / (rank + 1)).collect();
        let popularity = Slots::new(&popularity, 512);
        let organisations: Vec<_> = (0..size.organisations)
            .map(|rank| Organisation::new(rank, size.members_max / (rank + 1), &popularity, &mut rng))
            .collect();
        // Calls grow with members, but teams differ in how much they use the copilot: by up to four times.
        let calls = organisations.iter().map(|org| org.members.len() as u64 * rng.random_range(50..=200));
        let by_calls = Slots::new(&calls.collect::<Vec<_>>(), 1 << 16);
        Self { organisations, by_calls }
    }
}

impl Organisation {
    fn new(rank: u32, members: u32, popularity: &Slots, rng: &mut Xoshiro256PlusPlus) -> Self {
        let members = members.max(3);
        let activity: Vec<u64> = (0..u64::from(members)).map(|rank| 1_000_000 / (rank + 5)).collect();
        let models: [[usize; 2]; REASONS.len()] =
            std::array::from_fn(|_| [popularity.pick(rng), popularity.pick(rng)]);
        // A few in a hundred calls are BYOK: every ninth organisation has a contract with the provider of its chat.
        let currency = if rank.is_multiple_of(2) { "USD" } else { "EUR" };
        let own_key = (rank % 9 == 4)
            .then(|| Currency::new(currency).ok().map(|currency| (MODELS[models[0][0]].provider, currency)));
        Self {
            id: format!("org-{:08x}{rank:03}", rng.random::<u32>()),
            members: (0..members).map(|_| format!("mbr-{:016x}", rng.random::<u64>())).collect(),
            by_activity: Slots::new(&activity, u64::from(members) * 8),
            models,
            own_key: own_key.flatten(),
        }
    }
}
