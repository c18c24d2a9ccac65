//! The listener for operators: health and metrics, apart from the service's own traffic.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use metrics_exporter_prometheus::PrometheusHandle;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::settings::{Check, DurationSetting};
use crate::shutdown::Shutdown;

/// The section `[ops]` of every service.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpsSettings {
    /// Where `/healthz`, `/readyz` and `/metrics` are served. Port 0 takes a free one, named in the log.
    #[serde(deserialize_with = "crate::settings::socket_address")]
    pub listener: SocketAddr,
    /// How long open work may take after SIGTERM. The orchestrator's own patience must be longer. 100 ms to 10 minutes.
    pub shutdown_budget: DurationSetting,
}

/// How often recorded histogram samples are folded into their buckets. Without it they would pile up in memory while
/// nobody reads `/metrics`.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// How long an answer may still take after the end was asked for: a stuck client must not hold the process.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

impl OpsSettings {
    /// Checks the bounds. The section is called `ops`.
    pub fn validate(&self, check: &mut Check) {
        let bounds = DurationSetting::from_millis(100)..=DurationSetting::from_secs(600);
        check.within("ops.shutdown_budget", self.shutdown_budget, bounds);
    }

    /// Opens the listener.
    ///
    /// # Errors
    ///
    /// When the address cannot be had; says which setting to change.
    pub async fn bind(&self) -> anyhow::Result<TcpListener> {
        let address = self.listener;
        TcpListener::bind(address).await.with_context(|| {
            format!(
                "cannot listen on {address}: free the port, or set ops.listener (OPS_LISTENER) to another"
            )
        })
    }
}

/// Serves the router until the end is asked for, then gives open answers a second.
///
/// # Errors
///
/// When the listener breaks.
pub async fn serve(listener: TcpListener, router: Router, shutdown: Shutdown) -> anyhow::Result<()> {
    let address = listener.local_addr().context("the ops listener has no address")?;
    tracing::info!("health and metrics on http://{address}");
    let graceful = shutdown.clone();
    let server =
        axum::serve(listener, router).with_graceful_shutdown(async move { graceful.triggered().await });
    let server = server.into_future();
    tokio::pin!(server);
    tokio::select! {
        ended = &mut server => ended.context("the ops listener broke"),
        () = shutdown.triggered() => {
            timeout(LAST_ANSWERS, server).await.unwrap_or(Ok(())).context("the ops listener broke")
        }
    }
}

/// Keeps the memory of recorded metrics bounded. Runs until it is dropped.
pub async fn upkeep(prometheus: PrometheusHandle) {
    let mut ticks = interval(UPKEEP_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        prometheus.run_upkeep();
    }
}

#[cfg(test)]
mod tests;
