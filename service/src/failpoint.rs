//! Places where a crash test can kill or freeze the process, by name.
//!
//! `FAILPOINT=after_insert:3` kills the process, as `kill -9` would, when it comes to the place `after_insert` for the
//! third time; `after_insert:3:stop` freezes it there (SIGSTOP; SIGCONT lets it go on). Several stand side by side with
//! commas.
//!
//! The code is always compiled in, so that what is tested is what is shipped. That is safe: nothing is armed unless the
//! process is *started* with that variable, nothing outside the process can arm it later, and all it can do is end or
//! stop the process, which whoever sets its environment could do anyway and which it must survive at any moment. While
//! nothing is armed, a place costs one atomic load.

use std::process;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use anyhow::{Context, bail};
use rustix::process::{Signal, getpid, kill_process};

static ARMED: OnceLock<Vec<Point>> = OnceLock::new();

/// The environment variable that arms fail points.
pub const VARIABLE: &str = "FAILPOINT";

#[derive(Debug)]
struct Point {
    name: String,
    at: u64,
    action: Action,
    hits: AtomicU64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Kill,
    Stop,
}

/// Arms what the environment names. Call it once at start with the names of all places of the program.
///
/// # Errors
///
/// When the variable cannot be read as fail points, or names a place that does not exist: a crash test that never
/// crashes would pass for the wrong reason.
pub fn init(known: &[&str]) -> anyhow::Result<()> {
    let Some(text) = std::env::var_os(VARIABLE) else { return Ok(()) };
    let points =
        parse(&text.to_string_lossy(), known).with_context(|| format!("{VARIABLE} cannot be used"))?;
    for point in &points {
        tracing::warn!(name = point.name, at = point.at, action = ?point.action, "fail point armed by {VARIABLE}");
    }
    // A second call, as in tests that run several services in one process, keeps what the first one armed.
    let _ = ARMED.set(points);
    Ok(())
}

/// Marks a place. Does nothing unless [`init`] armed it.
pub fn hit(name: &str) {
    let Some(points) = ARMED.get() else { return };
    for point in points.iter().filter(|point| point.name == name) {
        let hits = point.hits.fetch_add(1, Ordering::SeqCst) + 1;
        tracing::debug!(name, hits, "fail point");
        if hits == point.at {
            point.action.act(name);
        }
    }
}

impl Action {
    fn act(self, name: &str) {
        tracing::warn!(name, action = ?self, "fail point reached");
        let signal = if self == Self::Kill { Signal::KILL } else { Signal::STOP };
        if let Err(why) = kill_process(getpid(), signal) {
            tracing::error!(name, "cannot signal myself: {why}");
            process::abort();
        }
        if self == Self::Kill {
            // The signal may reach another thread a moment earlier; nothing behind this place may run meanwhile.
            loop {
                thread::park();
            }
        }
    }
}

fn parse(text: &str, known: &[&str]) -> anyhow::Result<Vec<Point>> {
    text.split(',')
        .map(str::trim)
        .filter(|point| !point.is_empty())
        .map(|point| parse_one(point, known))
        .collect()
}

fn parse_one(text: &str, known: &[&str]) -> anyhow::Result<Point> {
    let mut parts = text.splitn(3, ':');
    let name = parts.next().unwrap_or_default();
    if !known.contains(&name) {
        bail!("there is no fail point `{name}`, only {}", known.join(", "));
    }
    let at = parts.next().and_then(|at| at.parse::<u64>().ok()).filter(|at| *at > 0);
    let action = match parts.next() {
        None => Some(Action::Kill),
        Some("stop") => Some(Action::Stop),
        Some(_) => None,
    };
    let (Some(at), Some(action)) = (at, action) else {
        bail!("`{text}` is neither `{name}:N` (kill at the N-th hit, from 1) nor `{name}:N:stop`");
    };
    Ok(Point { name: name.to_owned(), at, action, hits: AtomicU64::new(0) })
}
