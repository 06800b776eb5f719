//! `hansard up` as a process of its own in a directory of its own, and what a test asks of it.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take before a test gives up on it.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Free ports for all listeners; what a test adds comes behind it.
const PORTS: &str = "ingress.listen = \"127.0.0.1:0\"\nconsole.listen = \"127.0.0.1:0\"\noperation.listen = \"127.0.0.1:0\"\n\
                     archiver.batch_age_seconds_max = 1\n";

/// A data directory and its configuration; the program may run on it or not.
pub struct Place {
    folder: TempDir,
}

/// The program while it runs. Dropped, it is killed.
pub struct Program {
    child: Child,
    pub ingress: SocketAddr,
    pub console: SocketAddr,
    pub operation: SocketAddr,
    pub printed: Vec<String>,
}

/// What came back over HTTP.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Place {
    /// `configuration`: TOML that is put behind free ports and a short batch age.
    pub fn new(configuration: &str) -> Place {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("hansard.toml"), format!("{PORTS}{configuration}")).unwrap();
        Place { folder }
    }

    /// One connection `c` to an upstream.
    pub fn to(upstream: SocketAddr) -> Place {
        Place::new(&connection(upstream))
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn configuration(&self) -> PathBuf {
        self.folder.path().join("hansard.toml")
    }

    /// `hansard` with these arguments on this place.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hansard"));
        command.args(arguments).arg("--config").arg(self.configuration()).arg("--data").arg(self.data());
        command.env_remove("HANSARD_CONFIG").env_remove("HANSARD_DATA").env_remove("HANSARD_TOKEN");
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Standard output of a command that must succeed.
    pub fn say(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    pub fn token(&self, subject: &str, groups: &[&str]) -> String {
        let mut arguments = vec!["token", "--subject", subject];
        groups.iter().for_each(|group| arguments.extend(["--group", group]));
        self.say(&arguments)
    }

    /// The rows that a statement answers with.
    pub fn sql(&self, statement: &str) -> Vec<Value> {
        serde_json::from_str(&self.say(&["sql", statement, "--format", "json"])).unwrap()
    }

    /// Asks until the rows are as they should be.
    pub fn sql_until(&self, statement: &str, done: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let until = Instant::now() + PATIENCE;
        loop {
            let rows = self.sql(statement);
            if done(&rows) {
                return rows;
            }
            assert!(Instant::now() < until, "not within {PATIENCE:?}: {statement}\n{rows:#?}");
        }
    }

    pub fn start(&self) -> Program {
        let mut child = self.command(&["up"]).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut printed: Vec<String> = Vec::new();
        for line in lines {
            printed.push(line);
            if printed.last().is_some_and(|line| line == "ready") {
                break;
            }
        }
        assert_eq!(printed.last().map(String::as_str), Some("ready"), "it did not start: {printed:?}");
        let addresses: Value = serde_json::from_slice(&fs::read(self.data().join("addresses.json")).unwrap()).unwrap();
        let of = |role: &str| addresses[role].as_str().unwrap().parse().unwrap();
        Program { child, ingress: of("ingress"), console: of("console"), operation: of("operation"), printed }
    }
}

/// The configuration of a connection `c`.
pub fn connection(upstream: SocketAddr) -> String {
    format!("[[connection]]\nname = \"c\"\nupstream = \"http://{upstream}/mcp\"\n")
}

impl Program {
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and the status it ends with.
    pub fn stop(mut self) -> ExitStatus {
        let signal = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(signal.success());
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < until, "it did not end within {PATIENCE:?} of SIGTERM");
            std::thread::yield_now();
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// One HTTP exchange on a connection of its own.
pub async fn http(method: Method, address: SocketAddr, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path).header("host", address.to_string());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = sender.send_request(request.body(Full::new(Bytes::copy_from_slice(body))).unwrap()).await.unwrap();
    let (parts, body) = answer.into_parts();
    Answer { status: parts.status, headers: parts.headers, body: body.collect().await.unwrap().to_bytes() }
}

/// One MCP message to the connection `c`, as a client of the session era sends it.
pub async fn mcp(ingress: SocketAddr, token: &str, message: &Value) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", "2025-11-25"),
    ];
    http(Method::POST, ingress, "/c/c", &headers, message.to_string().as_bytes()).await
}

/// A `tools/call` message.
pub fn call(id: u64, tool: &str, arguments: Value) -> Value {
    serde_json::json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": tool, "arguments": arguments } })
}

/// Every file below a folder.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found
}
