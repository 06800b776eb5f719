//! The first bytes of a connection: they say whether it speaks HTTP/1 or HTTP/2, and come within a deadline.
//!
//! Only the preface of HTTP/2 tells, and whoever waits for it must not wait for ever: a client that connects and sends
//! nothing, or half a preface, is hung up on. What was read to know it is read again together with what follows, since
//! a head that comes to hyper in two reads makes it take a buffer of twice the size for the whole connection.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    time::timeout,
};

const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    Http1,
    Http2,
}

/// A stream whose first bytes were read to know what it speaks.
#[derive(Debug)]
pub(super) struct FirstBytes<S> {
    stream: S,
    bytes: [u8; PREFACE.len()],
    /// How many of them were read, and are to be read again.
    read: usize,
}

impl<S: AsyncRead + Unpin> FirstBytes<S> {
    pub(super) async fn read(stream: S, patience: Duration) -> io::Result<(Version, FirstBytes<S>)> {
        let mut first = FirstBytes { stream, bytes: [0; PREFACE.len()], read: 0 };
        let version = timeout(patience, first.version()).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?;
        Ok((version?, first))
    }

    /// A connection that ends here says so to whoever serves it.
    async fn version(&mut self) -> io::Result<Version> {
        while self.read < PREFACE.len() {
            let more = self.stream.read(&mut self.bytes[self.read..]).await?;
            self.read += more;
            if more == 0 || !PREFACE.starts_with(&self.bytes[..self.read]) {
                return Ok(Version::Http1);
            }
        }
        Ok(Version::Http2)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FirstBytes<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let again = self.read.min(buffer.remaining());
        if again == 0 {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        buffer.put_slice(&self.bytes[..again]);
        self.bytes.copy_within(again.., 0);
        self.read -= again;
        let more = Pin::new(&mut self.stream).poll_read(context, buffer);
        // These bytes are there, whether or not more are.
        if more.is_pending() { Poll::Ready(Ok(())) } else { more }
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, duplex};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    /// Sent in these pieces, it is this version, and all of it is read again.
    async fn check(pieces: &[&[u8]], expected: Version) {
        let (mut client, server) = duplex(4);
        let sent = pieces.concat();
        let sending = async {
            for piece in pieces {
                client.write_all(piece).await.expect("somebody reads");
            }
            client.shutdown().await.expect("shut down");
        };
        let reading = async {
            let (version, mut stream) = FirstBytes::read(server, PATIENCE).await.expect("the first bytes");
            let mut read = Vec::new();
            stream.read_to_end(&mut read).await.expect("the rest");
            (version, read)
        };
        let ((), (version, read)) = tokio::join!(sending, reading);
        assert_eq!((version, read), (expected, sent), "{pieces:?}");
    }

    #[tokio::test]
    async fn the_preface_alone_is_http_2_and_nothing_is_lost() {
        check(&[PREFACE], Version::Http2).await;
        check(&[b"PRI * HT", b"TP/2.0\r\n\r\nSM\r\n\r\n", b"frames"], Version::Http2).await;
        check(&[b"P", b"OST /c/files HTTP/1.1\r\n"], Version::Http1).await;
        check(&[b"PRI * HTTP/1.1\r\n\r\n"], Version::Http1).await;
        check(&[b"G"], Version::Http1).await;
        check(&[], Version::Http1).await;
    }

    #[tokio::test]
    async fn what_is_there_comes_with_one_read() {
        let (mut client, server) = duplex(1024);
        let head = [b'G'; 100];
        client.write_all(&head).await.expect("written");
        let (_, mut stream) = FirstBytes::read(server, PATIENCE).await.expect("the first bytes");
        let mut buffer = [0; 1024];
        assert_eq!(stream.read(&mut buffer).await.expect("read"), head.len());
    }

    #[tokio::test]
    async fn half_a_preface_is_not_waited_for_for_ever() {
        let (mut client, server) = duplex(64);
        client.write_all(&PREFACE[..10]).await.expect("written");
        let waited = FirstBytes::read(server, Duration::from_millis(20)).await.expect_err("nothing follows");
        assert_eq!(waited.kind(), io::ErrorKind::TimedOut);
    }
}
