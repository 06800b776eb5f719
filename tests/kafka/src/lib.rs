//! Three brokers of the real Apache Kafka on loopback, for tests: KRaft, TLS, SCRAM, ACLs.
//!
//! Each node is broker and controller. Clients come in by SASL over TLS, or by a certificate; nothing is in the clear.
//! Certificates and passwords are made at each start. The cluster ends with the program that started it, however that
//! ends: each node hangs on a pipe of its parent.
//!
//! What it needs (Java 17, Maven) may be missing: [`Cluster::start`] says so, and under `CI` that is a failure.

#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a part of tests")]

use std::{
    env, fmt, fs,
    net::TcpListener,
    ops::Range,
    path::{Path, PathBuf},
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use tempfile::TempDir;

mod certificates;
mod jars;
mod network;
mod node;
mod tether;

use certificates::Authority;
use network::Network;
pub use network::Weather;
use node::Node;
pub use tether::tethered;

/// Ready at the latest after so long.
const START_PATIENCE: Duration = Duration::from_secs(60);
const NODES: u32 = 3;
/// May do everything.
pub const ADMINISTRATOR: &str = "admin";
/// Who has a password, and may do nothing until it is given rights.
pub const USERS: [&str; 7] = ["ingress", "masker", "approver", "archiver", "query", "siem", "nobody"];

pub struct Cluster {
    folder: TempDir,
    nodes: Vec<Node>,
    password: String,
    authority: Authority,
    identities: AtomicU32,
    network: Network,
}

/// Where the ports of nodes are looked for.
const PORTS: Range<u16> = 20_000..32_000;

/// The ports of one node.
#[derive(Clone, Copy, Debug)]
struct Ports {
    sasl: u16,
    mutual: u16,
    controller: u16,
    /// For SCRAM-SHA-512 behind a network that can be cut, and where that network begins.
    far: u16,
    near: u16,
}

impl Cluster {
    /// `None`, and the word that the test is skipped, where something is missing.
    pub fn start() -> Option<Cluster> {
        match Cluster::try_start() {
            Ok(cluster) => Some(cluster),
            Err(why) if env::var_os("CI").is_some() => panic!("needed in CI: {why}"),
            Err(why) => {
                println!("skipped: {why}");
                None
            }
        }
    }

    fn try_start() -> Result<Cluster, String> {
        let jars = jars::installed()?;
        let folder = tempfile::tempdir().map_err(|error| format!("no temporary directory: {error}"))?;
        let authority = Authority::new();
        let password = random();
        fs::write(folder.path().join("ca.pem"), authority.certificate()).expect("the folder is ours");
        let network = Network::default();
        let ports: Vec<Ports> = (0..NODES).map(|_| Ports::free(&network)).collect();
        let id = cluster_id();
        let nodes = (1..=NODES).map(|number| {
            let own = folder.path().join(format!("node-{number}"));
            fs::create_dir(&own).expect("the folder is ours");
            fs::write(own.join("node.pem"), authority.node()).expect("the folder is ours");
            fs::write(own.join("ca.pem"), authority.certificate()).expect("the folder is ours");
            Node::new(number, own, &ports, &password)
        });
        let mut nodes: Vec<Node> = nodes.collect();
        let until = Instant::now() + START_PATIENCE;
        let formats: Vec<_> = nodes.iter().map(|node| node.format(&jars, &id, &password)).collect();
        formats.into_iter().try_for_each(node::finished)?;
        nodes.iter_mut().for_each(|node| node.start(&jars));
        nodes.iter().for_each(|node| node.await_ready(until));
        Ok(Cluster { folder, nodes, password, authority, identities: AtomicU32::new(0), network })
    }

    /// `host:port` of the listeners for SCRAM-SHA-256 and -512, PLAIN, and OAUTHBEARER with unsigned tokens.
    pub fn brokers(&self) -> Vec<String> {
        self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.ports().sasl)).collect()
    }

    /// `host:port` of the listeners that want a certificate.
    pub fn mutual_tls_brokers(&self) -> Vec<String> {
        self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.ports().mutual)).collect()
    }

    /// `host:port` of the listeners for SCRAM-SHA-512 behind a network of their own; see [`Cluster::set_weather`].
    pub fn far_brokers(&self) -> Vec<String> {
        self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.ports().near)).collect()
    }

    /// How the network is between the brokers and those who know them as [`Cluster::far_brokers`].
    pub fn set_weather(&self, weather: Weather) {
        self.network.set(weather);
    }

    /// Who signed the brokers' certificates.
    pub fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Of all users.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Certificate and key by which the brokers know a user of this name.
    pub fn identity(&self, user: &str) -> (PathBuf, PathBuf) {
        let number = self.identities.fetch_add(1, Ordering::Relaxed);
        let (certificate, key) = self.authority.client(user);
        let paths = ["certificate", "key"].map(|kind| self.folder.path().join(format!("{user}-{number}.{kind}.pem")));
        let [of_certificate, of_key] = paths;
        fs::write(&of_certificate, certificate).expect("the folder is ours");
        fs::write(&of_key, key).expect("the folder is ours");
        (of_certificate, of_key)
    }

    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// kill -9.
    pub fn kill(&mut self, node: usize) {
        self.nodes[node].kill();
    }

    /// Starts a node that was killed, and waits until it is back.
    pub fn revive(&mut self, node: usize) {
        self.nodes[node].start(&jars::installed().expect("they were there before"));
        self.nodes[node].await_ready(Instant::now() + START_PATIENCE);
    }

    /// Stops it in the middle of whatever it does, until [`Cluster::thaw`].
    pub fn freeze(&self, node: usize) {
        self.nodes[node].signal("-STOP");
    }

    pub fn thaw(&self, node: usize) {
        self.nodes[node].signal("-CONT");
    }

    /// By Kafka's own tool.
    pub fn delete_topic(&self, topic: &str) {
        let jars = jars::installed().expect("they were there before");
        let deleted = self.nodes[0].administrate(&jars, &["--delete", "--topic", topic]);
        deleted.unwrap_or_else(|why| panic!("{topic} is not deleted: {why}"));
    }

    /// Which node leads the controllers now, as far as its own log says.
    pub fn controller(&self) -> Option<usize> {
        self.nodes.iter().position(Node::is_controller)
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("folder", &self.folder.path()).finish_non_exhaustive()
    }
}

impl Ports {
    fn free(network: &Network) -> Ports {
        let port = |listener: &TcpListener| listener.local_addr().expect("an address").port();
        let [sasl, mutual, controller, far] = [(); 4].map(|()| listener()).each_ref().map(port);
        let begin = listener();
        let near = port(&begin);
        network.carry(begin, far);
        Ports { sasl, mutual, controller, far, near }
    }
}

/// Below what systems give out for port 0 and for connections, so that nobody takes a port before its broker does; no port
/// twice in one process.
fn listener() -> TcpListener {
    static NEXT: LazyLock<AtomicU32> = LazyLock::new(|| {
        let mut bytes = [0; 2];
        getrandom::fill(&mut bytes).expect("random bytes");
        AtomicU32::new(u16::from_be_bytes(bytes).into())
    });
    let port = |number: u32| PORTS.start + (number % u32::from(PORTS.end - PORTS.start)) as u16;
    (0..PORTS.len())
        .find_map(|_| TcpListener::bind(("127.0.0.1", port(NEXT.fetch_add(1, Ordering::Relaxed)))).ok())
        .expect("a free port")
}

/// 32 hexadecimal digits.
fn random() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("random bytes");
    format!("{:032x}", u128::from_be_bytes(bytes))
}

/// 22 characters of base64, as Kafka wants it.
fn cluster_id() -> String {
    let mut id = random();
    id.truncate(21);
    id.push('A');
    id
}

/// Where what is downloaded is kept, outside the tree.
fn cache() -> PathBuf {
    let home = || Path::new(&env::var_os("HOME").unwrap_or_else(|| "/tmp".into())).join(".cache/hansard");
    env::var_os("HANSARD_CACHE").map_or_else(home, PathBuf::from)
}
