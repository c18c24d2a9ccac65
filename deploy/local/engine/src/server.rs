//! The listening socket, from start to a clean stop.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};

use crate::auth::Passwords;
use crate::engine::Engine;
use crate::flush::FlushedStream;
use crate::handler::{self, Context};
use crate::running::Running;
use crate::settings::Settings;

/// Time for killed statements to end, before the process ends all the same.
const KILL_GRACE: Duration = Duration::from_secs(10);

/// Serves until `stop` is ready, then lets running statements finish, closes connections and the engine.
pub async fn run(settings: &Settings, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
    // The address first: a port in use must not cost the time to open the engine.
    let listener = TcpListener::bind(settings.listen)
        .await
        .with_context(|| format!("cannot listen on {}: choose another port", settings.listen))?;
    let opening = settings.clone();
    let engine = Arc::new(tokio::task::spawn_blocking(move || Engine::open(&opening)).await??);
    let running = Running::new(Arc::clone(&engine), settings.max_concurrent_queries);
    let context = Arc::new(Context {
        engine: Arc::clone(&engine),
        running: Arc::clone(&running),
        passwords: Passwords {
            admin: settings.admin_password.clone(),
            reader: settings.reader_password.clone(),
        },
    });
    let address = listener.local_addr()?;
    tracing::info!(%address, version = engine.version(), data = %settings.data.display(), "listening");

    let connections = GracefulShutdown::new();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => serve(stream, &connections, Arc::clone(&context)),
                // Out of file descriptors, most likely: those of finished statements come back.
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
    drop(listener);
    tracing::info!(running = running.count(), "stopping");
    let patience = Duration::from_secs(settings.stop_timeout_s);
    let mut closed = std::pin::pin!(connections.shutdown());
    if tokio::time::timeout(patience, idle(&running, closed.as_mut())).await.is_err() {
        tracing::warn!(running = running.count(), "statements did not finish in time: killing them");
        let killed = Arc::clone(&running);
        tokio::task::spawn_blocking(move || killed.kill_all()).await?;
        // Until whoever asked has heard what became of it; a client that does not read is not waited for longer.
        let ended = tokio::time::timeout(KILL_GRACE, idle(&running, closed.as_mut())).await;
        if ended.is_err() && running.count() > 0 {
            anyhow::bail!(
                "{} statements did not end when killed; what was acknowledged is on disk",
                running.count()
            );
        }
    }
    tokio::task::spawn_blocking(move || engine.close()).await?;
    tracing::info!("stopped");
    Ok(())
}

/// Ready when all connections are closed and the engine runs no statement any more.
async fn idle(running: &Running, closed: impl Future<Output = ()>) {
    closed.await;
    while running.count() > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn serve(stream: TcpStream, connections: &GracefulShutdown, context: Arc<Context>) {
    // An answer is one write; waiting for more would cost 40 ms each time.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let (stream, flushes) = FlushedStream::new(stream);
    let service =
        service_fn(move |request| handler::handle(Arc::clone(&context), Arc::clone(&flushes), request));
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let connection = connections.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection ended early");
        }
    });
}
