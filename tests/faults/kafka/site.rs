//! Brokers, roles, an upstream and an archive, and what is needed to ask each of them.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use bus::{
    Partition, Reader,
    kafka::{Config, Mechanism, Sasl, Tls},
};
use schemas::{Record, topic};
use tempfile::TempDir;
use test_cluster::{ADMINISTRATOR, Cluster};

use super::super::{
    archive,
    callers::Door,
    chance::Chance,
    sealed::{self, Frames},
    upstream::Upstream,
    verdict::{self, Known},
};
use crate::program::{connection, hansard, output};
pub(crate) use role::Role;

mod role;

/// Small batches, so that a fault finds the archiver at work.
const COMMON: &str = "ingress.listen = \"127.0.0.1:0\"\nconsole.listen = \"127.0.0.1:0\"\noperation.listen = \"127.0.0.1:0\"\n\
                      archiver.batch_age_seconds_max = 1\narchiver.batch_rows_max = 200\n";
/// Calls of `deploy` wait for one of the group `sre`.
const HOLD: &str = "[[policy.rule]]\nname = \"production\"\nwhen = 'call.target == \"deploy\"'\n\
                    then = { hold = { reviewers = [\"sre\"], approve = 1, deny = 1, expires = \"5m\" } }\n";
/// How long the roles may take to be done with all that is on the log.
const SETTLED_WITHIN: Duration = Duration::from_secs(120);
const EACH: usize = 2;
/// What a role tells in its log.
const LOG: &str =
    "warn,hansard=info,hansard_bus=debug,hansard_masker=debug,hansard_archiver=debug,hansard_ingress=info";

pub(crate) struct Site {
    pub(crate) cluster: Cluster,
    pub(crate) upstream: Upstream,
    pub(crate) known: Known,
    pub(crate) chance: Chance,
    pub(crate) ingresses: Vec<Role>,
    pub(crate) maskers: Vec<Role>,
    pub(crate) archivers: Vec<Role>,
    folder: TempDir,
    frames: std::sync::Arc<dyn Reader>,
    /// Frames that went with their topic.
    gone: Frames,
    token: String,
    roles: usize,
}

impl Site {
    pub(crate) async fn start() -> Option<Site> {
        let cluster = Cluster::start()?;
        let folder = tempfile::tempdir().unwrap();
        let upstream = Upstream::start().await;
        fs::create_dir(folder.path().join("archive")).unwrap();
        make_topics(&cluster, folder.path());
        let keys = folder.path().join("first");
        say(hansard(&["keys", "generate"]).arg("--data").arg(&keys));
        let token = say(hansard(&["token", "--subject", "ann", "--group", "staff"]).arg("--data").arg(&keys));
        let frames = administrator(&cluster).await;
        let mut site = Site {
            cluster,
            upstream,
            known: Known::default(),
            chance: Chance::new(0),
            ingresses: Vec::new(),
            maskers: Vec::new(),
            archivers: Vec::new(),
            folder,
            frames,
            gone: Frames::new(),
            token: token.trim().to_owned(),
            roles: 0,
        };
        for _ in 0..EACH {
            site.add_masker();
            site.add_archiver();
        }
        Some(site)
    }

    /// As many ingresses as there should be, and where they listen; the first one may be behind a network of its own.
    pub(crate) async fn open_doors(&mut self, far: bool) -> Vec<Door> {
        while self.ingresses.len() < EACH {
            let ingress =
                if far && self.ingresses.is_empty() { self.far_role("ingress") } else { self.role("ingress") };
            ingress.await_ready().await;
            self.ingresses.push(ingress);
        }
        self.ingresses.iter().map(|ingress| self.door(ingress)).collect()
    }

    pub(crate) fn door(&self, ingress: &Role) -> Door {
        Door { ingress: ingress.door.expect("ingress listens"), token: self.token.clone() }
    }

    /// Ends them well.
    pub(crate) fn close_doors(&mut self) {
        self.ingresses.drain(..).for_each(Role::terminate);
    }

    pub(crate) fn add_masker(&mut self) {
        let masker = self.role("masker");
        self.maskers.push(masker);
    }

    pub(crate) fn add_archiver(&mut self) {
        let archiver = self.role("archiver");
        self.archivers.push(archiver);
    }

    /// The first masker gives way to one behind a network of its own.
    pub(crate) fn move_masker_away(&mut self) {
        let masker = self.far_role("masker");
        self.maskers.push(masker);
        self.maskers.remove(0).terminate();
    }

    pub(crate) fn move_archiver_away(&mut self) {
        let archiver = self.far_role("archiver");
        self.archivers.push(archiver);
        self.archivers.remove(0).terminate();
    }

    /// A person who may decide on held calls.
    pub(crate) fn token(&self, subject: &str, group: &str) -> String {
        let mut command = hansard(&["token", "--subject", subject, "--group", group]);
        say(command.arg("--data").arg(self.folder.path().join("first"))).trim().to_owned()
    }

    /// By the command, as an administrator would.
    pub(crate) fn administrate(&self, arguments: &[&str]) {
        administrate(&self.cluster, self.folder.path(), arguments);
    }

    /// All rows, once every frame on Kafka is one.
    pub(crate) async fn archived(&self, what: &str) -> Vec<Record> {
        let until = Instant::now() + SETTLED_WITHIN;
        let folder = self.folder.path().join("archive");
        let mut frames = sealed::of(&*self.frames).await;
        frames.extend(self.gone.clone());
        let all = frames.values().sum::<u64>();
        while archive::count(&folder) < all {
            if Instant::now() > until {
                let (count, lag, logs) = (archive::count(&folder), self.lag().await, self.logs());
                panic!("{what}: {count} of {all} frames are rows\n{lag}\n{logs}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let rows = archive::read(&folder);
        self.check_frames(what, &frames, &rows);
        rows
    }

    /// All of the frames are rows by now, and go with their topic.
    pub(crate) async fn replace_frames(&mut self, replace: impl FnOnce(&Site)) {
        self.gone.extend(sealed::of(&*self.frames).await);
        replace(self);
        self.frames = administrator(&self.cluster).await;
    }

    /// How many rows the archive has now.
    pub(crate) fn archived_rows(&self) -> u64 {
        archive::count(&self.folder.path().join("archive"))
    }

    fn check_frames(&self, what: &str, frames: &Frames, rows: &[Record]) {
        verdict::check_frames(what, frames, rows);
    }

    pub(crate) fn role(&mut self, role: &str) -> Role {
        let brokers = self.cluster.brokers();
        self.role_on(role, &brokers)
    }

    fn far_role(&mut self, role: &str) -> Role {
        let brokers = self.cluster.far_brokers();
        self.role_on(role, &brokers)
    }

    /// A role in a data directory of its own, with the keys that it needs and a user of its own.
    fn role_on(&mut self, role: &str, brokers: &[String]) -> Role {
        self.roles += 1;
        let own = self.folder.path().join(format!("{role}-{}", self.roles));
        fs::create_dir_all(own.join("keys")).unwrap();
        let keys = self.folder.path().join("first/keys");
        let needed = |name: &str| role == "masker" || name == "sealing.public" || name == "development.pem";
        for entry in fs::read_dir(keys).unwrap().map(Result::unwrap) {
            if needed(&entry.file_name().to_string_lossy()) {
                fs::copy(entry.path(), own.join("keys").join(entry.file_name())).unwrap();
            }
        }
        let configuration = own.join("hansard.toml");
        let text = format!(
            "{COMMON}{}[archive]\nurl = \"{}\"\n{HOLD}{}",
            bus_section(&self.cluster, brokers, role),
            self.folder.path().join("archive").display(),
            connection(self.upstream.address)
        );
        fs::write(&configuration, text).unwrap();
        let mut command = hansard(&[role]);
        command.arg("--config").arg(&configuration).arg("--data").arg(&own);
        command
            .env("KAFKA_PASSWORD", self.cluster.password())
            .env("HANSARD_LOG", std::env::var("HANSARD_LOG").unwrap_or_else(|_| LOG.to_owned()));
        Role::start(command, &own.join("log"))
    }

    async fn lag(&self) -> String {
        let mut all = String::new();
        for role in self.maskers.iter().chain(&self.archivers) {
            all.push_str(&role.lag().await);
        }
        all
    }

    fn logs(&self) -> String {
        let mut all = BTreeMap::new();
        for entry in fs::read_dir(self.folder.path()).unwrap().map(Result::unwrap) {
            let text = fs::read_to_string(entry.path().join("log")).unwrap_or_default();
            all.insert(
                entry.file_name(),
                text.chars().rev().take(4000).collect::<String>().chars().rev().collect::<String>(),
            );
        }
        format!("{all:#?}").replace("\\n", "\n")
    }
}

fn bus_section(cluster: &Cluster, brokers: &[String], user: &str) -> String {
    format!(
        "[bus]\nkind = \"kafka\"\nbrokers = {brokers:?}\ntls = {{ ca = {:?} }}\n\
         sasl = {{ mechanism = \"SCRAM-SHA-512\", username = \"{user}\", password = \"env:KAFKA_PASSWORD\" }}\n",
        cluster.ca()
    )
}

fn make_topics(cluster: &Cluster, folder: &Path) {
    for arguments in [&["topics", "create"][..], &["topics", "check"], &["topics", "acls", "--apply"]] {
        administrate(cluster, folder, arguments);
    }
}

fn administrate(cluster: &Cluster, folder: &Path, arguments: &[&str]) {
    let configuration: PathBuf = folder.join("administrator.toml");
    fs::write(&configuration, bus_section(cluster, &cluster.brokers(), ADMINISTRATOR)).unwrap();
    let mut command = hansard(arguments);
    command.arg("--config").arg(&configuration).arg("--data").arg(folder.join("administrator"));
    say(command.env("KAFKA_PASSWORD", cluster.password()));
}

/// Reads what nobody but the masker may.
async fn administrator(cluster: &Cluster) -> std::sync::Arc<dyn Reader> {
    let config = Config {
        brokers: cluster.brokers(),
        client_id: "test".to_owned(),
        tls: Some(Tls { ca: Some(cluster.ca()), identity: None }),
        sasl: Some(Sasl::Password {
            mechanism: Mechanism::ScramSha512,
            username: ADMINISTRATOR.to_owned(),
            password: cluster.password().to_owned(),
        }),
        send_timeout: Duration::from_secs(15),
    };
    let reader = bus::kafka::Cluster::connect(config).await.expect("the brokers answer").bus().reader();
    let at = Partition { topic: topic::FRAMES.to_owned(), number: 0 };
    reader.bounds(&at).await.expect("the topics are made");
    reader
}

fn say(command: &mut Command) -> String {
    let output = output(command);
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
