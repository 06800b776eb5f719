//! One role as a process, and what its `/metrics` say.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use crate::process;

/// How long a role may take to do what it is waited for.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(20);

/// Dropped, it is killed.
pub(crate) struct Role {
    child: Child,
    /// Where callers or people come in.
    pub(crate) door: Option<SocketAddr>,
    operation: SocketAddr,
}

impl Role {
    /// `command` ends with the bench, however that ends.
    pub(crate) fn start(mut command: Command, log: &Path) -> Result<Role> {
        let mut child = command.stdout(Stdio::piped()).stderr(fs::File::create(log)?).spawn()?;
        let lines = BufReader::new(child.stdout.take().context("no stdout")?).lines().map_while(Result::ok);
        let said: Vec<String> = lines.take_while(|line| line != "ready").collect();
        let address = |line: &String| line.split("http://").nth(1)?.split('/').next()?.parse().ok();
        let of =
            |operation: bool| said.iter().find(|line| line.starts_with("operation") == operation).and_then(address);
        let operation =
            of(true).with_context(|| format!("it did not start: {}", fs::read_to_string(log).unwrap_or_default()))?;
        let role = Role { child, door: of(false), operation };
        role.until("ready", |role| Ok(role.get("/readyz")?.starts_with("HTTP/1.0 200")))?;
        Ok(role)
    }

    pub(crate) fn cpu(&self) -> Result<Duration> {
        process::cpu(self.child.id())
    }

    /// The sum of a metric over its labels; zero where it is not shown.
    pub(crate) fn metric(&self, name: &str) -> Result<f64> {
        let text = self.get("/metrics")?;
        let values = text.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            rest.starts_with(['{', ' ']).then(|| rest.rsplit(' ').next()?.parse::<f64>().ok())?
        });
        Ok(values.sum())
    }

    pub(crate) fn until(&self, what: &str, done: impl Fn(&Role) -> Result<bool>) -> Result<()> {
        Role::until_all(what, || Ok(done(self)?.then_some(())))
    }

    /// What is there as soon as it is.
    pub(crate) fn until_all<T>(what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look()? {
                return Ok(found);
            }
            ensure!(Instant::now() < until, "not {what} within {PATIENCE:?}");
            std::thread::sleep(LOOK);
        }
    }

    /// Ends it well, so that its group need not wait for it.
    pub(crate) fn stop(mut self) -> Result<()> {
        let told = Command::new("kill").args(["-s", "TERM", &self.child.id().to_string()]).status()?;
        ensure!(told.success(), "it cannot be told to end");
        // To wait for it otherwise would close the pipe that it hangs on, and so kill it.
        let status = Role::until_all("ended", || Ok(self.child.try_wait()?))?;
        ensure!(status.success(), "it did not end well: {status}");
        Ok(())
    }

    fn get(&self, path: &str) -> Result<String> {
        let mut stream = TcpStream::connect(self.operation)?;
        stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes())?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
