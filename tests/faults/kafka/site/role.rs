//! One role as a process, and what a test asks of it.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use http::Method;

use crate::program::{Answer, PATIENCE, http};

/// Dropped, it is killed.
pub(crate) struct Role {
    child: Child,
    /// Where callers or people come in.
    pub(crate) door: Option<SocketAddr>,
    operation: SocketAddr,
    log: PathBuf,
}

impl Role {
    pub(super) fn start(mut command: Command, log: &Path) -> Role {
        let told = fs::File::create(log).unwrap();
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(told).spawn().unwrap();
        let mut role = Role { child, door: None, operation: ([0; 4], 0).into(), log: log.to_owned() };
        let said = role.child.stdout.take().unwrap();
        // It says `ready` or ends.
        for line in BufReader::new(said).lines().map_while(Result::ok) {
            if let Some((of, address)) = line.split_once(" http://") {
                let address = address.split('/').next().and_then(|address| address.parse().ok()).expect("an address");
                if of.starts_with("operation") { role.operation = address } else { role.door = Some(address) }
            }
            if line == "ready" {
                return role;
            }
        }
        panic!("{command:?} did not start: {}", fs::read_to_string(log).unwrap_or_default());
    }

    pub(crate) fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap().success());
    }

    pub(crate) async fn await_ready(&self) {
        self.await_readiness(PATIENCE, |answer| answer.status == 200).await;
    }

    /// Until `/readyz` says what it should.
    pub(crate) async fn await_readiness(&self, patience: Duration, done: impl Fn(&Answer) -> bool) {
        let until = Instant::now() + patience;
        loop {
            let answer = http(Method::GET, self.operation, "/readyz", &[], b"").await;
            if done(&answer) {
                return;
            }
            assert!(Instant::now() < until, "not within {patience:?}: {}", answer.text());
        }
    }

    /// What it has not read yet, and how ready it is.
    pub(super) async fn lag(&self) -> String {
        let ready = http(Method::GET, self.operation, "/readyz", &[], b"").await;
        let metrics = http(Method::GET, self.operation, "/metrics", &[], b"").await;
        let lag = |line: &&str| line.contains("lag_messages") || line.contains("unfetched_messages");
        let lags: Vec<&str> = metrics.text().lines().filter(lag).collect();
        format!("{}: {}\n{}\n", self.log.display(), ready.text(), lags.join("\n"))
    }

    pub(crate) fn kill(self) {
        drop(self);
    }

    /// SIGTERM, and the end, which must be a good one.
    pub(crate) fn terminate(mut self) {
        self.signal("-TERM");
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert!(status.success(), "{status}: {}", fs::read_to_string(&self.log).unwrap_or_default());
                return;
            }
            assert!(Instant::now() < until, "it did not end within {PATIENCE:?} of SIGTERM");
            std::thread::yield_now();
        }
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
