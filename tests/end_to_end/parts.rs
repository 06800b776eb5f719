//! Real MCP servers, clients, an OIDC provider, object stores, a browser and DuckDB, from npm, PyPI and Debian, in a
//! cache folder outside the tree.

use std::{
    collections::hash_map::DefaultHasher,
    env, fs,
    hash::{Hash, Hasher},
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::Instant,
};

use serde_json::Value;

use super::program::PATIENCE;

/// A process that ends with the test.
pub struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The folder with `node_modules` and `venv`, or why there is none.
pub fn installed() -> Option<&'static Path> {
    static FOLDER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    given(FOLDER.get_or_init(install)).map(PathBuf::as_path)
}

/// A browser of this machine, or why there is none. Root installs it where it is missing.
pub fn chromium() -> Option<&'static str> {
    const CHROMIUM: &str = "/usr/bin/chromium";
    static FOUND: OnceLock<Result<(), String>> = OnceLock::new();
    let find = || if Path::new(CHROMIUM).exists() { Ok(()) } else { install_chromium() };
    given(FOUND.get_or_init(find)).map(|()| CHROMIUM)
}

fn install_chromium() -> Result<(), String> {
    if fs::metadata("/proc/self").is_ok_and(|own| own.uid() != 0) {
        return Err("no /usr/bin/chromium, and only root can install it".to_owned());
    }
    let apt = |arguments: &[&str]| {
        run(Command::new("timeout").args(["300", "apt-get"]).args(arguments).env("DEBIAN_FRONTEND", "noninteractive"))
    };
    apt(&["update"])?;
    apt(&["install", "-y", "--no-install-recommends", "chromium"])
}

/// What was found, or the word that the test is skipped, which CI does not accept.
pub fn given<T>(found: &Result<T, String>) -> Option<&T> {
    match found {
        Ok(found) => Some(found),
        Err(why) if env::var_os("CI").is_some() => panic!("needed in CI: {why}"),
        Err(why) => {
            println!("skipped: {why}");
            None
        }
    }
}

/// One folder per set of pinned versions, made once and whole: it is built aside and then renamed.
fn install() -> Result<PathBuf, String> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parts");
    let mut hasher = DefaultHasher::new();
    for name in ["package.json", "requirements.txt"] {
        fs::read(own.join(name)).unwrap().hash(&mut hasher);
    }
    let folder = cache().join(format!("parts-{:016x}", hasher.finish()));
    if !folder.join("installed").exists() {
        let aside = folder.with_extension(std::process::id().to_string());
        fs::create_dir_all(&aside).map_err(|error| format!("cannot make {}: {error}", aside.display()))?;
        for name in ["package.json", "requirements.txt"] {
            fs::copy(own.join(name), aside.join(name)).unwrap();
        }
        run(Command::new("npm").args(["install", "--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(&aside))?;
        run(Command::new("python3").args(["-m", "venv", "venv"]).current_dir(&aside))?;
        let packages = ["-m", "pip", "install", "--quiet", "-r", "requirements.txt"];
        run(Command::new(aside.join("venv/bin/python")).args(packages).current_dir(&aside))?;
        fs::write(aside.join("installed"), "").unwrap();
        if fs::rename(&aside, &folder).is_err() {
            let _ = fs::remove_dir_all(&folder);
            fs::rename(&aside, &folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
        }
    }
    for name in fs::read_dir(&own).unwrap().map(|entry| entry.unwrap().file_name()) {
        fs::copy(own.join(&name), folder.join(&name)).unwrap();
    }
    Ok(folder)
}

pub fn cache() -> PathBuf {
    let home = || PathBuf::from(env::var_os("HOME").unwrap_or_else(|| "/tmp".into())).join(".cache/hansard");
    env::var_os("HANSARD_CACHE").map_or_else(home, PathBuf::from)
}

pub fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{:?} cannot be run: {error}", command.get_program()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr)))
}

/// The reference server on a free port.
pub fn server_everything(parts: &Path) -> (Running, SocketAddr) {
    let mut command = Command::new("node");
    command.args(["node_modules/@modelcontextprotocol/server-everything/dist/index.js", "streamableHttp"]);
    listening(parts, |port| command.env("PORT", port))
}

/// S3 on a free port, without a bucket.
pub fn s3(parts: &Path) -> (Running, SocketAddr) {
    let mut command = Command::new(parts.join("venv/bin/python"));
    command.args(["-m", "moto.server", "-H", "127.0.0.1", "-p"]);
    listening(parts, |port| command.arg(port))
}

/// The account that Azurite is told to have, and its key.
pub const AZURE_ACCOUNT: &str = "testing";
pub const AZURE_KEY: &str = "dGVzdGluZw==";

/// Azure's blobs on a free port with one container, and the endpoint of the account.
pub fn azure_blobs(parts: &Path, container: &str) -> (Running, String) {
    let mut command = Command::new("node");
    command.args(["node_modules/azurite/dist/src/blob/main.js", "--inMemoryPersistence", "--skipApiVersionCheck"]);
    command.args(["--disableTelemetry", "--silent", "--blobHost", "127.0.0.1", "--blobPort"]);
    command.env("AZURITE_ACCOUNTS", format!("{AZURE_ACCOUNT}:{AZURE_KEY}"));
    let (running, address) = listening(parts, |port| command.arg(port));
    let endpoint = format!("http://{address}/{AZURE_ACCOUNT}");
    json(parts, "node", &["container.mjs", &endpoint, container, AZURE_ACCOUNT, AZURE_KEY], None);
    (running, endpoint)
}

/// Starts a server that is told its port, and waits until it listens there.
fn listening<'a>(parts: &Path, command: impl FnOnce(&str) -> &'a mut Command) -> (Running, SocketAddr) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let command = command(&port.to_string()).current_dir(parts).stdout(Stdio::null()).stderr(Stdio::null());
    let (running, address) = (Running(command.spawn().unwrap()), SocketAddr::from(([127, 0, 0, 1], port)));
    let until = Instant::now() + PATIENCE;
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < until, "{command:?} does not listen");
        std::thread::yield_now();
    }
    (running, address)
}

/// An OIDC provider that issues tokens for `audience`, and its URL.
pub fn issuer(parts: &Path, audience: &str) -> (Running, String) {
    let mut child = Command::new("node")
        .args(["issuer.mjs", audience])
        .current_dir(parts)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let line = BufReader::new(child.stdout.take().unwrap()).lines().next();
    (Running(child), line.expect("the issuer prints its URL").unwrap())
}

/// A command of the parts whose output is JSON.
pub fn json(parts: &Path, program: &str, arguments: &[&str], token: Option<&str>) -> Value {
    let program = if program == "python" { parts.join("venv/bin/python") } else { program.into() };
    let mut command = Command::new(program);
    command.args(arguments).current_dir(parts);
    if let Some(token) = token {
        command.env("HANSARD_TOKEN", token);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}
