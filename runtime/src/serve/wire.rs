//! A connection's bytes: writes that nobody reads end, heads that do not come to their end do too, and a refusal that the protocol library writes of its own accord
//! is held back, so that it can be said in the words of the API.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep, timeout};

/// A client that still sends gets so long, and may send so much, to come to its answer: a connection that is closed on
/// unread bytes is reset, and the answer lost with it.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: u64 = 1 << 20;

/// One connection.
#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    /// The longest that a write may wait for its reader.
    patience: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
    /// The longest that a request's head may take, once it has begun.
    head: Duration,
    /// Ends with that, while a head is coming.
    coming: Option<Pin<Box<Sleep>>>,
    /// Whether a request is being answered: what comes then is no head.
    working: Arc<AtomicBool>,
    /// Whether a head took too long.
    late: bool,
    /// The status of the refusal that was held back.
    refused: Option<u16>,
}

impl Wire {
    pub(super) fn new(
        stream: TcpStream,
        patience: Duration,
        head: Duration,
        working: Arc<AtomicBool>,
    ) -> Self {
        Self {
            stream,
            patience,
            waiting: None,
            head,
            coming: None,
            working,
            late: false,
            refused: None,
        }
    }

    /// The status of the refusal that was held back.
    pub(super) fn refused(&self) -> Option<u16> {
        self.refused
    }

    /// Whether a head took too long.
    pub(super) fn late(&self) -> bool {
        self.late
    }

    /// Says the last word, if there is any, and waits for a client that still sends.
    pub(super) async fn close_with(self, last: &[u8]) {
        let Self {
            mut stream,
            patience,
            waiting: _,
            head: _,
            coming: _,
            working: _,
            late: _,
            refused: _,
        } = self;
        // Whoever does not read it has left.
        let said = timeout(patience, async {
            stream.write_all(last).await?;
            stream.shutdown().await
        });
        if matches!(said.await, Ok(Ok(()))) && !last.is_empty() {
            let mut rest = stream.take(LINGER_BYTES);
            drop(timeout(LINGER, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await);
        }
    }

    /// What became of a write: without progress there is a deadline.
    fn progress(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.waiting = None;
            return written;
        }
        let patience = self.patience;
        let late = self
            .waiting
            .get_or_insert_with(|| Box::pin(sleep(patience)));
        if late.as_mut().poll(context).is_ready() {
            self.waiting = None;
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }
}

/// The status of a head that refuses and says nothing more. None of ours is without a body: it is the library's, for a
/// request that it could not read.
fn bare_refusal(bytes: &[u8]) -> Option<u16> {
    let rest = bytes.strip_prefix(b"HTTP/1.")?.strip_suffix(b"\r\n\r\n")?;
    let (first, fields) = std::str::from_utf8(rest).ok()?.split_once("\r\n")?;
    let status = first.split(' ').nth(1)?;
    let empty = fields
        .split("\r\n")
        .any(|field| field.eq_ignore_ascii_case("content-length: 0"));
    status
        .parse()
        .ok()
        .filter(|status| empty && (400..500).contains(status))
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, into);
        if self.working.load(Ordering::Relaxed) {
            self.coming = None;
            return read;
        }
        if read.is_ready() && into.filled().len() > before {
            let head = self.head;
            self.coming.get_or_insert_with(|| Box::pin(sleep(head)));
        } else if let (Poll::Pending, Some(coming)) = (&read, &mut self.coming)
            && coming.as_mut().poll(context).is_ready()
        {
            self.coming = None;
            self.late = true;
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(status) = bare_refusal(bytes) {
            self.refused = Some(status);
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.progress(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let [only] = parts {
            return self.poll_write(context, only);
        }
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.progress(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_refusal_without_a_body_is_held_back() {
        let check =
            |text: &str, expected| assert_eq!(bare_refusal(text.as_bytes()), expected, "{text}");
        let head = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\ndate: now\r\n\r\n";
        check(head, Some(400));
        check(
            "HTTP/1.0 431 Too Large\r\ncontent-length: 0\r\n\r\n",
            Some(431),
        );
        check(
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n",
            None,
        );
        check(
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n{}",
            None,
        );
        check("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", None);
        check("HTTP/1.1 100 Continue\r\n\r\n", None);
        check("data: HTTP/1.1 400 x\r\ncontent-length: 0\r\n\r\n", None);
    }
}
