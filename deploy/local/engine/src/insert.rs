//! `INSERT` with its data: the body is handed to the engine piece by piece, as it arrives.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::Response;
use hyper::body::Incoming;
use tokio::sync::{mpsc, oneshot};

use crate::answer::{self, Body};
use crate::exception::{Code, Exception};
use crate::handler::Context;
use crate::statement::Job;

/// Pieces of the body on their way to the engine; a piece is what hyper reads at once, some 400 KiB at most.
const PIECES: usize = 4;

enum Piece {
    Data(Bytes),
    /// The body ended as it should. Without it the insert is cancelled.
    End,
}

/// Runs an `INSERT` that ends before its `FORMAT` clause, with `first` and then `rest` as its data.
pub async fn run(
    server: &Arc<Context>,
    job: Job,
    text: Vec<u8>,
    format: String,
    first: Bytes,
    rest: Option<Incoming>,
) -> Result<Response<Body>, Exception> {
    let Job { heading, call, user, ticket } = job;
    let (pieces, mut arriving) = mpsc::channel(PIECES);
    let (done, outcome) = oneshot::channel();
    let engine = Arc::clone(&server.engine);
    tokio::task::spawn_blocking(move || {
        let result = engine.connect(user, &call.session, &ticket.mark()).and_then(|connection| {
            let mut insert = connection.insert(&text, &format, &call.parameters)?;
            loop {
                match arriving.blocking_recv() {
                    Some(Piece::Data(data)) => {
                        if !insert.append(&data) {
                            break insert.finish();
                        }
                    }
                    Some(Piece::End) => break insert.finish(),
                    None => {
                        break Err(Exception::new(
                            Code::Aborted,
                            "The client went away before the end of its data",
                        ));
                    }
                }
            }
        });
        drop(ticket);
        let _ = done.send(result.map(|output| output.work()));
    });

    let whole = forward(pieces, first, rest).await;
    let work = outcome.await.unwrap_or_else(|_| Err(Exception::lost()));
    whole?;
    Ok(answer::succeeded(&heading, &server.engine, Some(work?), answer::whole(Bytes::new())))
}

/// Hands the data over. After an insert has failed the rest is read and thrown away: a client that still sends
/// would otherwise see a closed connection instead of the error.
async fn forward(pieces: mpsc::Sender<Piece>, first: Bytes, rest: Option<Incoming>) -> Result<(), Exception> {
    if !first.is_empty() {
        let _ = pieces.send(Piece::Data(first)).await;
    }
    if let Some(mut body) = rest {
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|e| {
                Exception::new(Code::CannotReadAllData, format_args!("The request body broke off: {e}"))
            })?;
            if let Ok(data) = frame.into_data()
                && !data.is_empty()
            {
                let _ = pieces.send(Piece::Data(data)).await;
            }
        }
    }
    let _ = pieces.send(Piece::End).await;
    Ok(())
}
