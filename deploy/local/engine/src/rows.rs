//! The body of an answer that has begun before its statement has ended.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use hyper::body::Frame;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::unix::pipe;
use tokio::sync::oneshot;

use crate::answer::{self, Broken};
use crate::chdb::Work;
use crate::exception::Exception;
use crate::flush::Flushes;
use crate::handler;
use crate::running::Watch;
use crate::select::PIECE_BYTES;

/// Greatest size of the error told inside a body, as in the real server.
const LATE_EXCEPTION_BYTES_MAX: usize = 16 << 10;

/// Rows on their way from the engine to the client.
pub struct Rows {
    state: State,
    reader: pipe::Receiver,
    outcome: oneshot::Receiver<Result<Work, Exception>>,
    tag: String,
    server: Arc<handler::Context>,
    flushes: Arc<Flushes>,
    /// For the next piece; kept while there is nothing to read.
    spare: Option<BytesMut>,
    /// Dropped with the body: the client has gone, or everything is sent.
    _watch: Watch,
}

enum State {
    First(Bytes),
    Reading,
    /// The error was handed to hyper after so many flushes; it must leave before the connection breaks.
    Breaking(Exception, u64),
    Ended,
}

impl Rows {
    /// `first`, and then what comes out of `reader`. A failed outcome is told in the body, marked with `tag`.
    pub fn new(
        first: Bytes,
        reader: pipe::Receiver,
        outcome: oneshot::Receiver<Result<Work, Exception>>,
        tag: String,
        server: Arc<handler::Context>,
        flushes: Arc<Flushes>,
        watch: Watch,
    ) -> Self {
        Self { state: State::First(first), reader, outcome, tag, server, flushes, spare: None, _watch: watch }
    }

    /// The next piece; an empty one at the end of the pipe.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<Bytes>> {
        let mut piece = self.spare.take().unwrap_or_else(|| BytesMut::zeroed(PIECE_BYTES));
        let mut buffer = ReadBuf::new(&mut piece);
        let read = Pin::new(&mut self.reader).poll_read(cx, &mut buffer);
        let length = buffer.filled().len();
        match read {
            Poll::Pending => {
                self.spare = Some(piece);
                Poll::Pending
            }
            Poll::Ready(read) => Poll::Ready(read.map(|()| {
                piece.truncate(length);
                piece.freeze()
            })),
        }
    }

    /// The error inside the body, the way ClickHouse 25.11 and later write it. It is one piece, and so becomes one
    /// chunk: clients look for it at the end of a chunk.
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

impl hyper::body::Body for Rows {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match std::mem::replace(&mut self.state, State::Ended) {
            State::First(first) => {
                self.state = State::Reading;
                Poll::Ready(Some(Ok(Frame::data(first))))
            }
            State::Reading => match self.poll_piece(cx) {
                Poll::Pending => {
                    self.state = State::Reading;
                    Poll::Pending
                }
                Poll::Ready(Err(e)) => Poll::Ready(Some(Err(Broken::Output(e)))),
                Poll::Ready(Ok(piece)) if !piece.is_empty() => {
                    self.state = State::Reading;
                    Poll::Ready(Some(Ok(Frame::data(piece))))
                }
                Poll::Ready(Ok(_)) => {
                    match self.outcome.try_recv().unwrap_or_else(|_| Err(Exception::lost())) {
                        Ok(_) => Poll::Ready(None),
                        Err(exception) => {
                            let last = self.last_words(&exception);
                            tracing::info!(
                                code = exception.code,
                                "a statement failed after its answer had begun"
                            );
                            self.state = State::Breaking(exception, self.flushes.count());
                            Poll::Ready(Some(Ok(Frame::data(last))))
                        }
                    }
                }
            },
            State::Breaking(exception, seen) => {
                if self.flushes.poll_more_than(seen, cx).is_pending() {
                    self.state = State::Breaking(exception, seen);
                    return Poll::Pending;
                }
                Poll::Ready(Some(Err(Broken::Statement(exception))))
            }
            State::Ended => Poll::Ready(None),
        }
    }
}
