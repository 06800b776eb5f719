//! An issuer on loopback that answers what it is told to, and counts.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

pub(crate) const DISCOVERY: &str = "/.well-known/openid-configuration";
pub(crate) const JWKS: &str = "/jwks";

#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) url: String,
    script: Arc<Mutex<Script>>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Script {
    answers: HashMap<String, Vec<u8>>,
    counts: HashMap<String, usize>,
}

impl Server {
    /// Its discovery document is right; it has no keys yet.
    pub(crate) async fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let script = Arc::new(Mutex::new(Script::default()));
        let task = tokio::spawn(serve(listener, script.clone()));
        let server = Server { url, script, task };
        server.discovery(&server.url.clone(), &format!("{}{JWKS}", server.url));
        server
    }

    pub(crate) fn discovery(&self, issuer: &str, jwks_uri: &str) {
        self.answer(DISCOVERY, "200 OK", &json!({ "issuer": issuer, "jwks_uri": jwks_uri }).to_string());
    }

    pub(crate) fn answer(&self, path: &str, status: &str, body: &str) {
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        self.raw(path, (head + body).into_bytes());
    }

    /// These bytes, and then the end of the connection.
    pub(crate) fn raw(&self, path: &str, answer: Vec<u8>) {
        self.script.lock().expect("no panic").answers.insert(path.to_owned(), answer);
    }

    pub(crate) fn count(&self, path: &str) -> usize {
        self.script.lock().expect("no panic").counts.get(path).copied().unwrap_or(0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, script: Arc<Mutex<Script>>) {
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        tokio::spawn(answer(stream, script.clone()));
    }
}

async fn answer(mut stream: TcpStream, script: Arc<Mutex<Script>>) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let request = String::from_utf8(request).expect("text");
    assert!(!request.to_lowercase().contains("authorization"), "no token goes to the issuer");
    let path = request.split(' ').nth(1).expect("a path").to_owned();
    let answer = {
        let mut script = script.lock().expect("no panic");
        *script.counts.entry(path.clone()).or_default() += 1;
        script.answers.get(&path).cloned()
    };
    let _ = stream
        .write_all(&answer.unwrap_or_else(|| b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec()))
        .await;
    let _ = stream.shutdown().await;
}
