//! A random model of the protocol that keeps the numbers right.
//!
//! Machines for every part of the system (ingest, rollup, readers, rebuild, operators' commands) run statement by
//! statement in an order that a seed decides, while they are killed, frozen and woken up, their inserts are torn and
//! their answers lost. Every answer is compared with what the logs say. The rules come from the same functions that the
//! services call. `README.md` beside this file is the way in.

mod campaign;
mod cover;
mod dice;
mod engine;
mod figures;
mod ingest;
mod kafka;
mod kept;
mod ledger;
mod log;
mod nature;
mod operators;
mod question;
mod reader;
mod rest;
mod rollup;
mod rules;
mod run;
mod schedule;
mod settings;
mod shrink;
mod time;
mod truth;
mod world;

use campaign::{Caught, explain, first_failures, run_all, say};
use rules::{Protocol, liberties, mutants};
use run::Manner;
use schedule::schedule;
use settings::{Settings, command};

/// Runs in which a mutant must be caught. The rarest is caught once in about 400.
const RUNS_TO_CATCH_A_MUTANT: u64 = 10_000;

/// Runs of each freedom.
const RUNS_OF_A_FREEDOM: u64 = 100;

#[test]
fn the_rules_of_the_design_never_give_a_wrong_answer() {
    let settings = Settings::read();
    let manner = Manner { protocol: settings.protocol(), judges_rows: true };
    let name = settings.turned.map(|variant| variant.name);
    if settings.tells {
        (settings.seed..).take(settings.runs as usize).for_each(|seed| say(&explain(&manner, seed)));
        return;
    }
    say(&format!("model: {} runs from seed {} on", settings.runs, settings.seed));
    match run_all(&manner, settings.seed, settings.runs, name.unwrap_or("design")) {
        Ok(figures) => {
            figures.each().iter().for_each(|(what, count)| say(&format!("{count:>12}  {what}")));
            let is_long = settings.runs >= 500;
            assert!(
                !is_long || figures.each().iter().all(|(_, count)| *count > 0),
                "everything has happened"
            );
        }
        Err(seed) => panic!("{}\n\nagain: {}", explain(&manner, seed), command(seed, name)),
    }
}

#[test]
fn each_rule_removed_gives_a_wrong_answer() {
    let Settings { seed, tells, turned, .. } = Settings::read();
    if tells || turned.is_some() {
        return;
    }
    let mutants = mutants();
    say(&format!("model: {} mutants, each from seed {seed} on; runs until one was wrong:", mutants.len()));
    let caught = first_failures(&mutants, seed, RUNS_TO_CATCH_A_MUTANT);
    let mut at_large = Vec::new();
    for (mutant, caught) in mutants.iter().zip(caught) {
        match caught {
            Some(Caught { runs, wrong }) => {
                let wrong = format!("{wrong:?}");
                say(&format!("{runs:>6}  {wrong:<8}  without: {}", mutant.text));
            }
            None => at_large.push(mutant.name),
        }
    }
    assert!(at_large.is_empty(), "in {RUNS_TO_CATCH_A_MUTANT} runs never wrong without: {at_large:?}");
}

#[test]
fn each_freedom_taken_gives_no_wrong_answer() {
    let Settings { seed, tells, turned, .. } = Settings::read();
    if tells || turned.is_some() {
        return;
    }
    for freedom in liberties() {
        let manner = Manner { protocol: freedom.protocol, judges_rows: true };
        if let Err(seed) = run_all(&manner, seed, RUNS_OF_A_FREEDOM, freedom.name) {
            let again = command(seed, Some(freedom.name));
            panic!("wrong with: {}\n{}\n\nagain: {again}", freedom.text, explain(&manner, seed));
        }
    }
}

#[test]
fn a_seed_gives_the_same_run_every_time() {
    let manner = Manner { protocol: Protocol::DESIGN, judges_rows: true };
    for seed in 0..3 {
        let [first, second] = [0, 1].map(|_| manner.run(&schedule(seed), true).story);
        assert!(first.len() > 100 && first == second, "seed {seed}");
    }
}

#[test]
fn a_failing_run_is_shrunk_to_the_part_that_matters() {
    let mutants = mutants();
    let blind = mutants.iter().filter(|mutant| mutant.name == "readers_cut_the_ledger");
    let manners = blind.map(|mutant| Manner { protocol: mutant.protocol, judges_rows: false });
    for manner in manners {
        let fails = |seed: &u64| manner.run(&schedule(*seed), false).failure.is_some();
        let story = (0..100).find(fails).map(|seed| explain(&manner, seed)).unwrap_or_default();
        assert!((3..60).contains(&story.lines().count()), "{story}");
        assert!(story.contains("WRONG") && story.contains("inserts calls"), "{story}");
    }
}
