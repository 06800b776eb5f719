//! Programs of others that judge ours: promtool, and by `tests/oracle` the libraries of Docker Compose and
//! OpenTelemetry. Kept in a cache folder outside the tree.

use std::{
    collections::hash_map::DefaultHasher,
    fs,
    hash::{Hash, Hasher},
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex, OnceLock},
    thread,
};

use serde_json::Value;

use super::parts::{cache, given, run};

/// The sources of `tests/oracle`.
const SOURCES: [&str; 5] = ["go.mod", "go.sum", "main.go", "compose.go", "collector.go"];

/// Where promtool is, or why it is not.
pub fn promtool() -> Option<&'static Path> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    given(FOUND.get_or_init(find_promtool)).map(PathBuf::as_path)
}

/// That of this machine, or Debian's, unpacked aside.
fn find_promtool() -> Result<PathBuf, String> {
    let installed = Path::new("/usr/bin/promtool");
    if installed.exists() {
        return Ok(installed.to_owned());
    }
    let folder = cache().join("prometheus");
    let tool = folder.join("usr/bin/promtool");
    if !tool.exists() {
        let aside = folder.with_extension(std::process::id().to_string());
        fs::create_dir_all(&aside).map_err(|error| format!("cannot make {}: {error}", aside.display()))?;
        let download = || run(Command::new("apt-get").args(["download", "prometheus"]).current_dir(&aside));
        if download().is_err() {
            // A machine that has never asked which packages there are; only root may.
            run(Command::new("timeout").args(["120", "apt-get", "update"]))?;
            download()?;
        }
        run(Command::new("sh").args(["-c", "dpkg -x prometheus_*.deb . && rm prometheus_*.deb"]).current_dir(&aside))?;
        let _ = fs::rename(&aside, &folder);
        let _ = fs::remove_dir_all(&aside);
    }
    if tool.exists() { Ok(tool) } else { Err("Debian's package prometheus has no promtool".to_owned()) }
}

/// What promtool says of this, which must be nothing bad.
pub fn promtool_accepts(promtool: &Path, arguments: &[&str], input: &str) {
    let mut command = Command::new(promtool);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let said = [stdout, stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).join("\n");
    assert!(status.success(), "promtool {arguments:?}: {said}\n{input}");
}

/// The program of `tests/oracle`, built once for these sources.
pub fn oracle() -> Option<&'static Path> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    given(FOUND.get_or_init(build)).map(PathBuf::as_path)
}

fn build() -> Result<PathBuf, String> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle");
    let mut hasher = DefaultHasher::new();
    SOURCES.iter().for_each(|name| fs::read(own.join(name)).unwrap().hash(&mut hasher));
    let folder = cache().join(format!("oracle-{:016x}", hasher.finish()));
    let program = folder.join("oracle");
    if !program.exists() {
        fs::create_dir_all(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
        let aside = folder.join(std::process::id().to_string());
        let mut go = Command::new("go");
        run(go.args(["build", "-mod=readonly", "-o"]).arg(&aside).arg(".").current_dir(&own))?;
        fs::rename(&aside, &program).map_err(|error| format!("cannot make {}: {error}", program.display()))?;
    }
    Ok(program)
}

/// A file as the oracle reads it.
pub fn read(oracle: &Path, kind: &str, file: &Path, environment: &[(&str, &str)]) -> Value {
    let output = Command::new(oracle).arg(kind).arg(file).envs(environment.iter().copied()).output().unwrap();
    assert!(output.status.success(), "{}: {}", file.display(), String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A collector of OpenTelemetry, and the spans that came to it.
pub struct Collector {
    child: Child,
    pub address: String,
    spans: Arc<Mutex<Vec<Value>>>,
}

impl Collector {
    pub fn start(oracle: &Path) -> Collector {
        let mut child = Command::new(oracle).arg("collector").stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines.next().unwrap().unwrap();
        let spans: Arc<Mutex<Vec<Value>>> = Arc::default();
        let kept = spans.clone();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                kept.lock().unwrap().push(serde_json::from_str(&line).unwrap());
            }
        });
        Collector { child, address, spans }
    }

    pub fn spans(&self) -> Vec<Value> {
        self.spans.lock().unwrap().clone()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
