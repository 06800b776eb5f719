//! The topics on Kafka and who may do what with them: planned, made and checked; and what each role finds at its start.
//!
//! It refuses to change a topic that is there: what is different is told, and a person decides.

use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow, bail, ensure};
use bus::kafka::{Cluster, Found, Grant, Operation, Plan, READER_GROUP, Resource};
use clap::ValueEnum;
use schemas::topic;

use crate::configuration::{Bus, BusKind};

/// What a message may have beside its value, in bytes.
const AROUND_A_VALUE_BYTES_MAX: usize = 2 * 1024 * 1024;
const RARE_TOPIC_HOURS: u64 = 90 * 24;
/// Not every broker knows a new topic at once.
const KNOWN_WITHIN: Duration = Duration::from_secs(10);
/// Between two looks at it.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Who takes part, each a Kafka user of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Party {
    Ingress,
    Masker,
    Approver,
    Archiver,
    Query,
    /// Whoever else reads the records.
    Siem,
}

impl Party {
    pub const ALL: [Party; 6] =
        [Party::Ingress, Party::Masker, Party::Approver, Party::Archiver, Party::Query, Party::Siem];

    pub fn as_str(self) -> &'static str {
        match self {
            Party::Ingress => "ingress",
            Party::Masker => "masker",
            Party::Approver => "approver",
            Party::Archiver => "archiver",
            Party::Query => "query",
            Party::Siem => "siem",
        }
    }

    /// All that it may do, and nothing more.
    fn rights(self) -> Vec<(Operation, Resource)> {
        let topic = |operation, name: &str| (operation, Resource::Topic(name.to_owned()));
        let read = |name| topic(Operation::Read, name);
        let write = |name| topic(Operation::Write, name);
        let group = |name: &str| (Operation::Read, Resource::Group(name.to_owned()));
        let transactions = |group: &str| (Operation::Write, Resource::Transactions(format!("{group}-")));
        match self {
            Party::Ingress | Party::Approver => {
                vec![write(topic::FRAMES), read(topic::APPROVALS), group(READER_GROUP)]
            }
            Party::Masker => vec![
                read(topic::FRAMES),
                write(topic::RECORDS),
                write(topic::APPROVALS),
                write(topic::QUARANTINE),
                group("hansard-masker"),
                group(READER_GROUP),
                transactions("hansard-masker"),
                // `hansard quarantine` is the masker's work by hand.
                read(topic::QUARANTINE),
                group("hansard-quarantine"),
                transactions("hansard-quarantine"),
            ],
            Party::Archiver => vec![
                read(topic::RECORDS),
                write(topic::QUARANTINE),
                group("hansard-archiver"),
                group(READER_GROUP),
                transactions("hansard-archiver"),
            ],
            Party::Query => vec![write(topic::FRAMES), read(topic::RECORDS), group(READER_GROUP)],
            Party::Siem => vec![read(topic::RECORDS), group("siem")],
        }
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The topics as they are to be.
pub fn plan(section: &Bus) -> Vec<Plan> {
    let topic = |name: &str, hours: u64| Plan {
        name: name.to_owned(),
        partitions: section.partitions,
        replication: section.replication,
        settings: settings(section, hours),
    };
    vec![
        topic(topic::FRAMES, section.frames_hours),
        topic(topic::RECORDS, section.records_hours),
        topic(topic::APPROVALS, RARE_TOPIC_HOURS),
        topic(topic::QUARANTINE, RARE_TOPIC_HOURS),
    ]
}

fn settings(section: &Bus, hours: u64) -> Vec<(String, String)> {
    let each = [
        ("cleanup.policy", "delete".to_owned()),
        ("max.message.bytes", (bus::VALUE_BYTES_MAX + AROUND_A_VALUE_BYTES_MAX).to_string()),
        ("message.timestamp.type", "LogAppendTime".to_owned()),
        ("min.insync.replicas", section.replication.saturating_sub(1).max(1).to_string()),
        ("retention.bytes", (section.topic_bytes_max / u64::from(section.partitions.max(1))).to_string()),
        ("retention.ms", hours.saturating_mul(3_600_000).to_string()),
        ("unclean.leader.election.enable", "false".to_owned()),
    ];
    each.map(|(key, value)| (key.to_owned(), value)).to_vec()
}

/// How the topics that are there differ from the plan.
fn differences(plan: &[Plan], found: &BTreeMap<String, Found>) -> Vec<String> {
    let mut all = Vec::new();
    for plan in plan {
        let name = &plan.name;
        let Some(found) = found.get(name) else {
            all.push(format!("{name} is not there, or this user may not see it"));
            continue;
        };
        if found.partitions != plan.partitions {
            all.push(format!("{name} has {} partitions, planned are {}", found.partitions, plan.partitions));
        }
        if found.replication < plan.replication {
            all.push(format!("{name} has {} replicas, planned are {}", found.replication, plan.replication));
        }
        for (key, planned) in &plan.settings {
            match found.settings.iter().find(|(found, _)| found == key) {
                Some((_, value)) if value != planned => {
                    all.push(format!("{name} has {key} = {value}, planned is {planned}"));
                }
                None => all.push(format!("{name}: this user may not see {key}")),
                Some(_) => {}
            }
        }
    }
    all
}

/// That the topics are there which these need, and that this user may do with them what they do.
pub async fn check_needs(cluster: &Cluster, parties: &[Party]) -> Result<()> {
    let mut needs: Vec<(Operation, String)> = Vec::new();
    for (operation, resource) in parties.iter().flat_map(|party| party.rights()) {
        if let Resource::Topic(name) = resource {
            needs.push((operation, name));
        }
    }
    let names: Vec<&str> = needs.iter().map(|(_, name)| name.as_str()).collect();
    let faults = unmet(&needs, &cluster.find(&names).await?);
    ensure!(
        faults.is_empty(),
        "the Kafka cluster lacks what {} needs: {}; `hansard topics create` makes topics, `hansard topics acls --apply` gives rights",
        parties.iter().map(|party| party.as_str()).collect::<Vec<_>>().join(", "),
        faults.join("; ")
    );
    Ok(())
}

fn unmet(needs: &[(Operation, String)], found: &BTreeMap<String, Found>) -> Vec<String> {
    let mut faults = Vec::new();
    for (operation, name) in needs {
        let fault = match found.get(name) {
            None => format!("{name} is not there, or this user may not see it"),
            Some(found) if !found.operations.contains(operation) => {
                format!("this user may not {} {name}", word(*operation))
            }
            Some(_) => continue,
        };
        if !faults.contains(&fault) {
            faults.push(fault);
        }
    }
    faults
}

fn word(operation: Operation) -> &'static str {
    match operation {
        Operation::Read => "read",
        Operation::Write => "write",
        Operation::Describe => "describe",
    }
}

/// `hansard topics plan`.
#[expect(clippy::print_stdout, reason = "the plan is what is asked for")]
pub fn show_plan(section: &Bus) {
    for plan in plan(section) {
        println!("{}  {} partitions, {} replicas", plan.name, plan.partitions, plan.replication);
        plan.settings.iter().for_each(|(key, value)| println!("    {key} = {value}"));
    }
}

/// `hansard topics create`: makes what is missing, then checks.
#[expect(clippy::print_stdout, reason = "what was done is what is asked for")]
pub async fn create(section: &Bus) -> Result<()> {
    let cluster = connect(section).await?;
    let planned = plan(section);
    let there = find(&cluster, &planned).await?;
    for plan in &planned {
        if there.contains_key(&plan.name) {
            println!("{} is there", plan.name);
        } else {
            cluster.create(plan).await?;
            println!("{} is made", plan.name);
        }
    }
    report(&planned, &find_made(&cluster, &planned).await?)
}

/// What is found once the brokers that are asked know all that was made.
async fn find_made(cluster: &Cluster, planned: &[Plan]) -> Result<BTreeMap<String, Found>> {
    let until = Instant::now() + KNOWN_WITHIN;
    loop {
        let found = find(cluster, planned).await?;
        if differences(planned, &found).is_empty() || Instant::now() > until {
            return Ok(found);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// `hansard topics check`.
pub async fn check(section: &Bus) -> Result<()> {
    let cluster = connect(section).await?;
    let planned = plan(section);
    report(&planned, &find(&cluster, &planned).await?)
}

/// `hansard topics acls`: shows the rights of each party, as Kafka's own tool would give them, or gives them.
#[expect(clippy::print_stdout, reason = "the rights are what is asked for")]
pub async fn acls(section: &Bus, principals: &[(Party, String)], apply: bool) -> Result<()> {
    let grants: Vec<Grant> = Party::ALL.iter().flat_map(|party| grants(*party, principals)).collect();
    if apply {
        connect(section).await?.grant(&grants).await?;
    }
    for grant in &grants {
        println!("{}", command_line(section, grant));
    }
    if apply {
        println!("given");
    }
    Ok(())
}

fn grants(party: Party, principals: &[(Party, String)]) -> Vec<Grant> {
    let given = principals.iter().find(|(of, _)| *of == party).map(|(_, principal)| principal.clone());
    let principal = given.unwrap_or_else(|| format!("User:{party}"));
    let grant = |(operation, resource)| Grant { principal: principal.clone(), resource, operation };
    party.rights().into_iter().map(grant).collect()
}

fn command_line(section: &Bus, grant: &Grant) -> String {
    let resource = match &grant.resource {
        Resource::Topic(name) => format!("--topic {name}"),
        Resource::Group(name) => format!("--group {name}"),
        Resource::Transactions(prefix) => {
            format!("--transactional-id {prefix} --resource-pattern-type prefixed")
        }
    };
    let (brokers, principal, operation) = (section.brokers.join(","), &grant.principal, word(grant.operation));
    format!(
        "kafka-acls.sh --bootstrap-server {brokers} --add --allow-principal {principal} --operation {operation} {resource}"
    )
}

/// `ROLE=PRINCIPAL` of the command line.
pub fn principal(text: &str) -> Result<(Party, String), String> {
    let (party, principal) = text.split_once('=').ok_or("give it as ROLE=User:NAME")?;
    let party = Party::from_str(party, true)?;
    if !principal.starts_with("User:") {
        return Err(format!("\"{principal}\" is no principal: it begins with User:"));
    }
    Ok((party, principal.to_owned()))
}

async fn connect(section: &Bus) -> Result<Cluster> {
    if section.kind != BusKind::Kafka {
        bail!("[bus] kind is \"embedded\", whose topics make themselves: set kind = \"kafka\" and brokers");
    }
    crate::kafka::connect(section, "topics").await
}

async fn find(cluster: &Cluster, plan: &[Plan]) -> Result<BTreeMap<String, Found>> {
    let names: Vec<&str> = plan.iter().map(|plan| plan.name.as_str()).collect();
    Ok(cluster.find(&names).await?)
}

#[expect(clippy::print_stdout, reason = "what was found is what is asked for")]
fn report(plan: &[Plan], found: &BTreeMap<String, Found>) -> Result<()> {
    let differences = differences(plan, found);
    if differences.is_empty() {
        println!("all topics are as planned");
        return Ok(());
    }
    Err(anyhow!("the topics are not as planned: {}", differences.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn as_planned(section: &Bus) -> BTreeMap<String, Found> {
        let found = |plan: Plan| {
            let operations = vec![Operation::Read, Operation::Write];
            (plan.name, Found { partitions: plan.partitions, replication: 3, operations, settings: plan.settings })
        };
        plan(section).into_iter().map(found).collect()
    }

    #[test]
    fn what_differs_from_the_plan_is_named() {
        let section = Bus::default();
        let mut found = as_planned(&section);
        assert!(differences(&plan(&section), &found).is_empty());
        found.remove(topic::APPROVALS);
        let frames = found.get_mut(topic::FRAMES).unwrap();
        frames.partitions = 1;
        frames.settings.retain(|(key, _)| key != "retention.ms");
        let records = found.get_mut(topic::RECORDS).unwrap();
        records.settings.iter_mut().for_each(|(_, value)| value.push('0'));
        let told = differences(&plan(&section), &found).join("\n");
        for part in [
            "hansard.approvals is not there",
            "hansard.frames has 1 partitions, planned are 4",
            "hansard.frames: this user may not see retention.ms",
            "hansard.records has min.insync.replicas = 20, planned is 2",
        ] {
            assert!(told.contains(part), "{part:?} in {told}");
        }
    }

    #[test]
    fn a_role_is_told_what_it_lacks() {
        let mut found = as_planned(&Bus::default());
        found.get_mut(topic::FRAMES).unwrap().operations = vec![Operation::Read];
        found.remove(topic::APPROVALS);
        let needs = [(Operation::Write, topic::FRAMES.to_owned()), (Operation::Read, topic::APPROVALS.to_owned())];
        let told = unmet(&needs, &found).join("\n");
        assert_eq!(
            told,
            "this user may not write hansard.frames\nhansard.approvals is not there, or this user may not see it"
        );
    }

    /// Promise 2, by rights: only the masker reads what is sealed, and only it writes in clear.
    #[test]
    fn only_the_masker_reads_frames_and_writes_records() {
        let who = |operation, name: &str| -> Vec<&str> {
            let right = (operation, Resource::Topic(name.to_owned()));
            Party::ALL.iter().filter(|party| party.rights().contains(&right)).map(|party| party.as_str()).collect()
        };
        assert_eq!(who(Operation::Read, topic::FRAMES), ["masker"]);
        assert_eq!(who(Operation::Write, topic::RECORDS), ["masker"]);
        assert_eq!(who(Operation::Write, topic::APPROVALS), ["masker"]);
        assert_eq!(who(Operation::Write, topic::FRAMES), ["ingress", "approver", "query"]);
        assert_eq!(who(Operation::Read, topic::RECORDS), ["archiver", "query", "siem"]);
    }

    #[test]
    fn principals_are_given_by_role() {
        assert_eq!(principal("masker=User:m-1"), Ok((Party::Masker, "User:m-1".to_owned())));
        assert!(principal("masker=m-1").unwrap_err().contains("User:"));
        assert!(principal("nobody=User:x").is_err() && principal("masker").is_err());
        let grants = grants(Party::Siem, &[(Party::Siem, "User:splunk".to_owned())]);
        assert!(
            command_line(&Bus::default(), &grants[0]).contains("User:splunk --operation read --topic hansard.records")
        );
    }
}
