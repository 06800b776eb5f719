//! An upstream that does what the test says, and remembers every byte that reached it.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Method, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::{Instant, sleep},
};

use crate::house::PATIENCE;

/// One request as the upstream saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// What the upstream does with a request.
pub(crate) enum Reply {
    Whole(u16, Vec<(&'static str, &'static str)>, Bytes),
    Stream(Vec<(&'static str, &'static str)>, mpsc::Receiver<Result<Bytes, Broken>>),
    Hang,
}

#[derive(Debug, thiserror::Error)]
#[error("broken on purpose")]
pub(crate) struct Broken;

#[derive(Clone)]
pub(crate) struct Upstream {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Upstream {
    pub(crate) async fn start(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Upstream {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/mcp", listener.local_addr().expect("an address"));
        let upstream = Upstream { url, seen: Arc::default() };
        let (script, seen) = (Arc::new(script), Arc::clone(&upstream.seen));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&script), Arc::clone(&seen)));
            }
        });
        upstream
    }

    /// Answers every call with this JSON-RPC message.
    pub(crate) async fn saying(answer: &'static str) -> Upstream {
        Upstream::start(move |_| json(answer)).await
    }

    /// Streams what is sent into the sender, for the first request.
    pub(crate) async fn streaming() -> (Upstream, mpsc::Sender<Result<Bytes, Broken>>) {
        Upstream::sending(vec![("content-type", "text/event-stream")]).await
    }

    /// The same with these headers.
    pub(crate) async fn sending(
        headers: Vec<(&'static str, &'static str)>,
    ) -> (Upstream, mpsc::Sender<Result<Bytes, Broken>>) {
        let (sender, receiver) = mpsc::channel(1);
        let receiver = Mutex::new(Some(receiver));
        let upstream = Upstream::start(move |_| {
            let receiver = receiver.lock().unwrap_or_else(PoisonError::into_inner).take().expect("one stream");
            Reply::Stream(headers.clone(), receiver)
        });
        (upstream.await, sender)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) async fn until_seen(&self, requests: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.seen().len() < requests {
            assert!(Instant::now() < deadline, "the upstream saw {} of {requests} requests", self.seen().len());
            sleep(Duration::from_millis(2)).await;
        }
    }
}

/// An upstream below HTTP: answers what it likes as soon as it has read something, then hangs up.
pub(crate) async fn raw(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/mcp", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = [0; 65536];
            let _ = stream.read(&mut buffer).await;
            let _ = stream.write_all(answer).await;
        }
    });
    url
}

/// A port that nobody listens on.
pub(crate) async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    format!("http://{}/mcp", listener.local_addr().expect("an address"))
}

pub(crate) fn json(answer: &'static str) -> Reply {
    Reply::Whole(200, vec![("content-type", "application/json")], Bytes::from_static(answer.as_bytes()))
}

async fn serve<F>(stream: TcpStream, script: Arc<F>, seen: Arc<Mutex<Vec<Seen>>>)
where
    F: Fn(&Seen) -> Reply + Send + Sync + 'static,
{
    let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let (script, seen) = (Arc::clone(&script), Arc::clone(&seen));
        async move {
            let (head, body) = request.into_parts();
            let path = head.uri.path_and_query().map_or(String::new(), ToString::to_string);
            let body = body.collect().await.expect("a request's body").to_bytes();
            let request = Seen { method: head.method, path, headers: head.headers, body };
            let reply = script(&request);
            seen.lock().unwrap_or_else(PoisonError::into_inner).push(request);
            Ok::<_, Infallible>(answer(reply).await)
        }
    });
    let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
    // How a connection ends is the gate's business.
    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(reply: Reply) -> Response<Sent> {
    let (status, headers, body) = match reply {
        Reply::Whole(status, headers, body) => (status, headers, Sent::Whole(Some(body))),
        Reply::Stream(headers, receiver) => (200, headers, Sent::Stream(receiver)),
        Reply::Hang => std::future::pending().await,
    };
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response.body(body).expect("an answer")
}

enum Sent {
    Whole(Option<Bytes>),
    Stream(mpsc::Receiver<Result<Bytes, Broken>>),
}

impl Body for Sent {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self.get_mut() {
            Sent::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Sent::Stream(receiver) => {
                receiver.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
            }
        }
    }
}
