//! A deadline on the first bytes of a connection.
//!
//! HTTP/1 and HTTP/2 are told apart by the preface of HTTP/2, and whoever waits for it must not wait for ever: a
//! client that connects and sends nothing, or half a preface, is hung up on. Everything after that has deadlines of its
//! own.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(super) struct FirstBytes<S> {
    stream: S,
    /// Bytes of the preface seen so far; `None` once it is whole, or is none.
    waiting: Option<Waiting>,
}

struct Waiting {
    seen: usize,
    deadline: Pin<Box<Sleep>>,
}

impl<S> FirstBytes<S> {
    pub(super) fn new(stream: S, patience: Duration) -> FirstBytes<S> {
        FirstBytes { stream, waiting: Some(Waiting { seen: 0, deadline: Box::pin(sleep(patience)) }) }
    }

    fn see(&mut self, bytes: &[u8]) {
        let Some(waiting) = &mut self.waiting else { return };
        let rest = &PREFACE[waiting.seen..];
        let is_preface = rest.starts_with(bytes) && bytes.len() < rest.len();
        waiting.seen += bytes.len();
        if !is_preface {
            self.waiting = None;
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FirstBytes<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_ready() {
            self.see(&buffer.filled()[before..]);
            return read;
        }
        let Some(waiting) = &mut self.waiting else { return Poll::Pending };
        waiting.deadline.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FirstBytes<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
