//! Durable sends of 1 KiB per second by the number of concurrent senders, next to the bare fsync of the same disk
//! (that of the temporary directory, see `TMPDIR`).
//!
//! `cargo bench -p hansard-bus`

use std::{fs::File, io::Write, sync::Arc, time::Duration};

use bytes::Bytes;
use divan::{Bencher, counter::ItemsCount};
use hansard_bus::{
    Bus, Message, Topic,
    embedded::{Config, Embedded},
};
use tokio::runtime::Runtime;

const VALUE_BYTES: usize = 1024;
/// Of each sender, in one sample.
const SENDS: usize = 16;

fn main() {
    divan::main();
}

#[divan::bench]
fn bare_fsync(bencher: Bencher<'_, '_>) {
    let mut file = tempfile::tempfile().expect("a file");
    bencher.counter(ItemsCount::new(1_usize)).bench_local(|| write_through(&mut file));
}

fn write_through(file: &mut File) {
    file.write_all(&[7; VALUE_BYTES]).and_then(|()| file.sync_data()).expect("the disk takes it");
}

#[divan::bench(args = [1, 16, 256], max_time = 4)]
fn send(bencher: Bencher<'_, '_>, senders: usize) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let runtime = Runtime::new().expect("a runtime");
    let topic =
        Topic { name: "t".to_owned(), partitions: 6, retention: Duration::from_secs(3600), retention_bytes: u64::MAX };
    let config = Config { path: directory.path().join("log.sqlite"), topics: vec![topic], clock_us: Arc::new(|| 1) };
    let log = runtime.block_on(Embedded::open(config)).expect("the log opens");
    bencher.counter(ItemsCount::new(senders * SENDS)).bench_local(|| runtime.block_on(send_all(&log, senders)));
}

async fn send_all(log: &Embedded, senders: usize) {
    let sending: Vec<_> = (0..senders).map(|sender| tokio::spawn(send_some(log.clone(), sender))).collect();
    for sender in sending {
        sender.await.expect("it ends");
    }
}

async fn send_some(log: Embedded, sender: usize) {
    let producer = log.producer();
    let key = Bytes::from(format!("{sender:016}"));
    for _ in 0..SENDS {
        let (key, value) = (key.clone(), Bytes::from(vec![7; VALUE_BYTES]));
        let message = Message { topic: "t".to_owned(), key, headers: Vec::new(), value };
        producer.send(message).await.expect("the disk takes it");
    }
}
