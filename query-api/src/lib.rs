//! Aggregates to people: JSON, CSV and the description of both.
//!
//! Every number is cut at one position of the organisation's partition: a snapshot. Handlers parse, authorise, ask
//! ([`ask`]) and shape; what is asked comes from rollup rows that prove themselves and from the ledger ([`reader`]).
//! There is no Kafka here, and the database user can only read.

mod admission;
mod app;
pub mod as_of;
pub mod ask;
pub mod auth;
mod change;
mod cheaper;
mod cookie;
pub mod cover;
mod csv;
mod directory;
mod docs;
mod envelope;
mod filter;
mod kept;
mod labels;
pub mod metrics;
pub mod openapi;
mod origin;
pub mod page;
mod parameters;
pub mod period;
pub mod problem;
mod queries;
pub mod reader;
mod router;
mod routes;
mod server;
pub mod settings;
pub mod sign_in;
mod snapshot;
mod sums;
mod touches;

pub use app::App;
pub use server::bind;

use server::Patience;
use service::health::Health;
use service::shutdown::Shutdown;
use service::tasks::TaskSet;
use settings::QueryApiSettings;
use std::time::Duration;
use tokio::net::TcpListener;

/// How often we look whether ClickHouse answers.
const PING_INTERVAL: Duration = Duration::from_secs(2);

/// Serves the API until the end is asked for.
///
/// # Errors
/// Settings that cannot be used, or a task that ended.
pub async fn run(
    settings: QueryApiSettings,
    listener: TcpListener,
    health: Health,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    metrics::describe();
    let app = App::new(&settings)?;
    let mut tasks = TaskSet::new(&shutdown, &health, settings.ops.shutdown_budget.into());
    let patience =
        Patience { head: settings.http.header_timeout.into(), stall: settings.limits.export_stall.into() };
    tasks.spawn("http", server::serve(listener, router::router(app.clone()), patience, shutdown.clone()));
    tasks.spawn("clickhouse", watch_clickhouse(app, health.clone(), shutdown.clone()));
    tasks.wait().await
}

/// Keeps the health report true while nobody asks anything.
async fn watch_clickhouse(app: App, health: Health, shutdown: Shutdown) -> anyhow::Result<()> {
    let component = health.component("clickhouse");
    loop {
        match app.warehouse.ping().await {
            Ok(()) => component.ok(),
            Err(error) => {
                component.waiting(format!("ClickHouse to answer: {}", service::error::chain(&error)))
            }
        }
        tokio::select! {
            () = shutdown.triggered() => return Ok(()),
            () = tokio::time::sleep(PING_INTERVAL) => {}
        }
    }
}
