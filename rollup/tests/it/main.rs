//! The rollup worker on the real engine. `make test` starts it; see `system_tests::Stack` for running one test.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod crash;
mod levels;
mod outage;
mod rebuild;
mod routes;
mod told_again;
mod verify;
mod workers;
mod world;

use rand::SeedableRng;
use rand::rngs::StdRng;

/// Randomness from a seed that is printed; `SEED` in the environment repeats a run.
fn seeded(test: &str) -> StdRng {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random);
    println!("{test}: SEED={seed}");
    StdRng::seed_from_u64(seed)
}
