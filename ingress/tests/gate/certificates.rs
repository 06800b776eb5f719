//! The listener's certificate, and its replacement while the gate runs.

use std::{path::Path, sync::Arc, time::Duration};

use hansard_ingress::Tls;
use rcgen::generate_simple_self_signed;
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    house::{House, PATIENCE, Setup},
    upstream::nobody,
};

/// Writes a new pair; what a client must trust.
fn issue(folder: &Path) -> RootCertStore {
    let pair = generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    std::fs::write(folder.join("key.pem"), pair.signing_key.serialize_pem()).expect("written");
    std::fs::write(folder.join("certificate.pem"), pair.cert.pem()).expect("written");
    let mut roots = RootCertStore::empty();
    roots.add(pair.cert.der().clone()).expect("a root");
    roots
}

async fn connect(house: &House, roots: &RootCertStore) -> Option<TlsStream<TcpStream>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots.clone())
        .with_no_client_auth();
    let stream = TcpStream::connect(&house.address).await.expect("connected");
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.ok()
}

#[tokio::test]
async fn a_listener_speaks_tls_and_takes_new_files_while_it_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = issue(folder.path());
    let tls = Tls { certificate: folder.path().join("certificate.pem"), key: folder.path().join("key.pem") };
    let house = House::with(&nobody().await, Setup { tls: Some(tls), ..Setup::default() }).await;

    let mut stream = connect(&house, &first).await.expect("trusted");
    let get =
        "GET /.well-known/oauth-protected-resource/c/files HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(get.as_bytes()).await.expect("sent");
    let mut answered = String::new();
    // How the peer closes is not the question here.
    let _ = stream.read_to_string(&mut answered).await;
    assert!(answered.contains(r#""resource":"https://localhost/c/files""#), "{answered}");

    let second = issue(folder.path());
    let deadline = Instant::now() + PATIENCE;
    while connect(&house, &second).await.is_none() {
        assert!(Instant::now() < deadline, "the new pair is not used in time");
        sleep(Duration::from_millis(100)).await;
    }
    assert!(connect(&house, &first).await.is_none());
}
