//! Three brokers, an upstream, keys and topics; roles are started as a part of the measurement needs them.

use std::{fs, path::PathBuf, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use bus::kafka::{Config, Mechanism, Sasl, Tls};
use tempfile::TempDir;
use test_cluster::{ADMINISTRATOR, Cluster, tethered};

use crate::{load::Target, process::Process, upstream};

use super::role::Role;

pub(crate) struct Site {
    pub(crate) cluster: Cluster,
    pub(crate) upstream: Process,
    /// Of a caller who may read the trail as well.
    pub(crate) token: String,
    folder: TempDir,
    roles: usize,
    ingress: Option<Role>,
    masker: Option<Role>,
    archiver: Option<Role>,
    query: Option<Role>,
}

impl Site {
    pub(crate) fn start() -> Result<Site> {
        let cluster = Cluster::start().context("three brokers are needed: install Java 17 and Maven")?;
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        fs::create_dir(folder.path().join("archive"))?;
        let (upstream, token) = (Process::upstream()?, String::new());
        let (ingress, masker, archiver, query) = (None, None, None, None);
        let mut site = Site { cluster, upstream, token, folder, roles: 0, ingress, masker, archiver, query };
        fs::write(site.configuration(), site.toml())?;
        for arguments in [&["topics", "create"][..], &["keys", "generate"]] {
            site.say(arguments)?;
        }
        site.token = site.say(&["token", "--subject", "bench"])?;
        Ok(site)
    }

    /// Starts a role if it does not run yet.
    pub(crate) fn ingress(&mut self) -> Result<&Role> {
        let started = match self.ingress.take() {
            Some(role) => role,
            None => self.role("ingress")?,
        };
        Ok(self.ingress.insert(started))
    }

    pub(crate) fn masker(&mut self) -> Result<&Role> {
        let started = match self.masker.take() {
            Some(role) => role,
            None => self.role("masker")?,
        };
        Ok(self.masker.insert(started))
    }

    pub(crate) fn archiver(&mut self) -> Result<&Role> {
        let started = match self.archiver.take() {
            Some(role) => role,
            None => self.role("archiver")?,
        };
        Ok(self.archiver.insert(started))
    }

    pub(crate) fn query(&mut self) -> Result<&Role> {
        let started = match self.query.take() {
            Some(role) => role,
            None => self.role("query")?,
        };
        Ok(self.query.insert(started))
    }

    pub(crate) fn everyone(&mut self) -> Result<()> {
        self.ingress()?;
        self.masker()?;
        self.archiver()?;
        self.query()?;
        Ok(())
    }

    pub(crate) fn direct(&self) -> Target {
        Target { address: self.upstream.address, path: upstream::CALLS, token: None }
    }

    pub(crate) fn through_ingress(&mut self) -> Result<Target> {
        let address = self.ingress()?.door.context("ingress listens")?;
        Ok(Target { address, path: "/c/calls", token: Some(self.token.clone()) })
    }

    /// To the brokers, as the administrator.
    pub(crate) fn connection(&self) -> Config {
        Config {
            brokers: self.cluster.brokers(),
            client_id: "bench".to_owned(),
            tls: Some(Tls { ca: Some(self.cluster.ca()), identity: None }),
            sasl: Some(Sasl::Password {
                mechanism: Mechanism::ScramSha512,
                username: ADMINISTRATOR.to_owned(),
                password: self.cluster.password().to_owned(),
            }),
            send_timeout: Duration::from_secs(15),
        }
    }

    /// Another one, that of whoever asks.
    pub(crate) fn role(&mut self, role: &str) -> Result<Role> {
        self.roles += 1;
        let own = self.folder.path().join(format!("{role}-{}", self.roles));
        fs::create_dir_all(own.join("keys"))?;
        for entry in fs::read_dir(self.data().join("keys"))? {
            let entry = entry?;
            fs::copy(entry.path(), own.join("keys").join(entry.file_name()))?;
        }
        let mut command = tethered(env!("CARGO_BIN_EXE_hansard"));
        command.arg(role).arg("--config").arg(self.configuration()).arg("--data").arg(&own);
        Role::start(command, &own.join("log")).with_context(|| format!("the role {role}"))
    }

    fn say(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hansard"));
        command.args(arguments).arg("--config").arg(self.configuration()).arg("--data").arg(self.data());
        let output = command.output()?;
        ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
    }

    fn configuration(&self) -> PathBuf {
        self.folder.path().join("hansard.toml")
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("first")
    }

    /// The defaults, on free ports; one user for all roles. Batches are small, so that what is archived is counted soon.
    fn toml(&self) -> String {
        let ports =
            ["ingress", "console", "operation"].map(|role| format!("{role}.listen = \"127.0.0.1:0\"\n")).concat();
        format!(
            "{ports}[bus]\nkind = \"kafka\"\nbrokers = {:?}\ntls = {{ ca = {:?} }}\n\
             sasl = {{ mechanism = \"SCRAM-SHA-512\", username = \"{ADMINISTRATOR}\", password = \"{}\" }}\n\
             [archive]\nurl = {:?}\n[archiver]\nbatch_age_seconds_max = 1\nbatch_rows_max = 1000\n[[connection]]\nname = \"calls\"\nupstream = \"http://{}{}\"\n",
            self.cluster.brokers(),
            self.cluster.ca(),
            self.cluster.password(),
            self.folder.path().join("archive"),
            self.upstream.address,
            upstream::CALLS
        )
    }
}
