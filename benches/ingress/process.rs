//! The processes of the measurement: how they start, what CPU time and memory they have taken.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::{pass_through, upstream};

/// What `/proc` counts CPU time in; the same on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// A process that ends with the measurement.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
}

/// `hansard up` with the defaults, on free ports.
pub(crate) struct Hansard {
    pub(crate) process: Process,
    configuration: std::path::PathBuf,
    data: std::path::PathBuf,
}

impl Process {
    pub(crate) fn upstream() -> Result<Process> {
        Process::role(&[upstream::ROLE])
    }

    pub(crate) fn pass_through(to: SocketAddr) -> Result<Process> {
        Process::role(&[pass_through::ROLE, &to.to_string()])
    }

    fn role(arguments: &[&str]) -> Result<Process> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut child = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no stdout")?).read_line(&mut line)?;
        Ok(Process { address: line.trim().parse().with_context(|| format!("{arguments:?} said {line:?}"))?, child })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// While it is stopped, what it still has to do takes nothing from the others.
    pub(crate) fn pause(&self) -> Result<()> {
        self.signal("STOP")
    }

    pub(crate) fn resume(&self) -> Result<()> {
        self.signal("CONT")
    }

    fn signal(&self, name: &str) -> Result<()> {
        let sent = Command::new("kill").args(["-s", name, &self.id().to_string()]).status()?;
        ensure!(sent.success(), "kill -s {name} failed");
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Hansard {
    /// In `folder`, with the connections `calls` and `streams` to the upstream.
    pub(crate) fn up(folder: &Path, upstream: SocketAddr) -> Result<Hansard> {
        let (configuration, data) = (folder.join("hansard.toml"), folder.join("data"));
        let ports =
            ["ingress", "console", "operation"].map(|role| format!("{role}.listen = \"127.0.0.1:0\"\n")).concat();
        let connection =
            |name, path| format!("[[connection]]\nname = \"{name}\"\nupstream = \"http://{upstream}{path}\"\n");
        let connections = connection("calls", upstream::CALLS) + &connection("streams", upstream::STREAMS);
        fs::write(&configuration, ports + &connections)?;
        let mut child = command(&configuration, &data, &["up"]).stdout(Stdio::piped()).spawn()?;
        let mut lines = BufReader::new(child.stdout.take().context("no stdout")?).lines().map_while(Result::ok);
        ensure!(lines.any(|line| line == "ready"), "`hansard up` did not start");
        let addresses: Value = serde_json::from_slice(&fs::read(data.join("addresses.json"))?)?;
        let address = addresses["ingress"].as_str().context("no address of ingress")?.parse()?;
        Ok(Hansard { process: Process { child, address }, configuration, data })
    }

    pub(crate) fn token(&self) -> Result<String> {
        self.say(&["token", "--subject", "bench"])
    }

    pub(crate) fn sql(&self, statement: &str) -> Result<Value> {
        Ok(serde_json::from_str(&self.say(&["sql", statement, "--format", "json"])?)?)
    }

    fn say(&self, arguments: &[&str]) -> Result<String> {
        let output = command(&self.configuration, &self.data, arguments).output()?;
        ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
    }
}

fn command(configuration: &Path, data: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hansard"));
    command.args(arguments).arg("--config").arg(configuration).arg("--data").arg(data).env("HANSARD_LOG", "warn");
    command
}

/// For a role: where it listens. It ends when nobody holds its standard input any more.
#[expect(clippy::print_stdout, reason = "this is how the measurement learns of it")]
pub(crate) fn tell_address(address: SocketAddr) {
    println!("{address}");
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
}

/// CPU time that a process has taken so far, all of its threads.
pub(crate) fn cpu(process: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let (_, fields) = stat.rsplit_once(')').context("/proc/…/stat is not as expected")?;
    let mut times = fields.split_whitespace().skip(11).take(2);
    let mut ticks = || -> Result<u32> { Ok(times.next().context("/proc/…/stat is too short")?.parse()?) };
    Ok(TICK * (ticks()? + ticks()?))
}

/// A line of `/proc/…/status` in KiB, such as `VmHWM`: the most memory that a process has had.
pub(crate) fn memory_kib(process: u32, line: &str) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let found = status.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(':'));
    let value = found.and_then(|value| value.split_whitespace().next());
    Ok(value.with_context(|| format!("/proc/…/status has no {line}"))?.parse()?)
}

/// Starts this program again with more open files where the limit is too low.
pub(crate) fn ensure_files(files_min: u64) -> Result<()> {
    let limits = fs::read_to_string("/proc/self/limits")?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).context("no limit of open files")?;
    let soft = line.split_whitespace().next().context("no limit of open files")?;
    if soft == "unlimited" || soft.parse::<u64>()? >= files_min {
        return Ok(());
    }
    let raised = format!("ulimit -n {files_min} && exec \"$0\" \"$@\"");
    let error =
        Command::new("sh").arg("-c").arg(raised).arg(std::env::current_exe()?).args(std::env::args().skip(1)).exec();
    bail!("open files are limited to {soft} and {files_min} are needed: {error}")
}
