//! To the collector: batches by `POST`, with a patience, some tries and an end.
//!
//! What a collector refuses for now (429, 502, 503, 504, no answer) is tried again; what it refuses for good is given
//! up. It refuses to keep more than one batch beside the queue.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, StatusCode, header::CONTENT_TYPE};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::warn;
use url::Url;

use crate::{QUEUED_SPANS_MAX, Span, Spans, Value, attribute, protobuf};

/// Spans of one request.
const BATCH_SPANS_MAX: usize = 512;
/// How long the first span of a batch waits for more.
const BATCH_AGE_MAX: Duration = Duration::from_secs(2);
/// How long one try may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pauses between tries; after the last one the batch is given up.
const PAUSES: [Duration; 3] = [Duration::from_millis(500), Duration::from_secs(2), Duration::from_secs(5)];
/// How long what is left at the end may take.
const LAST_PATIENCE: Duration = Duration::from_secs(3);

#[derive(Clone, Debug)]
pub struct Config {
    /// The whole URL, as `https://collector:4318/v1/traces`.
    pub endpoint: Url,
    /// For collectors that want to know who we are; their values are secrets.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Of the calls that come without a decision of their caller, how many are exported: 0 to 1.
    pub ratio: f64,
    pub version: &'static str,
    pub instance: String,
}

#[derive(Debug, thiserror::Error)]
#[error("cannot check the certificates of the collector ({0}): install ca-certificates")]
pub struct ConfigError(std::io::Error);

/// Takes spans from the queue to the collector.
#[derive(Debug)]
pub struct Exporter {
    config: Config,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    queue: mpsc::Receiver<Span>,
}

/// What became of one try.
enum Tried {
    Taken,
    Later(String),
    Refused(StatusCode),
}

impl Exporter {
    pub fn new(config: Config) -> Result<(Spans, Exporter), ConfigError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let connector = HttpsConnectorBuilder::new().with_provider_and_native_roots(provider).map_err(ConfigError)?;
        let connector = connector.https_or_http().enable_http1().enable_http2().build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        let (sender, queue) = mpsc::channel(QUEUED_SPANS_MAX);
        let spans = Spans { queue: sender, ratio: config.ratio };
        counted("exported", 0);
        lost(0);
        Ok((spans, Exporter { config, client, queue }))
    }

    /// Until `shutdown`, and then what is left, for a while.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut failing = false;
        while let Some(batch) = self.batch(&shutdown).await {
            failing = self.deliver(&batch, failing, &shutdown).await;
        }
    }

    /// The next spans; none at the end.
    async fn batch(&mut self, shutdown: &CancellationToken) -> Option<Vec<Span>> {
        let mut batch = Vec::new();
        tokio::select! {
            biased;
            first = self.queue.recv() => batch.push(first?),
            () = shutdown.cancelled() => return None,
        }
        let fill = async {
            while batch.len() < BATCH_SPANS_MAX {
                let room = BATCH_SPANS_MAX - batch.len();
                if self.queue.recv_many(&mut batch, room).await == 0 {
                    break;
                }
            }
        };
        tokio::select! {
            _ = timeout(BATCH_AGE_MAX, fill) => {}
            () = shutdown.cancelled() => {}
        }
        // What came while nobody waited for more.
        while batch.len() < BATCH_SPANS_MAX
            && let Ok(span) = self.queue.try_recv()
        {
            batch.push(span);
        }
        Some(batch)
    }

    /// True if the batch was given up. Only the first of several such is told in the log.
    async fn deliver(&self, batch: &[Span], failing: bool, shutdown: &CancellationToken) -> bool {
        let body = Bytes::from(protobuf::request(&self.resource(), batch));
        let delivery = self.deliver_in_time(body);
        let ended = async {
            shutdown.cancelled().await;
            sleep(LAST_PATIENCE).await;
        };
        let delivered = tokio::select! {
            delivered = delivery => delivered,
            () = ended => Err("the program ends".to_owned()),
        };
        match delivered {
            Ok(()) => counted("exported", batch.len()),
            Err(why) => {
                lost(batch.len());
                if !failing {
                    let endpoint = self.config.endpoint.host_str().unwrap_or_default();
                    warn!(endpoint, why, "spans cannot be delivered and are given up; the trail is not concerned");
                }
                return true;
            }
        }
        false
    }

    async fn deliver_in_time(&self, body: Bytes) -> Result<(), String> {
        let mut pauses = PAUSES.iter();
        loop {
            match self.attempt(body.clone()).await {
                Tried::Taken => return Ok(()),
                Tried::Refused(status) => return Err(format!("the collector answers {status}")),
                Tried::Later(why) => match pauses.next() {
                    Some(pause) => sleep(*pause).await,
                    None => return Err(why),
                },
            }
        }
    }

    async fn attempt(&self, body: Bytes) -> Tried {
        let mut request = Request::post(self.config.endpoint.as_str()).body(Full::new(body)).expect("a URL is a URI");
        let headers = request.headers_mut();
        headers.extend(self.config.headers.iter().cloned());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        match timeout(PATIENCE, self.client.request(request)).await {
            Ok(Ok(answer)) => judge(answer.status()),
            Ok(Err(error)) => Tried::Later(error.to_string()),
            Err(_) => Tried::Later(format!("no answer within {} s", PATIENCE.as_secs())),
        }
    }

    fn resource(&self) -> [(&'static str, Value); 3] {
        [
            (attribute::SERVICE_NAME, "hansard".into()),
            (attribute::SERVICE_VERSION, self.config.version.into()),
            (attribute::SERVICE_INSTANCE_ID, self.config.instance.as_str().into()),
        ]
    }
}

fn judge(status: StatusCode) -> Tried {
    match status.as_u16() {
        200..300 => Tried::Taken,
        429 | 502 | 503 | 504 => Tried::Later(format!("the collector answers {status}")),
        _ => Tried::Refused(status),
    }
}

pub(crate) fn lost(spans: usize) {
    counted("lost", spans);
}

fn counted(result: &'static str, spans: usize) {
    metrics::counter!("hansard_spans_total", "result" => result).increment(spans as u64);
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;
    use crate::{Kind, Trace};

    /// A collector that answers with these statuses, one a connection, and then not at all; how many it was asked for.
    async fn collector(statuses: &'static [u16]) -> (Url, tokio::task::JoinHandle<usize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/v1/traces", listener.local_addr().expect("an address"));
        let answering = tokio::spawn(async move {
            for (asked, status) in statuses.iter().enumerate() {
                let Ok(Ok((mut stream, _))) = timeout(Duration::from_secs(20), listener.accept()).await else {
                    return asked;
                };
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                let _ = stream.write_all(answer.as_bytes()).await;
            }
            statuses.len()
        });
        (url.parse().expect("a URL"), answering)
    }

    fn exporter(endpoint: Url) -> (Spans, Exporter) {
        let config = Config { endpoint, headers: Vec::new(), ratio: 1.0, version: "1", instance: "i".to_owned() };
        Exporter::new(config).expect("a client")
    }

    fn span(spans: &Spans) -> Span {
        let trace: Trace = spans.trace(None);
        let (began_us, ended_us) = (1, 2);
        Span { trace, name: "n".into(), kind: Kind::Server, began_us, ended_us, attributes: vec![], failed: false }
    }

    /// How often a collector that says this is asked, and whether it took the batch in the end.
    async fn check(statuses: &'static [u16], asked: usize, taken: bool) {
        let (url, collector) = collector(statuses).await;
        let (spans, exporter) = exporter(url);
        let given_up = exporter.deliver(&[span(&spans)], false, &CancellationToken::new()).await;
        assert_eq!((collector.await.expect("it ends"), given_up), (asked, !taken), "{statuses:?}");
    }

    #[tokio::test]
    async fn what_is_refused_for_now_is_tried_again() {
        check(&[503, 200], 2, true).await;
        check(&[400], 1, false).await;
    }

    #[tokio::test]
    async fn a_full_queue_costs_spans_and_no_time() {
        let (spans, mut exporter) = exporter("http://127.0.0.1:1/".parse().expect("a URL"));
        for _ in 0..QUEUED_SPANS_MAX + 10 {
            spans.give(span(&spans));
        }
        let unsampled = Span { trace: Trace { sampled: false, ..span(&spans).trace }, ..span(&spans) };
        spans.give(unsampled);
        let mut queued = Vec::new();
        exporter.queue.close();
        while exporter.queue.recv_many(&mut queued, QUEUED_SPANS_MAX).await > 0 {}
        assert_eq!(queued.len(), QUEUED_SPANS_MAX);
    }

    #[tokio::test]
    async fn the_end_waits_for_what_is_left_and_not_for_long() {
        let (url, collector) = collector(&[200]).await;
        let (spans, exporter) = exporter(url);
        spans.give(span(&spans));
        let stop = CancellationToken::new();
        stop.cancel();
        timeout(PATIENCE, exporter.run(stop)).await.expect("it ends");
        assert_eq!(collector.await.expect("it ends"), 1);
    }
}
