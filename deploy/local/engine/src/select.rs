//! Statements that yield rows. The engine writes them into a pipe, in any of its formats, while they are read and
//! sent here: memory stays constant, and a slow client slows the engine down.

use std::io::PipeWriter;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::Response;
use hyper::body::Frame;
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use tokio::net::unix::pipe;
use tokio::sync::oneshot;

use crate::answer::{self, Body, Broken};
use crate::chdb::Work;
use crate::exception::Exception;
use crate::flush::Flushes;
use crate::handler::Context as Server;
use crate::running::Watch;
use crate::statement::Job;

/// Size of the pipe and of the pieces read from it.
const PIECE_BYTES: usize = 256 << 10;

/// Greatest size of the error told inside a body that has begun, as in the real server.
const LATE_EXCEPTION_BYTES_MAX: usize = 16 << 10;

/// Runs `text` (a `SELECT` without its `FORMAT` clause) and answers with its rows.
pub async fn run(
    server: &Arc<Server>,
    flushes: Arc<Flushes>,
    job: Job,
    text: &[u8],
    tail: &[u8],
) -> Result<Response<Body>, Exception> {
    let Job { heading, call, user, ticket } = job;
    let (reader, writer) =
        std::io::pipe().map_err(|e| Exception::from_engine(&format!("cannot make a pipe: {e}")))?;
    let mut reader =
        widened(reader).map_err(|e| Exception::from_engine(&format!("cannot read from a pipe: {e}")))?;
    let sql = into_pipe(text, &heading.format, tail, &writer);
    let watch = ticket.watch();
    let (done, mut outcome) = oneshot::channel();
    let (hold_back, wait_end) = (call.hold_back, call.wait_end);
    let engine = Arc::clone(&server.engine);
    tokio::task::spawn_blocking(move || {
        let result = engine
            .connect(user, &call.session, ticket.mark())
            .and_then(|mut connection| connection.query(&sql, "Null", &call.parameters))
            .map(|output| output.work());
        // The order matters: the end of the pipe says that the outcome is there.
        let _ = done.send(result);
        drop(writer);
        drop(ticket);
    });

    let limit = if wait_end { usize::MAX } else { hold_back };
    let mut first = BytesMut::new();
    let ended = loop {
        first.reserve(PIECE_BYTES.min(limit));
        match reader.read_buf(&mut first).await {
            Ok(0) => break true,
            Ok(_) if first.len() >= limit => break false,
            Ok(_) => {}
            Err(e) => return Err(Exception::from_engine(&format!("cannot read the engine's output: {e}"))),
        }
    };
    if ended {
        let work = outcome.try_recv().unwrap_or_else(|_| Err(gone()))?;
        return Ok(answer::succeeded(&heading, &server.engine, Some(work), answer::whole(first)));
    }
    let body = Rows {
        state: State::First(first.freeze()),
        reader,
        outcome,
        tag: heading.tag.clone(),
        server: Arc::clone(server),
        flushes,
        _watch: watch,
    };
    Ok(answer::succeeded(&heading, &server.engine, None, body.boxed_unsync()))
}

/// The statement with the pipe as its output file: the engine's client side, which runs in this process, writes
/// rows to a file in one go and in constant memory; its streaming interface would begin a new document, headers
/// and all, with every block.
fn into_pipe(text: &[u8], format: &str, tail: &[u8], writer: &PipeWriter) -> Vec<u8> {
    let clause = format!(" INTO OUTFILE '/dev/fd/{}' APPEND FORMAT {format}", writer.as_raw_fd());
    [text, clause.as_bytes(), tail].concat()
}

fn widened(reader: std::io::PipeReader) -> std::io::Result<pipe::Receiver> {
    // A pipe holds 64 KiB unless told otherwise; a smaller one than asked for is only slower.
    #[cfg(target_os = "linux")]
    let _ = rustix::pipe::fcntl_setpipe_size(&reader, PIECE_BYTES);
    pipe::Receiver::from_owned_fd(reader.into())
}

fn gone() -> Exception {
    Exception::from_engine("the statement ended without an outcome")
}

/// The rows of an answer that has begun.
struct Rows {
    state: State,
    reader: pipe::Receiver,
    outcome: oneshot::Receiver<Result<Work, Exception>>,
    tag: String,
    server: Arc<Server>,
    flushes: Arc<Flushes>,
    /// Dropped with the body, when the client has gone or everything is sent.
    _watch: Watch,
}

enum State {
    First(Bytes),
    Reading,
    /// The error has been handed to hyper when there had been so many flushes; it must leave before the end.
    Breaking(Exception, u64),
    Ended,
}

impl hyper::body::Body for Rows {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let this = &mut *self;
        match std::mem::replace(&mut this.state, State::Ended) {
            State::First(first) => {
                this.state = State::Reading;
                Poll::Ready(Some(Ok(Frame::data(first))))
            }
            State::Reading => {
                this.state = State::Reading;
                let mut piece = BytesMut::zeroed(PIECE_BYTES);
                let mut buffer = ReadBuf::new(&mut piece);
                if let Err(e) = ready!(Pin::new(&mut this.reader).poll_read(cx, &mut buffer)) {
                    this.state = State::Ended;
                    return Poll::Ready(Some(Err(Broken::Output(e))));
                }
                let length = buffer.filled().len();
                if length > 0 {
                    piece.truncate(length);
                    return Poll::Ready(Some(Ok(Frame::data(piece.freeze()))));
                }
                match this.outcome.try_recv().unwrap_or_else(|_| Err(gone())) {
                    Ok(_) => {
                        this.state = State::Ended;
                        Poll::Ready(None)
                    }
                    Err(exception) => {
                        let last = this.last_words(&exception);
                        tracing::info!(
                            code = exception.code,
                            "a statement failed after its answer had begun"
                        );
                        this.state = State::Breaking(exception, this.flushes.count());
                        Poll::Ready(Some(Ok(Frame::data(last))))
                    }
                }
            }
            State::Breaking(exception, seen) => {
                if this.flushes.poll_more_than(seen, cx).is_pending() {
                    this.state = State::Breaking(exception, seen);
                    return Poll::Pending;
                }
                Poll::Ready(Some(Err(Broken::Statement(exception))))
            }
            State::Ended => Poll::Ready(None),
        }
    }
}

impl Rows {
    /// The error inside the body, the way ClickHouse 25.11 and later write it.
    fn last_words(&self, exception: &Exception) -> Bytes {
        let mut message = answer::with_version(exception, &self.server.engine);
        let mut end = message.len().min(LATE_EXCEPTION_BYTES_MAX);
        while !message.is_char_boundary(end) {
            end -= 1;
        }
        message.truncate(end);
        message.push('\n');
        let (tag, length) = (&self.tag, message.len());
        Bytes::from(format!("\r\n__exception__\r\n{tag}\r\n{message}{length} {tag}\r\n__exception__\r\n"))
    }
}
