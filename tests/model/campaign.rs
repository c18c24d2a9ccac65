//! Many runs, on all cores, with progress; and what to tell about the one that failed.

use crate::figures::Figures;
use crate::rules::Variant;
use crate::run::Manner;
use crate::schedule::schedule;
use crate::shrink::shrink;
use crate::world::Wrong;
use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How often progress is shown.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

/// Says something at once, also while the test harness keeps the output of tests back.
pub fn say(text: &str) {
    // Who does not read it does not need it.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Runs seeds `first ..` so many times, in parallel. Returns what happened, or the lowest seed that failed.
pub fn run_all(manner: &Manner, first: u64, runs: u64, what: &str) -> Result<Figures, u64> {
    let next = AtomicU64::new(0);
    let failed = AtomicU64::new(u64::MAX);
    let sum = Mutex::new(Figures::default());
    let began = Instant::now();
    let shown = Mutex::new(began);
    in_parallel(|| {
        let mut figures = Figures::default();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= runs || index > failed.load(Ordering::Relaxed) {
                break;
            }
            let outcome = manner.run(&schedule(first.wrapping_add(index)), false);
            figures.add(&outcome.figures);
            if outcome.failure.is_some() {
                failed.fetch_min(index, Ordering::Relaxed);
            }
            if let Ok(mut shown) = shown.try_lock()
                && shown.elapsed() >= PROGRESS_EVERY
            {
                *shown = Instant::now();
                let left = began.elapsed().as_secs() * (runs - index) / (index + 1);
                say(&format!("{what}: {index} of {runs} runs, none wrong, about {left} s left"));
            }
        }
        if let Ok(mut sum) = sum.lock() {
            sum.add(&figures);
        }
    });
    match failed.into_inner() {
        u64::MAX => Ok(sum.into_inner().unwrap_or_default()),
        index => Err(first.wrapping_add(index)),
    }
}

/// How a mutant was caught.
#[derive(Clone, Copy, Debug)]
pub struct Caught {
    /// Runs that it took.
    pub runs: u64,
    /// In what way it was wrong.
    pub wrong: Wrong,
}

/// For each mutant the first of `limit` runs that went wrong, if one did. Mutants run in parallel.
pub fn first_failures(mutants: &[Variant], first: u64, limit: u64) -> Vec<Option<Caught>> {
    let next = AtomicU64::new(0);
    let found = Mutex::new(vec![None; mutants.len()]);
    in_parallel(|| {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed) as usize;
            let Some(mutant) = mutants.get(index) else { return };
            let manner = Manner { protocol: mutant.protocol, judges_rows: mutant.breaks_only_rows() };
            let failure = |run: u64| {
                let failure = manner.run(&schedule(first.wrapping_add(run)), false).failure?;
                Some(Caught { runs: run + 1, wrong: failure.wrong })
            };
            let caught = (0..limit).find_map(failure);
            if let Ok(mut found) = found.lock() {
                found[index] = caught;
            }
        }
    });
    found.into_inner().unwrap_or_default()
}

fn in_parallel(work: impl Fn() + Sync) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(&work);
        }
    });
}

/// What a seed does, in words: the smallest part of its schedule that fails in the same way, or all of it.
pub fn explain(manner: &Manner, seed: u64) -> String {
    let events = schedule(seed);
    let Some(failure) = manner.run(&events, false).failure else {
        return manner.run(&events, true).story.join("\n");
    };
    let needed = shrink(manner, &events, failure.wrong);
    let outcome = manner.run(&needed, true);
    let text = outcome.failure.map_or(failure.text, |failure| failure.text);
    format!(
        "{} of {} events are enough to go wrong:\n{}\n=> {text}",
        needed.len(),
        events.len(),
        outcome.story.join("\n")
    )
}
