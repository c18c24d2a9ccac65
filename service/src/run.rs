//! What every `main` does: read settings, start telemetry, run, turn the result into an exit code.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::runtime::Runtime;

use crate::error::chain;
use crate::health::{self, Health};
use crate::ops;
use crate::settings::{self, ServiceSettings};
use crate::shutdown::Shutdown;
use crate::telemetry;

/// The arguments all programs have; `#[command(flatten)]` them into the program's own.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct CommonArgs {
    /// Read settings from this TOML file; environment variables override it
    #[arg(long, value_name = "FILE", global = true)]
    pub settings: Option<PathBuf>,
    /// Check the settings, print them with secrets masked, and exit
    #[arg(long, global = true)]
    pub check_config: bool,
}

/// The settings have mistakes. The same code clap uses for wrong arguments.
const EXIT_USAGE: u8 = 2;

/// How long threads that ignore the shutdown may hold the process after everything else has ended.
const LAST_THREADS: Duration = Duration::from_millis(500);

/// Runs a service until SIGTERM or SIGINT: serves health and metrics on the ops listener, and gives `body` its settings,
/// the health registry and the wish to end. The exit code is 0 when `body` returned `Ok`, 1 when it failed, 2 when the
/// settings are wrong. The one message about it goes to the log.
pub fn service<S, F, R>(name: &'static str, args: &CommonArgs, body: F) -> ExitCode
where
    S: ServiceSettings,
    F: FnOnce(S, Health, Shutdown) -> R,
    R: Future<Output = anyhow::Result<()>>,
{
    let (settings, prometheus) = match begin::<S>(name, args) {
        Ok(begun) => begun,
        Err(exit_code) => return exit_code,
    };
    telemetry::log_panics();
    let shown = settings::effective(&settings).into_iter().map(|(key, value)| format!("{key}={value}"));
    tracing::info!("{name} starts with {}", shown.collect::<Vec<_>>().join(" "));
    let result = block_on(async |shutdown| with_ops(settings, prometheus, shutdown, body).await);
    match result {
        Ok(()) => {
            tracing::info!("{name} ended as asked");
            ExitCode::SUCCESS
        }
        Err(error) => {
            tracing::error!("{name} ends: {}", chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

/// Runs a subcommand that does one thing and ends. As [`service`], but without the ops listener, and the message goes
/// to stderr as plain text for the person who typed the command.
pub fn command<S, F, R>(name: &'static str, args: &CommonArgs, body: F) -> ExitCode
where
    S: ServiceSettings,
    F: FnOnce(S, Shutdown) -> R,
    R: Future<Output = anyhow::Result<()>>,
{
    let settings = match begin::<S>(name, args) {
        Ok((settings, _)) => settings,
        Err(exit_code) => return exit_code,
    };
    match block_on(async |shutdown| body(settings, shutdown).await) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {}", chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

/// Settings and telemetry, or the exit code with which the process has nothing more to do.
fn begin<S: ServiceSettings>(
    name: &'static str,
    args: &CommonArgs,
) -> Result<(S, PrometheusHandle), ExitCode> {
    let settings: S = settings::load_from_process(args.settings.as_deref()).map_err(|mistakes| {
        eprintln!("{name}: {mistakes}");
        ExitCode::from(EXIT_USAGE)
    })?;
    if args.check_config {
        for (key, value) in settings::effective(&settings) {
            println!("{key} = {value}");
        }
        return Err(ExitCode::SUCCESS);
    }
    let prometheus = telemetry::init(name, settings.telemetry()).map_err(|error| {
        eprintln!("{name}: {}", chain(error.as_ref()));
        ExitCode::FAILURE
    })?;
    Ok((settings, prometheus))
}

fn block_on(body: impl AsyncFnOnce(Shutdown) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let runtime = Runtime::new().context("cannot start the async runtime")?;
    let shutdown = Shutdown::new();
    let result = runtime.block_on(async {
        shutdown.on_signals()?;
        body(shutdown.clone()).await
    });
    runtime.shutdown_timeout(LAST_THREADS);
    result
}

async fn with_ops<S, F, R>(
    settings: S,
    prometheus: PrometheusHandle,
    shutdown: Shutdown,
    body: F,
) -> anyhow::Result<()>
where
    S: ServiceSettings,
    F: FnOnce(S, Health, Shutdown) -> R,
    R: Future<Output = anyhow::Result<()>>,
{
    let health = Health::new();
    let listener = settings.ops().bind().await?;
    let upkeep = tokio::spawn(ops::upkeep(prometheus.clone()));
    // Health must be readable until the very end, so the ops listener has an end of its own.
    let ops_shutdown = Shutdown::new();
    let router = health::router(health.clone(), prometheus);
    let ops = tokio::spawn(ops::serve(listener, router, ops_shutdown.clone()));
    tokio::spawn(tell_shutdown(shutdown.clone(), health.clone()));

    let result = body(settings, health, shutdown).await;

    ops_shutdown.trigger();
    upkeep.abort();
    let ops = ops.await.context("the ops listener panicked").flatten();
    result.and(ops)
}

/// A process that ends is not ready for new work, and says why.
async fn tell_shutdown(shutdown: Shutdown, health: Health) {
    shutdown.triggered().await;
    health.component("shutdown").waiting("open work to finish");
}
