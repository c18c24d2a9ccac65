//! What every `main` does: read settings, start telemetry, run, turn the result into an exit code.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use tokio::runtime::Runtime;

use crate::error::chain;
use crate::health::{self, Health};
use crate::ops;
use crate::settings::{self, Mistakes, ServiceSettings};
use crate::shutdown::Shutdown;
use crate::telemetry;

/// The arguments all services have; `#[command(flatten)]` them into the service's own.
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

/// Runs a service until SIGTERM: serves health and metrics on the ops listener, and gives `body` its settings, the health
/// registry and the wish to end. Exit code 0 when `body` returned `Ok`, 1 when it failed, 2 when the settings are wrong.
pub fn service<S, F, R>(name: &'static str, args: &CommonArgs, body: F) -> ExitCode
where
    S: ServiceSettings,
    F: FnOnce(S, Health, Shutdown) -> R,
    R: Future<Output = anyhow::Result<()>>,
{
    process(name, args, async |settings: S, prometheus, shutdown: Shutdown| {
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
    })
}

/// Runs a subcommand that does something and ends: as [`service`], without the ops listener.
pub fn command<S, F, R>(name: &'static str, args: &CommonArgs, body: F) -> ExitCode
where
    S: ServiceSettings,
    F: FnOnce(S, Shutdown) -> R,
    R: Future<Output = anyhow::Result<()>>,
{
    process(name, args, async |settings, _, shutdown| body(settings, shutdown).await)
}

fn process<S, F>(name: &'static str, args: &CommonArgs, body: F) -> ExitCode
where
    S: ServiceSettings,
    F: AsyncFnOnce(S, metrics_exporter_prometheus::PrometheusHandle, Shutdown) -> anyhow::Result<()>,
{
    let settings = match load::<S>(args) {
        Ok(settings) => settings,
        Err(mistakes) => {
            eprintln!("{name}: {mistakes}");
            return ExitCode::from(EXIT_USAGE);
        }
    };
    if args.check_config {
        for (key, value) in settings::effective(&settings) {
            println!("{key} = {value}");
        }
        return ExitCode::SUCCESS;
    }
    match start(name, settings, body) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{name} ends: {}", chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn load<S: ServiceSettings>(args: &CommonArgs) -> Result<S, Mistakes> {
    let text = |text: OsString| text.to_string_lossy().into_owned();
    let environment = std::env::vars_os().map(|(name, value)| (text(name), text(value)));
    settings::load(args.settings.as_deref(), environment)
}

fn start<S, F>(name: &'static str, settings: S, body: F) -> anyhow::Result<()>
where
    S: ServiceSettings,
    F: AsyncFnOnce(S, metrics_exporter_prometheus::PrometheusHandle, Shutdown) -> anyhow::Result<()>,
{
    let prometheus = telemetry::init(name, settings.telemetry())?;
    let shown: Vec<String> =
        settings::effective(&settings).into_iter().map(|(key, value)| format!("{key}={value}")).collect();
    tracing::info!("{name} starts with {}", shown.join(" "));
    let runtime = Runtime::new().context("cannot start the async runtime")?;
    let shutdown = Shutdown::new();
    let result = runtime.block_on(async {
        shutdown.on_signals()?;
        body(settings, prometheus, shutdown.clone()).await
    });
    runtime.shutdown_timeout(LAST_THREADS);
    result
}

/// A process that ends is not ready for new work, and says why.
async fn tell_shutdown(shutdown: Shutdown, health: Health) {
    shutdown.triggered().await;
    health.component("shutdown").waiting("open work to finish");
}
