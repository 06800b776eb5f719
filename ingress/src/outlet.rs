//! The way back to the caller: one answer, or a stream of bytes, or nobody there any more.
//!
//! It refuses to queue: at most one piece waits for a slow caller, and the sender with it.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// Where one exchange answers.
#[derive(Debug)]
pub(crate) struct Outlet {
    state: State,
    /// How long one piece may wait for the caller to take it.
    patience: Duration,
    /// Fires when the time to drain is over.
    cut: CancellationToken,
}

#[derive(Debug)]
enum State {
    Waiting(oneshot::Sender<Response<Answer>>),
    Streaming(mpsc::Sender<Result<Bytes, BrokenOff>>),
    Done,
}

/// The caller is not there to take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gone;

/// The answer ends where no answer ends: the caller is to see it broken, as the upstream broke it.
#[derive(Debug, thiserror::Error)]
#[error("the answer broke off")]
pub(crate) struct BrokenOff;

impl Outlet {
    pub(crate) fn new(patience: Duration, cut: CancellationToken) -> (Outlet, oneshot::Receiver<Response<Answer>>) {
        let (sender, receiver) = oneshot::channel();
        (Outlet { state: State::Waiting(sender), patience, cut }, receiver)
    }

    /// Has a head been sent, with a stream behind it?
    pub(crate) fn is_streaming(&self) -> bool {
        matches!(self.state, State::Streaming(_))
    }

    /// The whole answer at once. Only where nothing was sent before.
    pub(crate) fn answer(&mut self, response: Response<Bytes>) -> Result<(), Gone> {
        match std::mem::replace(&mut self.state, State::Done) {
            State::Waiting(sender) => sender.send(response.map(Answer::whole)).map_err(|_| Gone),
            other => {
                self.state = other;
                Err(Gone)
            }
        }
    }

    /// The head of a stream; its bytes follow by [`Outlet::send`].
    pub(crate) fn open(&mut self, status: StatusCode, headers: HeaderMap) -> Result<(), Gone> {
        let (sender, receiver) = mpsc::channel(1);
        let State::Waiting(waiting) = std::mem::replace(&mut self.state, State::Streaming(sender)) else {
            return Err(Gone);
        };
        let mut response = Response::new(Answer::Stream(receiver));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        waiting.send(response).map_err(|_| Gone)
    }

    pub(crate) async fn send(&mut self, bytes: Bytes) -> Result<(), Gone> {
        let State::Streaming(sender) = &self.state else { return Err(Gone) };
        tokio::select! {
            biased;
            sent = timeout(self.patience, sender.send(Ok(bytes))) => match sent {
                Ok(Ok(())) => Ok(()),
                _ => Err(Gone),
            },
            () = self.cut.cancelled() => Err(Gone),
        }
    }

    /// Ends the stream so that the caller notices that it is not whole.
    pub(crate) async fn break_off(&mut self) {
        if let State::Streaming(sender) = std::mem::replace(&mut self.state, State::Done) {
            // Whoever does not take it has noticed already.
            let _ = timeout(self.patience, sender.send(Err(BrokenOff))).await;
        }
    }

    /// Resolves when the caller has left.
    pub(crate) async fn closed(&mut self) {
        match &mut self.state {
            State::Waiting(sender) => sender.closed().await,
            State::Streaming(sender) => sender.closed().await,
            State::Done => std::future::pending().await,
        }
    }
}

/// The body of an answer, as hyper sends it.
#[derive(Debug)]
pub(crate) enum Answer {
    Whole(Option<Bytes>),
    Stream(mpsc::Receiver<Result<Bytes, BrokenOff>>),
}

impl Answer {
    pub(crate) fn whole(bytes: Bytes) -> Answer {
        Answer::Whole(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match self.get_mut() {
            Answer::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Answer::Stream(receiver) => {
                receiver.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Answer::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Answer::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Answer::Stream(_) => SizeHint::default(),
        }
    }
}
