//! The upstream, in a process of its own: answers a call with a message as long as it, or with an endless stream.

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use anyhow::Result;
use bytes::Bytes;
use futures::{StreamExt, stream};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{Request, Response, body::Frame, body::Incoming, header::CONTENT_TYPE, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, time::Instant};

use super::{message, process};

pub(crate) const ROLE: &str = "upstream";
pub(crate) const CALLS: &str = "/mcp";
pub(crate) const STREAMS: &str = "/streams";
/// Between two events of a stream.
pub(crate) const EVENT_EVERY: Duration = Duration::from_secs(1);

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// On one thread; until the measurement ends.
pub(crate) fn serve() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        process::tell_address(listener.local_addr()?);
        let answers = message::LENGTHS.map(message::answer);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let answers = answers.clone();
            let service = service_fn(move |request| answer(request, answers.clone()));
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection);
        }
    })
}

async fn answer(request: Request<Incoming>, answers: [Bytes; 2]) -> Result<Response<Body>, hyper::Error> {
    let streams = request.uri().path() == STREAMS;
    let length = request.into_body().collect().await?.to_bytes().len();
    let (kind, body) = if streams {
        ("text/event-stream", endless())
    } else {
        let answer = answers.into_iter().find(|answer| answer.len() >= length).unwrap_or_default();
        ("application/json", Full::new(answer).boxed_unsync())
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    Ok(response)
}

fn endless() -> Body {
    let began = Instant::now();
    let events = stream::iter(0_u32..).then(move |number| async move {
        tokio::time::sleep_until(began + EVENT_EVERY * number).await;
        Ok(Frame::data(message::event(number.into())))
    });
    StreamBody::new(events).boxed_unsync()
}
