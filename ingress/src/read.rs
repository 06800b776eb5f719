//! Reading a body that somebody else sends, within bytes and time.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::timeout;

/// Most that is kept ready for a body because its sender says how long it is, in bytes.
const ROOM_BYTES_MAX: u64 = 64 * 1024;
/// How long a refused body is still read.
const LINGER: Duration = Duration::from_secs(1);

/// Why a body was not read to its end; with the bytes that had come until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    TooLarge(u64),
    TooSlow(u64),
    BrokenOff(u64),
}

/// The length that the sender announces.
pub(crate) fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Room for a body of the length that its headers announce, so that it is not copied as it grows.
pub(crate) fn room(headers: &HeaderMap) -> BytesMut {
    BytesMut::with_capacity(announced(headers).unwrap_or_default().min(ROOM_BYTES_MAX) as usize)
}

/// The whole body, at most `bytes_max`, all of it within `patience`.
pub(crate) async fn whole(
    headers: &HeaderMap,
    body: &mut Incoming,
    bytes_max: usize,
    patience: Duration,
) -> Result<Bytes, Unread> {
    if let Some(length) = announced(headers).filter(|length| *length > bytes_max as u64) {
        return Err(Unread::TooLarge(length));
    }
    let mut read = Read { bytes: room(headers), bytes_max };
    match timeout(patience, read.fill(body)).await {
        Ok(Ok(())) => Ok(read.bytes.freeze()),
        Ok(Err(unread)) => Err(unread),
        Err(_) => Err(Unread::TooSlow(read.bytes.len() as u64)),
    }
}

/// Reads on for a moment and forgets: a connection that is closed on bytes that nobody read is reset, and the reset may
/// overtake the answer.
pub(crate) async fn linger(body: &mut Incoming) {
    let rest = async { while let Some(Ok(_)) = body.frame().await {} };
    // Whether the sender stopped or not, the answer has had its time.
    let _ = timeout(LINGER, rest).await.is_ok();
}

/// What has been read so far; survives a timeout around it.
struct Read {
    bytes: BytesMut,
    bytes_max: usize,
}

impl Read {
    async fn fill(&mut self, body: &mut Incoming) -> Result<(), Unread> {
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Unread::BrokenOff(self.bytes.len() as u64))?;
            let Ok(data) = frame.into_data() else { continue };
            if self.bytes.len() + data.len() > self.bytes_max {
                return Err(Unread::TooLarge((self.bytes.len() + data.len()) as u64));
            }
            self.bytes.extend_from_slice(&data);
        }
        Ok(())
    }
}
