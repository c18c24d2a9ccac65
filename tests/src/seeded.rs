//! Randomness that can be had again.

use rand::SeedableRng;
use rand::rngs::StdRng;

/// Randomness from a seed that is printed; `SEED` in the environment repeats a run.
pub fn seeded(test: &str) -> StdRng {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random);
    println!("{test}: SEED={seed}");
    StdRng::seed_from_u64(seed)
}
