//! How far a command is: a bar where a person looks, lines where a log is written.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, stderr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often a line is written where there is no terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// The progress of one command. Cloning gives another handle to the same one.
#[derive(Clone, Debug)]
pub struct Progress {
    bar: ProgressBar,
    lines: Option<Arc<Mutex<Instant>>>,
}

impl Progress {
    /// Shown on standard error.
    pub fn shown() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(5));
        let lines = (!stderr().is_terminal()).then(|| Arc::new(Mutex::new(Instant::now())));
        Self { bar, lines }
    }

    /// Not shown.
    pub fn hidden() -> Self {
        Self { bar: ProgressBar::hidden(), lines: None }
    }

    /// Begins something of `total` steps.
    pub fn begin(&self, what: &'static str, total: u64) {
        let style = ProgressStyle::with_template(
            "{msg} {wide_bar} {human_pos} of {human_len}, {per_sec}, {eta} left",
        );
        self.bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        self.bar.set_message(what);
        self.bar.set_length(total);
        self.bar.set_position(0);
    }

    /// So many steps were done.
    pub fn advance(&self, steps: u64) {
        self.bar.inc(steps);
        let Some(lines) = &self.lines else { return };
        let mut last = lines.lock().unwrap_or_else(PoisonError::into_inner);
        if last.elapsed() >= LINE_INTERVAL {
            *last = Instant::now();
            eprintln!(
                "{} {} of {}",
                self.bar.message(),
                self.bar.position(),
                self.bar.length().unwrap_or_default()
            );
        }
    }

    /// It is done.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }

    /// Runs something that prints while no bar is in the way.
    pub fn suspend(&self, print: &mut dyn FnMut()) {
        self.bar.suspend(print);
    }
}
