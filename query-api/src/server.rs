//! The listener of the API.

use crate::settings::HttpSettings;
use anyhow::Context;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use service::shutdown::Shutdown;
#[cfg(target_os = "linux")]
use socket2::SockRef;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_io_timeout::TimeoutStream;

/// Room for a long URL, a token and cookies.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// After an error of `accept`, such as no free file descriptor, until the next attempt.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Opens the listener.
///
/// # Errors
/// When the address cannot be had; says which setting to change.
pub async fn bind(settings: &HttpSettings) -> anyhow::Result<TcpListener> {
    let address = settings.listener;
    TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}: free the port, or set http.listener (HTTP_LISTENER) to another")
    })
}

/// Most bytes of an answer that wait in the system to be sent. By default it takes megabytes, and more of them only when a
/// third is gone: who reads slowly, and steadily, would seem to read nothing for minutes.
#[cfg(target_os = "linux")]
const UNSENT_BYTES_MAX: u32 = 128 * 1024;

/// How long a client may keep the service waiting.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For the head of a request.
    pub head: Duration,
    /// Until it reads on in its answer, by about a hundred kilobytes.
    pub stall: Duration,
}

/// Serves until the end is asked for, then lets open requests finish. A client that goes away takes its request with
/// it: the handler is dropped, and so are its statements. One that stops to read is taken for one that went away.
///
/// # Errors
/// When the listener has no address.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    patience: Patience,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let address = listener.local_addr().context("the listener has no address")?;
    tracing::info!("API on http://{address}, its description on http://{address}/docs");
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.triggered() => break,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!("cannot accept a connection: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        #[cfg(target_os = "linux")]
        let _ = SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT_BYTES_MAX);
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(patience.stall));
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(patience.head).max_buf_size(HEAD_BYTES_MAX);
        let connection = builder
            .serve_connection(TokioIo::new(Box::pin(stream)), TowerToHyperService::new(router.clone()));
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!("a connection ended: {error}");
            }
        });
    }
    drop(listener);
    graceful.shutdown().await;
    Ok(())
}
