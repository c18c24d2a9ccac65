//! Statements that yield rows. The engine writes them into a pipe, in any of its formats, while they are read and
//! sent here: memory stays constant, and a slow client slows the engine down.

use std::fs::File;
use std::io::{PipeReader, Read, Seek};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::Response;
use hyper::body::Frame;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::sync::oneshot;

use crate::answer::{self, Body, Broken, Heading};
use crate::chdb::Work;
use crate::exception::Exception;
use crate::flush::Flushes;
use crate::handler::Context;
use crate::rows::Rows;
use crate::running::Watch;
use crate::statement::{Job, QUERY_BYTES_MAX};

/// Size of the pipe, and of the pieces read from it.
pub const PIECE_BYTES: usize = 256 << 10;

/// A statement that ends within this time is read from the pipe only then, in one go: the rows of a quick one fit
/// into the pipe, and watching it would cost a quick one a quarter of its time.
const QUICK: Duration = Duration::from_millis(3);

/// Runs `text` (a `SELECT` without its `FORMAT` clause; `tail` is what followed that) and answers with its rows.
pub async fn run(
    server: &Arc<Context>,
    flushes: Arc<Flushes>,
    job: Job,
    text: &[u8],
    tail: &[u8],
) -> Result<Response<Body>, Exception> {
    if job.call.wait_end {
        return spooled(server, job, text, tail).await;
    }
    let hold_back = job.call.hold_back;
    let (reader, writer) = std::io::pipe().map_err(|e| unreadable(&e))?;
    // A pipe holds 64 KiB unless told otherwise; a smaller one than asked for is only slower.
    #[cfg(target_os = "linux")]
    let _ = rustix::pipe::fcntl_setpipe_size(&reader, PIECE_BYTES);
    let mut started = start(server, job, text, tail, writer.into());

    if let Ok(outcome) = tokio::time::timeout(QUICK, &mut started.outcome).await {
        let work = outcome.unwrap_or_else(|_| Err(Exception::lost()))?;
        let rows = drain(reader).map_err(|e| unreadable(&e))?;
        return Ok(answer::succeeded(&started.heading, &server.engine, Some(work), answer::whole(rows)));
    }
    let mut reader = pipe::Receiver::from_owned_fd(reader.into()).map_err(|e| unreadable(&e))?;
    let mut first = BytesMut::new();
    while first.len() < hold_back {
        first.reserve(PIECE_BYTES);
        if reader.read_buf(&mut first).await.map_err(|e| unreadable(&e))? == 0 {
            let work = started.outcome.await.unwrap_or_else(|_| Err(Exception::lost()))?;
            return Ok(answer::succeeded(&started.heading, &server.engine, Some(work), answer::whole(first)));
        }
    }
    let Started { heading, outcome, watch } = started;
    let rows =
        Rows::new(first.freeze(), reader, outcome, heading.tag.clone(), Arc::clone(server), flushes, watch);
    Ok(answer::succeeded(&heading, &server.engine, None, rows.boxed_unsync()))
}

/// A statement the engine works on.
struct Started {
    heading: Heading,
    outcome: oneshot::Receiver<Result<Work, Exception>>,
    watch: Watch,
}

/// Lets the engine write the statement's rows to `output`, which is closed when the outcome is known.
///
/// The engine's client side runs in this process. Told to write to a file, it streams one document, in constant
/// memory; its streaming interface begins a new one, headers and all, with every block.
fn start(server: &Arc<Context>, job: Job, text: &[u8], tail: &[u8], output: OwnedFd) -> Started {
    let Job { heading, mut call, user, ticket } = job;
    let clause = format!(" INTO OUTFILE '/dev/fd/{}' APPEND FORMAT {}", output.as_raw_fd(), heading.format);
    let sql = [text, clause.as_bytes(), tail].concat();
    // What is added here does not count against the limit of the client's statement.
    call.session.query_bytes = (sql.len() > QUERY_BYTES_MAX).then_some(sql.len());
    let watch = ticket.watch();
    let (done, outcome) = oneshot::channel();
    let engine = Arc::clone(&server.engine);
    tokio::task::spawn_blocking(move || {
        let result = engine.connect_to_read(user, &call.session, &ticket.mark()).and_then(|mut reading| {
            ticket.runs_as(&reading.mark);
            let work = reading.connection.query(&sql, "Null", &call.parameters)?.work();
            if ticket.ends() {
                engine.give_back(reading, &call.session);
            }
            Ok(work)
        });
        // In this order: who has the outcome need not watch any more, and the end of the output says that the
        // outcome is there.
        drop(ticket);
        let _ = done.send(result);
        drop(output);
    });
    Started { heading, outcome, watch }
}

/// What a finished statement left in its pipe.
fn drain(mut reader: PipeReader) -> std::io::Result<Vec<u8>> {
    let mut rows = Vec::new();
    reader.read_to_end(&mut rows)?;
    Ok(rows)
}

/// Answers when the statement has ended, so that the status tells its outcome, whatever the size of its rows: they
/// wait in a file.
async fn spooled(
    server: &Arc<Context>,
    job: Job,
    text: &[u8],
    tail: &[u8],
) -> Result<Response<Body>, Exception> {
    let mut file = tempfile::tempfile_in(server.engine.temporary()).map_err(|e| unreadable(&e))?;
    let output = file.try_clone().map_err(|e| unreadable(&e))?;
    let Started { heading, outcome, watch } = start(server, job, text, tail, output.into());
    let work = outcome.await.unwrap_or_else(|_| Err(Exception::lost()))?;
    drop(watch);
    file.rewind().map_err(|e| unreadable(&e))?;
    Ok(answer::succeeded(&heading, &server.engine, Some(work), file_body(file)))
}

fn file_body(file: File) -> Body {
    let pieces = stream::try_unfold(tokio::fs::File::from_std(file), |mut file| async {
        let mut piece = BytesMut::with_capacity(PIECE_BYTES);
        match file.read_buf(&mut piece).await {
            Ok(0) => Ok(None),
            Ok(_) => Ok(Some((Frame::data(piece.freeze()), file))),
            Err(e) => Err(Broken::Output(e)),
        }
    });
    StreamBody::new(pieces).boxed_unsync()
}

fn unreadable(error: &std::io::Error) -> Exception {
    Exception::from_engine(&format!("cannot read the engine's output: {error}"))
}
