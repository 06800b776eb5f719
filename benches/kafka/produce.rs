//! What librdkafka alone takes to make one message durable: idempotent, acks=all, one at a time.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bus::kafka::{Cluster, Plan, Sasl};
use rdkafka::{
    ClientConfig,
    producer::{FutureProducer, FutureRecord},
};
use tokio::runtime::Runtime;

use super::site::Site;

const TOPIC: &str = "bench.produce";
/// About what a frame with a message of 1 KiB has; it is sealed, so that nothing can be compressed.
const VALUE_BYTES: usize = 1536;
/// As ingress sends, and as a producer would that does not know that its messages are sealed.
pub(crate) const AS_INGRESS: &str = "none";
pub(crate) const COMPRESSED: &str = "zstd";

pub(crate) struct Bare {
    runtime: Runtime,
    producer: FutureProducer,
    value: Vec<u8>,
}

impl Bare {
    /// A topic as Hansard's are: four partitions, three replicas, two of which must have it.
    pub(crate) fn new(site: &Site, codec: &str) -> Result<Bare> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let settings = vec![("min.insync.replicas".to_owned(), "2".to_owned())];
        let plan = Plan { name: TOPIC.to_owned(), partitions: 4, replication: 3, settings };
        runtime.block_on(async { Cluster::connect(site.connection()).await?.create(&plan).await })?;
        let mut value = vec![0; VALUE_BYTES];
        getrandom::fill(&mut value).context("random bytes")?;
        Ok(Bare { producer: producer(site, codec)?, runtime, value })
    }

    pub(crate) fn measure(&self, window: Duration) -> Result<Vec<Duration>> {
        let until = Instant::now() + window;
        let mut times = Vec::new();
        while Instant::now() < until {
            let key = times.len().to_be_bytes();
            let record = FutureRecord::to(TOPIC).key(&key).payload(&self.value);
            let began = Instant::now();
            let sent = self.runtime.block_on(self.producer.send(record, Duration::from_secs(15)));
            sent.map_err(|(error, _)| error)?;
            times.push(began.elapsed());
        }
        Ok(times)
    }
}

fn producer(site: &Site, codec: &str) -> Result<FutureProducer> {
    let connection = site.connection();
    let ca = connection.tls.and_then(|tls| tls.ca).context("the brokers' authority")?;
    let Some(Sasl::Password { username, password, .. }) = connection.sasl else { anyhow::bail!("no password") };
    let mut settings = ClientConfig::new();
    settings
        .set("bootstrap.servers", connection.brokers.join(","))
        .set("security.protocol", "sasl_ssl")
        .set("ssl.ca.location", ca.display().to_string())
        .set("sasl.mechanisms", "SCRAM-SHA-512")
        .set("sasl.username", username)
        .set("sasl.password", password)
        .set("socket.nagle.disable", "true")
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("compression.codec", codec)
        .set("linger.ms", "0");
    Ok(settings.create()?)
}
