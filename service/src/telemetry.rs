//! Logs and metrics of a process.

use std::fmt;
use std::io::{self, IsTerminal};
use std::panic;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use anyhow::Context;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use serde::{Deserialize, Serialize};
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt as log;
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LogLevel(String);

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
/// receives is logged too, and so are panics, with the span of the task they happen in. Calling it again, as tests do,
/// keeps the first log and returns the same metrics.
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
    let handle = install_recorder().context("cannot record metrics")?;
    *recorder = Some(handle.clone());
    metrics::describe();
    install_log(service, settings);
    Ok(handle)
}

fn install_recorder() -> anyhow::Result<PrometheusHandle> {
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_rows".to_owned()), &ROWS)?
        .set_buckets_for_metric(Matcher::Suffix("_bytes".to_owned()), &BYTES)?;
    Ok(builder.install_recorder()?)
}

fn install_log(service: &'static str, settings: &TelemetrySettings) {
    let level = settings.level.filter();
    let builder = log::fmt().with_env_filter(level).with_writer(io::stderr);
    let installed = match settings.format {
        LogFormat::Text => builder.with_ansi(io::stderr().is_terminal()).finish().try_init(),
        LogFormat::Json => builder.json().flatten_event(true).finish().try_init(),
    };
    // A test harness may have installed its own log, which is as good.
    if installed.is_ok() {
        log_panics(service);
    }
}

/// Panics go through the log, so that a collector of JSON lines sees them, and the span around them names the task.
fn log_panics(service: &'static str) {
    panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let text = panic.payload_as_str().unwrap_or("no message");
        tracing::error!(service, place, "panic: {text}");
    }));
}

impl LogLevel {
    fn filter(&self) -> EnvFilter {
        EnvFilter::new(&self.0)
    }
}

impl FromStr for LogLevel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let allowed =
            "must be error, warn, info, debug or trace, or levels by module such as `info,librdkafka=warn`";
        let parsed = EnvFilter::builder().parse(text);
        match parsed {
            Ok(_) if !text.trim().is_empty() => Ok(Self(text.to_owned())),
            _ => Err(allowed.to_owned()),
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
        level.0
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
