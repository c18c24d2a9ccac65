//! How far it is: a bar on a terminal, otherwise a line every few seconds.

use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use std::fmt;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// How often a line is written where no terminal is.
const LINE_INTERVAL: Duration = Duration::from_secs(5);
/// How often the clock is looked at, in steps: publishing takes less than a microsecond a call.
const STEPS_BETWEEN: u64 = 256;

/// Progress of one pass, on stderr.
pub struct Progress {
    what: &'static str,
    total: Option<u64>,
    bar: Option<ProgressBar>,
    done: u64,
    line_at: Instant,
}

impl Progress {
    /// Begins; `what` is what is counted, `total` how many there will be, where that is known.
    pub fn begin(what: &'static str, total: Option<u64>) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| bar(what, total));
        Self { what, total, bar, done: 0, line_at: Instant::now() + LINE_INTERVAL }
    }

    /// One more is done.
    pub fn step(&mut self) {
        self.done += 1;
        if self.done.is_multiple_of(STEPS_BETWEEN) {
            self.show();
        }
    }

    /// So many are done.
    pub fn set(&mut self, done: u64) {
        self.done = done;
        self.show();
    }

    fn show(&mut self) {
        if let Some(bar) = &self.bar {
            bar.set_position(self.done);
        } else if Instant::now() >= self.line_at {
            self.line_at = Instant::now() + LINE_INTERVAL;
            match self.total {
                Some(total) => eprintln!("{} {} of {total}", self.what, self.done),
                None => eprintln!("{} {}", self.what, self.done),
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(what: &'static str, total: Option<u64>) -> ProgressBar {
    let (bar, template) = match total {
        Some(total) => {
            (ProgressBar::new(total), "{msg} {wide_bar} {human_pos} of {human_len}, {rate}, {eta} left")
        }
        None => (ProgressBar::new_spinner(), "{msg} {human_pos}, {rate}, {elapsed}"),
    };
    // The templates are constants; should one ever not parse, the default bar is shown.
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.with_style(style.with_key("rate", show_rate)).with_message(what)
}

fn show_rate(state: &ProgressState, text: &mut dyn fmt::Write) {
    // Writing to a bar's text cannot fail.
    let _ = write!(text, "{:.0}/s", state.per_sec());
}
