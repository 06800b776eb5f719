//! One node: its settings and its process, which ends when its parent does.

use std::{
    fmt::Write as _,
    fs::{self, OpenOptions},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::{ADMINISTRATOR, Ports, USERS, certificates::NODE, tethered};

/// Between two looks into a log.
const LOOK: Duration = Duration::from_millis(50);
/// Small, quick to start, and enough for tests.
const JAVA: [&str; 5] = ["-Xms64m", "-Xmx320m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData"];

pub(crate) struct Node {
    number: u32,
    folder: PathBuf,
    ports: Ports,
    running: Option<Running>,
}

struct Running {
    java: Child,
    /// What the log held before.
    log_bytes: u64,
}

impl Node {
    pub(crate) fn new(number: u32, folder: PathBuf, all: &[Ports], password: &str) -> Node {
        let ports = all[number as usize - 1];
        fs::write(folder.join("server.properties"), settings(number, &folder, all, password)).expect("it is ours");
        Node { number, folder, ports, running: None }
    }

    pub(crate) fn ports(&self) -> Ports {
        self.ports
    }

    /// Makes its storage, with the users in it.
    pub(crate) fn format(&self, jars: &Path, cluster: &str, password: &str) -> Child {
        let mut command = java(jars, "kafka.tools.StorageTool");
        command.args(["format", "--cluster-id", cluster, "--config"]).arg(self.settings());
        for user in USERS.iter().chain([&ADMINISTRATOR]) {
            for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
                command.args(["--add-scram", &format!("{mechanism}=[name={user},password={password}]")]);
            }
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("java runs")
    }

    /// Does something to topics, by the certificate that the node itself has.
    pub(crate) fn administrate(&self, jars: &Path, arguments: &[&str]) -> Result<(), String> {
        let own = self.folder.join("administrator.properties");
        let folder = self.folder.display();
        let text = format!(
            "security.protocol=SSL\nssl.keystore.type=PEM\nssl.keystore.location={folder}/node.pem\n\
             ssl.truststore.type=PEM\nssl.truststore.location={folder}/ca.pem\n"
        );
        fs::write(&own, text).expect("it is ours");
        let mut command = java(jars, "org.apache.kafka.tools.TopicCommand");
        command.args(["--bootstrap-server", &format!("127.0.0.1:{}", self.ports.mutual), "--command-config"]).arg(own);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        finished(command.spawn().expect("java runs"))
    }

    pub(crate) fn start(&mut self, jars: &Path) {
        let program = java(jars, "kafka.Kafka");
        let log_bytes = fs::metadata(self.log()).map_or(0, |log| log.len());
        let log = OpenOptions::new().create(true).append(true).open(self.log()).expect("it is ours");
        let mut command = tethered(program.get_program());
        command.args(program.get_args()).arg(self.settings()).stdout(log.try_clone().expect("a file")).stderr(log);
        self.running = Some(Running { java: command.spawn().expect("there is a shell"), log_bytes });
    }

    pub(crate) fn await_ready(&self, until: Instant) {
        while !self.said().contains("Kafka Server started") {
            assert!(Instant::now() < until, "node {} does not start:\n{}", self.number, self.said());
            std::thread::sleep(LOOK);
        }
    }

    pub(crate) fn is_controller(&self) -> bool {
        let said = self.said();
        let last = said.rfind("Becoming the active controller");
        self.running.is_some() && last.is_some() && last > said.rfind("renouncing")
    }

    pub(crate) fn kill(&mut self) {
        self.signal("-KILL");
        self.running = None;
    }

    pub(crate) fn signal(&self, signal: &str) {
        let running = self.running.as_ref().expect("the node runs");
        assert!(Command::new("kill").args([signal, &running.java.id().to_string()]).status().expect("kill").success());
    }

    /// What it has logged since it was started.
    fn said(&self) -> String {
        let log = fs::read(self.log()).unwrap_or_default();
        let before = self.running.as_ref().map_or(0, |running| running.log_bytes);
        String::from_utf8_lossy(&log[usize::try_from(before).unwrap_or(0).min(log.len())..]).into_owned()
    }

    fn settings(&self) -> PathBuf {
        self.folder.join("server.properties")
    }

    fn log(&self) -> PathBuf {
        self.folder.join("log")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.java.stdin.take());
        let _ = self.java.wait();
    }
}

/// Waits for a command that must succeed.
pub(crate) fn finished(child: Child) -> Result<(), String> {
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{}: {}", output.status, String::from_utf8_lossy(&[output.stdout, output.stderr].concat())))
}

fn java(jars: &Path, class: &str) -> Command {
    let mut command = Command::new("java");
    command.args(JAVA).arg("-cp").arg(jars.join("*"));
    command.args(["-Dorg.slf4j.simpleLogger.showDateTime=true", class]);
    command
}

fn settings(number: u32, folder: &Path, all: &[Ports], password: &str) -> String {
    let own = all[number as usize - 1];
    let voters: Vec<String> =
        (1..).zip(all).map(|(number, ports)| format!("{number}@127.0.0.1:{}", ports.controller)).collect();
    let folder = folder.display();
    let mut text = format!(
        "process.roles=broker,controller
node.id={number}
controller.quorum.voters={voters}
controller.listener.names=CONTROLLER
listeners=SASL://127.0.0.1:{sasl},FAR://127.0.0.1:{far},MUTUAL://127.0.0.1:{mutual},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=SASL://127.0.0.1:{sasl},FAR://127.0.0.1:{near},MUTUAL://127.0.0.1:{mutual}
listener.security.protocol.map=SASL:SASL_SSL,FAR:SASL_SSL,MUTUAL:SSL,CONTROLLER:SSL
inter.broker.listener.name=MUTUAL
listener.name.mutual.ssl.client.auth=required
listener.name.controller.ssl.client.auth=required
ssl.principal.mapping.rules=RULE:^CN=([^,]+).*$/$1/
ssl.keystore.type=PEM
ssl.keystore.location={folder}/node.pem
ssl.truststore.type=PEM
ssl.truststore.location={folder}/ca.pem
super.users=User:{ADMINISTRATOR};User:{NODE}
log.dirs={folder}/data
listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required",
        voters = voters.join(","),
        sasl = own.sasl,
        mutual = own.mutual,
        controller = own.controller,
        far = own.far,
        near = own.near,
    );
    for user in USERS.iter().chain([&ADMINISTRATOR]) {
        write!(text, " user_{user}=\"{password}\"").expect("a string takes all");
    }
    text.push_str(";\n");
    text.push_str(COMMON);
    text
}

/// What is the same on every node: a small cluster that loses nothing while one of three is away, and that notices
/// soon that one is.
const COMMON: &str = "sasl.enabled.mechanisms=SCRAM-SHA-512,SCRAM-SHA-256,PLAIN,OAUTHBEARER
listener.name.sasl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.far.sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.far.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl.oauthbearer.sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"broker\";
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
auto.create.topics.enable=false
default.replication.factor=3
min.insync.replicas=2
offsets.topic.replication.factor=3
offsets.topic.num.partitions=3
transaction.state.log.replication.factor=3
transaction.state.log.min.isr=2
transaction.state.log.num.partitions=3
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
log.cleaner.dedupe.buffer.size=4194304
log.index.size.max.bytes=1048576
num.network.threads=2
num.io.threads=3
";
