//! `hansard up` as a process of its own in a directory of its own, and what a test asks of it.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take before a test gives up on it.
pub const PATIENCE: Duration = Duration::from_secs(60);

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

/// How a command that must fail did.
#[derive(Debug)]
pub struct Failure {
    pub status: Option<i32>,
    /// What it says of that on standard error.
    pub why: String,
}

impl Place {
    /// `configuration`: TOML that is put behind free ports and a short batch age.
    pub fn new(configuration: &str) -> Place {
        Place::bare(&format!("{PORTS}{configuration}"))
    }

    /// One connection `c` to an upstream.
    pub fn to(upstream: SocketAddr) -> Place {
        Place::new(&connection(upstream))
    }

    /// `configuration`: the whole file.
    pub fn bare(configuration: &str) -> Place {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("hansard.toml"), configuration).unwrap();
        Place { folder }
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn configuration(&self) -> PathBuf {
        self.folder.path().join("hansard.toml")
    }

    /// What `up` has logged, over all its starts.
    pub fn log(&self) -> PathBuf {
        self.folder.path().join("up.log")
    }

    /// `hansard` with these arguments on this place.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = hansard(arguments);
        command.arg("--config").arg(self.configuration()).arg("--data").arg(self.data());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        output(&mut self.command(arguments))
    }

    /// Standard output of a command that must succeed.
    pub fn say(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// A command that must fail, with nothing on standard output.
    pub fn fail(&self, arguments: &[&str]) -> Failure {
        fail(&mut self.command(arguments))
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
        self.start_with(&[])
    }

    /// Starts with these environment variables.
    pub fn start_with(&self, environment: &[(&str, &str)]) -> Program {
        let mut command = self.command(&["up"]);
        command.envs(environment.iter().copied());
        self.start_by(command)
    }

    /// Starts by a command that comes to `hansard up` on this place.
    pub fn start_by(&self, mut command: Command) -> Program {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.log()).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().unwrap();
        let printed = printed(child.stdout.take().unwrap());
        let ready = printed.last().is_some_and(|line| line == "ready");
        assert!(ready, "it did not start: {printed:?}\n{}", fs::read_to_string(self.log()).unwrap());
        let addresses: Value = serde_json::from_slice(&fs::read(self.data().join("addresses.json")).unwrap()).unwrap();
        let of = |role: &str| addresses[role].as_str().unwrap().parse().unwrap();
        Program { child, ingress: of("ingress"), console: of("console"), operation: of("operation"), printed }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if thread::panicking() {
            println!("what `up` logged:\n{}", fs::read_to_string(self.log()).unwrap_or_default());
        }
    }
}

/// `hansard` with these arguments, and nothing of the environment that could change what it does.
pub fn hansard(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hansard"));
    command.args(arguments).env_remove("HANSARD_CONFIG").env_remove("HANSARD_DATA").env_remove("HANSARD_TOKEN");
    command
}

/// What a command gives when it ends, which it must do in time.
pub fn output(command: &mut Command) -> Output {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let process = child.id().to_string();
    let (send, ended) = mpsc::channel();
    thread::spawn(move || send.send(child.wait_with_output()));
    let Ok(output) = ended.recv_timeout(PATIENCE) else {
        let _ = Command::new("kill").args(["-9", &process]).status();
        panic!("{command:?} did not end within {PATIENCE:?}");
    };
    output.unwrap()
}

/// A command that must fail, with nothing on standard output.
pub fn fail(command: &mut Command) -> Failure {
    let output = output(command);
    let why = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{command:?} did not fail");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{command:?}: {why}");
    Failure { status: output.status.code(), why: why.trim_end().to_owned() }
}

/// The lines until `ready`, or all that there are. What is printed later is read and dropped.
fn printed(stdout: ChildStdout) -> Vec<String> {
    let (send, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let _ = send.send(line);
        }
    });
    let mut printed: Vec<String> = Vec::new();
    while printed.last().is_none_or(|line| line != "ready") {
        match lines.recv_timeout(PATIENCE) {
            Ok(line) => printed.push(line),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => panic!("not ready within {PATIENCE:?}: {printed:?}"),
        }
    }
    printed
}

/// The configuration of a connection `c`.
pub fn connection(upstream: SocketAddr) -> String {
    format!("[[connection]]\nname = \"c\"\nupstream = \"http://{upstream}/mcp\"\n")
}

impl Program {
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// The most memory it ever had, in bytes.
    pub fn memory_bytes_peak(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM. The program may go on for a while; see [`Program::ended`].
    pub fn terminate(&self) {
        let signal = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(signal.success());
    }

    /// The status it ends with, which it must do in time.
    pub fn ended(mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < until, "it did not end within {PATIENCE:?} of SIGTERM");
            thread::yield_now();
        }
    }

    /// SIGTERM, and the status it ends with.
    pub fn stop(self) -> ExitStatus {
        self.terminate();
        self.ended()
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

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The JSON-RPC answer, whether it came alone or as the last event of a stream.
    pub fn message(&self) -> Value {
        match self.text().lines().filter_map(|line| line.strip_prefix("data:")).next_back() {
            Some(data) => serde_json::from_str(data.trim()).unwrap(),
            None => self.json(),
        }
    }
}

/// One HTTP request on a connection of its own; the answer's body is still to be read.
pub async fn send(
    method: Method,
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Response<Incoming> {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path).header("host", address.to_string());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::copy_from_slice(body))).unwrap();
    tokio::time::timeout(PATIENCE, sender.send_request(request)).await.expect("an answer in time").unwrap()
}

/// One HTTP exchange on a connection of its own.
pub async fn http(method: Method, address: SocketAddr, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let (parts, body) = send(method, address, path, headers, body).await.into_parts();
    let body = tokio::time::timeout(PATIENCE, body.collect()).await.expect("the whole answer in time");
    Answer { status: parts.status, headers: parts.headers, body: body.unwrap().to_bytes() }
}

/// One MCP message to the connection `c`, as a client of the session era sends it.
pub async fn mcp(ingress: SocketAddr, token: &str, message: &Value) -> Answer {
    let bearer = format!("Bearer {token}");
    http(Method::POST, ingress, "/c/c", &mcp_headers(&bearer), message.to_string().as_bytes()).await
}

/// What a client of the session era sends beside a message.
pub fn mcp_headers(authorization: &str) -> [(&str, &str); 4] {
    [
        ("authorization", authorization),
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", "2025-11-25"),
    ]
}

/// A `tools/call` message.
pub fn call(id: u64, tool: &str, arguments: Value) -> Value {
    serde_json::json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": tool, "arguments": arguments } })
}

/// The folders in a folder.
pub fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().map(Result::unwrap);
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
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
