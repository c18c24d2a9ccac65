//! A whole service in one file, as small as it gets: a worker that counts, and takes a while to finish.
//!
//! Try `cargo run -p service --example minimal -- --check-config`, then the same without `--check-config` and with
//! `WORK_TOKEN=x`, and end it with Ctrl-C. The tests of the process's life in `tests/process.rs` run it.

use std::process::ExitCode;

use clap::Parser;
use serde::{Deserialize, Serialize};
use service::failpoint;
use service::health::{Component, Health};
use service::ops::OpsSettings;
use service::run::{self, CommonArgs};
use service::settings::{Check, DurationSetting, Secret, ServiceSettings, Settings};
use service::shutdown::Shutdown;
use service::tasks::TaskSet;
use service::telemetry::TelemetrySettings;
use tokio::time::{interval, sleep};

/// A real service has these lines in a file of its own and includes it with `include_str!`.
const DEFAULTS: &str = r#"
[work]
# Time between two steps. From 1ms to 1h.
every = "10ms"
# How long the last step takes after SIGTERM.
finish = "0s"
# What the worker needs to do its work. Required.
token = ""

[ops]
# Where health and metrics are served.
listener = "127.0.0.1:0"
# How long open work may take after SIGTERM.
shutdown_budget = "10s"

[telemetry]
# `text` for people, `json` for collectors.
format = "text"
# A level, or levels by module.
level = "info"
"#;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MinimalSettings {
    work: WorkSettings,
    ops: OpsSettings,
    telemetry: TelemetrySettings,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WorkSettings {
    every: DurationSetting,
    finish: DurationSetting,
    token: Secret,
}

impl Settings for MinimalSettings {
    const DEFAULTS: &'static str = DEFAULTS;

    fn validate(&self, check: &mut Check) {
        let every = DurationSetting::from_millis(1)..=DurationSetting::from_secs(3600);
        check.within("work.every", self.work.every, every);
        check.secret_given("work.token", &self.work.token, "any text");
        self.ops.validate(check);
    }
}

impl ServiceSettings for MinimalSettings {
    fn telemetry(&self) -> &TelemetrySettings {
        &self.telemetry
    }

    fn ops(&self) -> &OpsSettings {
        &self.ops
    }
}

#[derive(Parser)]
#[command(version, about = "A worker that counts")]
struct Args {
    #[command(flatten)]
    common: CommonArgs,
}

fn main() -> ExitCode {
    let args = Args::parse();
    run::service("minimal", &args.common, serve)
}

/// The library part of a service: everything comes from outside, so a test can run it in-process.
async fn serve(settings: MinimalSettings, health: Health, shutdown: Shutdown) -> anyhow::Result<()> {
    failpoint::init(&["after_step"])?;
    let mut tasks = TaskSet::new(&shutdown, &health, settings.ops.shutdown_budget.get());
    tasks.spawn("worker", work(settings.work, health.component("worker"), shutdown));
    tasks.wait().await
}

async fn work(settings: WorkSettings, component: Component, shutdown: Shutdown) -> anyhow::Result<()> {
    let mut ticks = interval(settings.every.get());
    component.ok();
    loop {
        tokio::select! {
            biased;
            () = shutdown.triggered() => break,
            _ = ticks.tick() => failpoint::hit("after_step"),
        }
    }
    sleep(settings.finish.get()).await;
    Ok(())
}
