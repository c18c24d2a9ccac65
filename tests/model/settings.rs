//! What can be asked of the model, by environment variables.

use crate::rules::{Protocol, Variant, liberties, mutants};
use std::hash::{BuildHasher, Hasher, RandomState};

/// Runs of the design when nothing else is asked for.
const RUNS: u64 = 5_000;

/// What was asked for.
pub struct Settings {
    /// `MODEL_SEED`: the seed of the first run; the others follow. Without it some other one each time.
    pub seed: u64,
    /// `MODEL_RUNS`: number of runs of the design.
    pub runs: u64,
    /// `MODEL_TRACE=1`: whether to tell what happens in the runs, and nothing else.
    pub tells: bool,
    /// `MODEL_TURN`: the name of a rule or freedom that is turned in the runs.
    pub turned: Option<Variant>,
}

impl Settings {
    /// Reads them.
    pub fn read() -> Self {
        let some_seed = || RandomState::new().build_hasher().finish() >> 40;
        Self {
            seed: number("MODEL_SEED").unwrap_or_else(some_seed),
            runs: number("MODEL_RUNS").unwrap_or(RUNS),
            tells: number("MODEL_TRACE").is_some_and(|tells| tells > 0),
            turned: text("MODEL_TURN").map(|name| variant(&name)),
        }
    }

    /// The protocol of the runs.
    pub fn protocol(&self) -> Protocol {
        self.turned.map_or(Protocol::DESIGN, |variant| variant.protocol)
    }
}

/// The command that runs one seed alone and tells what happens.
pub fn command(seed: u64, turned: Option<&str>) -> String {
    let turned = turned.map_or(String::new(), |name| format!("MODEL_TURN={name} "));
    let test = "the_rules_of_the_design_never_give_a_wrong_answer";
    format!(
        "{turned}MODEL_SEED={seed} MODEL_RUNS=1 MODEL_TRACE=1 cargo test -p system-tests --test model {test}"
    )
}

fn text(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

fn number(name: &str) -> Option<u64> {
    let text = text(name)?;
    match text.parse() {
        Ok(number) => Some(number),
        Err(_) => panic!("{name}={text} must be a whole number"),
    }
}

fn variant(name: &str) -> Variant {
    let mut known = mutants();
    known.extend(liberties());
    match known.iter().find(|variant| variant.name == name) {
        Some(variant) => *variant,
        None => panic!("MODEL_TURN={name} must be a field of `Rules` or `Freedoms` in tests/model/rules.rs"),
    }
}
