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

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Child, Command, ExitStatus, Stdio};

    use rustix::process::{Pid, WaitOptions, waitpid};

    use super::*;

    const KNOWN: [&str; 2] = ["after_insert", "after_commit"];

    fn error_of(text: &str) -> String {
        crate::error::chain(parse(text, &KNOWN).expect_err(text).as_ref())
    }

    /// This very test program again, running only the test below, with fail points armed.
    fn child(armed: &str) -> Child {
        let program = std::env::current_exe().expect("a program");
        let mut command = Command::new(program);
        command.args(["--exact", "failpoint::tests::places_that_are_not_armed_do_nothing"]);
        command.env(VARIABLE, armed).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("it starts")
    }

    fn status_of(armed: &str) -> ExitStatus {
        child(armed).wait().expect("it ends")
    }

    /// Comes to one place three times and to the other once. Alone it passes; the tests below run it in a process of its
    /// own, armed.
    #[test]
    fn places_that_are_not_armed_do_nothing() {
        init(&KNOWN).expect("good fail points");
        for _ in 0..3 {
            hit("after_insert");
        }
        hit("after_commit");
    }

    #[test]
    fn the_named_hit_kills_the_process_as_kill_9_does() {
        assert_eq!(status_of("after_insert:3").signal(), Some(9));
        assert_eq!(status_of("after_commit:1").signal(), Some(9));
        assert_eq!(status_of("after_insert:99, after_commit:1").signal(), Some(9));
        assert!(status_of("after_insert:4").success(), "there is no fourth hit");
        assert!(status_of("").success(), "nothing is armed");
    }

    #[test]
    fn a_frozen_process_goes_on_when_told() {
        let mut child = child("after_insert:2:stop");
        let pid = Pid::from_child(&child);
        let (_, status) = waitpid(Some(pid), WaitOptions::UNTRACED).expect("a child").expect("a status");
        assert!(status.stopped(), "{status:?}");
        kill_process(pid, Signal::CONT).expect("it is there");
        assert!(child.wait().expect("it ends").success());
    }

    #[test]
    fn a_place_that_does_not_exist_is_refused() {
        assert_eq!(
            error_of("after_lunch:1"),
            "there is no fail point `after_lunch`, only after_insert, after_commit"
        );
        assert!(!status_of("after_lunch:1").success());
    }

    #[test]
    fn a_hit_that_cannot_come_is_refused() {
        for text in
            ["after_insert", "after_insert:", "after_insert:0", "after_insert:x", "after_insert:1:explode"]
        {
            let wanted =
                "is neither `after_insert:N` (kill at the N-th hit, from 1) nor `after_insert:N:stop`";
            assert_eq!(error_of(text), format!("`{text}` {wanted}"));
        }
    }
}
