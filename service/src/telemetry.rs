//! Logs and metrics of a process.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal};
use std::panic;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use anyhow::Context;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use serde::{Deserialize, Serialize};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt as log;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::metrics;

/// The section `[telemetry]` of every service.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TelemetrySettings {
    /// How a log line looks.
    pub format: LogFormat,
    /// What is logged: a level, or levels by module, such as `info,librdkafka=warn`.
    pub level: LogLevel,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for log collectors.
    Json,
}

/// A checked list of `level` or `module=level`, separated by commas.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LogLevel {
    text: String,
    targets: Targets,
}

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Upper bounds of histogram buckets for durations in seconds: a millisecond to two minutes.
const SECONDS: [f64; 17] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0];

/// Upper bounds of histogram buckets for counts of rows: powers of ten with a step between.
const ROWS: [f64; 13] = [1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1e3, 3e3, 1e4, 3e4, 1e5, 3e5, 1e6];

/// Upper bounds of histogram buckets for sizes in bytes: 256 B to 256 MiB, times four.
const BYTES: [f64; 11] = [
    256.0,
    1024.0,
    4096.0,
    16384.0,
    65536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
    268_435_456.0,
];

/// Starts logging to stderr, so that stdout stays for answers, and the recording of metrics. What the `log` facade
/// receives is logged too. Calling it again, as tests do, keeps the first log and returns the same metrics.
///
/// Histograms whose names end in `_seconds`, `_rows` or `_bytes` get buckets that fit.
///
/// # Errors
///
/// When something else already records metrics in this process.
pub fn init(service: &'static str, settings: &TelemetrySettings) -> anyhow::Result<PrometheusHandle> {
    static RECORDER: Mutex<Option<PrometheusHandle>> = Mutex::new(None);
    let mut recorder = RECORDER.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = &*recorder {
        return Ok(handle.clone());
    }
    install_log(settings);
    let handle = install_recorder().context("cannot record metrics")?;
    metrics::describe(service);
    *recorder = Some(handle.clone());
    Ok(handle)
}

/// Sends panics through the log, where a collector of JSON lines sees them and the span around them names the task.
/// For the whole process, so it belongs into `main`: in a test it would take the panics away from the harness.
pub fn log_panics() {
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let text = panic.payload_as_str().unwrap_or("no message");
        tracing::error!(place, "panic: {text}");
        let backtrace = Backtrace::capture();
        if backtrace.status() == BacktraceStatus::Captured {
            tracing::error!("{backtrace}");
        }
    }));
}

fn install_recorder() -> anyhow::Result<PrometheusHandle> {
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_rows".to_owned()), &ROWS)?
        .set_buckets_for_metric(Matcher::Suffix("_bytes".to_owned()), &BYTES)?;
    Ok(builder.install_recorder()?)
}

fn install_log(settings: &TelemetrySettings) {
    let lines = log::layer().with_writer(io::stderr);
    let log = tracing_subscriber::registry().with(settings.level.targets.clone());
    let installed = match settings.format {
        LogFormat::Text => log.with(lines.with_ansi(io::stderr().is_terminal())).try_init(),
        LogFormat::Json => log.with(lines.json().flatten_event(true)).try_init(),
    };
    if let Err(why) = installed {
        // A test harness has its own log, which is as good.
        tracing::debug!("the log of this process was already there: {why}");
    }
}

impl FromStr for LogLevel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // `Targets` alone would take the slip `inf` for the name of a module, and log nothing at all.
        let is_level =
            |part: &str| part.rsplit('=').next().is_some_and(|level| LEVELS.contains(&level.trim()));
        match text.parse::<Targets>() {
            Ok(targets) if text.split(',').all(is_level) => Ok(Self { text: text.to_owned(), targets }),
            _ => Err(format!(
                "must be one of {}, or such levels by module as in `info,librdkafka=warn`",
                LEVELS.join(", ")
            )),
        }
    }
}

impl TryFrom<String> for LogLevel {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<LogLevel> for String {
    fn from(level: LogLevel) -> Self {
        level.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_log::TestLog;

    #[test]
    fn levels_by_module_are_read_and_shown_as_written() {
        for text in ["info", "off", "info,librdkafka=warn", "debug,hyper=off"] {
            let level: LogLevel = text.parse().expect(text);
            assert_eq!(String::from(level), text);
        }
    }

    #[test]
    fn a_misspelt_level_is_refused_rather_than_taken_for_a_module() {
        for text in [
            "",
            " ",
            "inf",
            "info,",
            "info,librdkafka",
            "librdkafka=loud",
            "librdkafka=",
            "debug, hyper = off",
        ] {
            let error = text.parse::<LogLevel>().expect_err(text);
            assert!(error.starts_with("must be one of off, error, warn"), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_second_start_returns_the_same_metrics_and_durations_have_buckets() {
        let settings =
            TelemetrySettings { format: LogFormat::Text, level: "error".parse().expect("a level") };
        let first = init("first", &settings).expect("telemetry starts");
        let second = init("second", &settings).expect("telemetry starts again");
        ::metrics::histogram!("probe_seconds").record(0.02);
        // Other tests of this process write to the same metrics meanwhile.
        let of_both = |handle: &PrometheusHandle| {
            let text = handle.render();
            let lines =
                text.lines().filter(|line| line.contains("probe_seconds") || line.contains("service_info"));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(of_both(&second), of_both(&first));
        let shown = second.render();
        assert!(shown.contains("probe_seconds_bucket{le=\"0.01\"} 0\n"), "{shown}");
        assert!(shown.contains("probe_seconds_bucket{le=\"0.025\"} 1\n"), "{shown}");
        assert!(shown.contains("service_info{service=\"first\""), "{shown}");
    }

    #[test]
    fn a_panic_reaches_the_log_with_its_place_and_task() {
        let log = TestLog::start();
        let former = panic::take_hook();
        log_panics();
        let task = tracing::error_span!("task", name = "writer").entered();
        panic::catch_unwind(|| panic!("row {}", 7)).expect_err("it panics");
        drop(task);
        panic::set_hook(former);
        let lines = log.text();
        let wanted = "panic: row 7 place=\"service/src/telemetry.rs:";
        assert!(lines.contains("ERROR task{name=\"writer\"}") && lines.contains(wanted), "{lines}");
    }
}
