//! The roles as processes of their own on three real brokers, each as a Kafka user with no more rights than it needs:
//! brokers and roles are killed, frozen and started under load.
//!
//! After each fault everything is verified again from outside: what the upstream saw and what callers got against the
//! archive, and every frame on Kafka against the rows. `HANSARD_KAFKA_FAULTS=all` runs the faults that an ordinary
//! run leaves out as well, and `HANSARD_KAFKA_FAULTS=BrokerKilled,MaskerKilled` these.

use std::time::{Duration, Instant};

use test_cluster::Weather;

use super::{
    callers::{Call, Callers, call_at_once, let_pass},
    verdict::{self, Known},
};
use site::Site;

mod events;
mod people;
mod replaced;
mod site;

/// Callers at one time.
const CALLERS: u64 = 8;
/// The load before and after a fault.
const LOAD_MILLISECONDS: u64 = 1_500;
/// How long a frozen masker sleeps: its group has expelled it long before.
const FROZEN_MILLISECONDS: u64 = 15_000;
/// How long a network is cut: a group expels whom it has not heard of for 10 s.
const CUT_MILLISECONDS: u64 = 15_000;
/// Starts and stops of a storm.
const STORM: usize = 6;

/// What goes wrong while calls come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Nothing,
    BrokerKilled,
    MaskerKilled,
    /// Until its group has given its partitions to another; then it goes on.
    MaskerFrozen,
    ControllerKilled,
    ArchiverKilled,
    IngressKilled,
    /// The one that showed a held call, before anybody has voted.
    ApproverKilled,
    BrokerFrozen,
    /// Maskers and archivers are started and stopped one after another.
    RebalanceStorm,
    /// So that nothing can be durable.
    TwoBrokersKilled,
    /// Between one stage and all brokers, for longer than its group waits: both ways.
    IngressCut,
    MaskerCut,
    ArchiverCut,
    /// What the brokers say is lost, and so whether something was recorded or committed.
    IngressDeaf,
    MaskerDeaf,
    /// What the stage says is lost.
    IngressMute,
    MaskerMute,
    /// One of each stage has a network on which all takes its time.
    NetworkSlow,
    /// Approvers and queries as processes of their own; no fault, and people at work.
    People,
    /// The records are deleted and made anew under the archivers. Nothing goes on after it.
    TopicReplaced,
    /// The frames, or the approvals, are deleted and made anew; all go on.
    FramesReplaced,
    ApprovalsReplaced,
}

const ORDINARY: [Fault; 9] = [
    Fault::Nothing,
    Fault::People,
    Fault::MaskerKilled,
    Fault::MaskerFrozen,
    Fault::ArchiverKilled,
    Fault::IngressKilled,
    Fault::BrokerKilled,
    Fault::BrokerFrozen,
    Fault::TwoBrokersKilled,
];
const MORE: [Fault; 14] = [
    Fault::ApproverKilled,
    Fault::ControllerKilled,
    Fault::RebalanceStorm,
    Fault::IngressCut,
    Fault::MaskerCut,
    Fault::ArchiverCut,
    Fault::IngressDeaf,
    Fault::MaskerDeaf,
    Fault::IngressMute,
    Fault::MaskerMute,
    Fault::NetworkSlow,
    Fault::FramesReplaced,
    Fault::ApprovalsReplaced,
    Fault::TopicReplaced,
];

#[tokio::test(flavor = "multi_thread")]
async fn roles_apart_on_three_brokers_lose_and_double_nothing() {
    let Some(mut site) = Site::start().await else { return };
    for (round, fault) in asked().into_iter().enumerate() {
        match fault {
            Fault::TwoBrokersKilled => without_enough_brokers(&mut site, round).await,
            Fault::People => people::at_work(&mut site, round).await,
            Fault::ApproverKilled => people::while_an_approver_is_killed(&mut site, round).await,
            Fault::FramesReplaced => replaced::frames(&mut site, round).await,
            Fault::ApprovalsReplaced => replaced::approvals(&mut site, round).await,
            Fault::TopicReplaced => return replaced::records(&mut site, round).await,
            fault => strike(&mut site, round, fault).await,
        }
    }
}

/// The faults of this run, in order.
fn asked() -> Vec<Fault> {
    let all = || ORDINARY.iter().chain(&MORE).copied();
    match std::env::var("HANSARD_KAFKA_FAULTS").unwrap_or_default().as_str() {
        "" => ORDINARY.to_vec(),
        "all" => all().collect(),
        names => names
            .split(',')
            .map(|name| all().find(|fault| name == format!("{fault:?}")).expect("the name of a fault"))
            .collect(),
    }
}

/// Load, the fault in the middle of it, more load, and the verdict.
async fn strike(site: &mut Site, round: usize, fault: Fault) {
    let began = Instant::now();
    let doors = site.open_doors(fault.is_of_ingress() || fault == Fault::NetworkSlow).await;
    let mut all = Vec::new();
    for (number, door) in doors.iter().enumerate() {
        all.push(Callers::start(door, &format!("{fault:?}r{round}d{number}"), CALLERS / 2, &mut site.chance));
    }
    let_pass(LOAD_MILLISECONDS).await;
    happen(site, fault).await;
    let_pass(LOAD_MILLISECONDS).await;
    site.close_doors();
    for callers in all {
        site.known.given.add(callers.given().await);
    }
    let rows = verify(site, &format!("{fault:?}")).await;
    println!(
        "{fault:?}: {} calls so far, {rows} rows, verified after {:?}",
        site.upstream.seen().len(),
        began.elapsed()
    );
}

async fn happen(site: &mut Site, fault: Fault) {
    match fault {
        Fault::Nothing | Fault::TwoBrokersKilled | Fault::People | Fault::ApproverKilled => {}
        Fault::TopicReplaced | Fault::FramesReplaced | Fault::ApprovalsReplaced => {}
        Fault::BrokerKilled => broker_killed(site, 0).await,
        Fault::ControllerKilled => {
            let controller = site.cluster.controller().expect("one of them leads");
            broker_killed(site, controller).await;
        }
        Fault::MaskerKilled => {
            site.maskers.remove(0).kill();
            let_pass(LOAD_MILLISECONDS).await;
            site.add_masker();
        }
        Fault::MaskerFrozen => {
            site.maskers[0].signal("-STOP");
            let_pass(FROZEN_MILLISECONDS).await;
            site.maskers[0].signal("-CONT");
        }
        Fault::ArchiverKilled => {
            site.archivers.remove(0).kill();
            site.add_archiver();
        }
        Fault::IngressKilled => site.ingresses.remove(0).kill(),
        Fault::BrokerFrozen => {
            site.cluster.freeze(1);
            let_pass(2 * LOAD_MILLISECONDS).await;
            site.cluster.thaw(1);
        }
        Fault::RebalanceStorm => {
            for _ in 0..STORM {
                site.add_masker();
                site.maskers.remove(0).terminate();
                site.add_archiver();
                site.archivers.remove(0).terminate();
            }
        }
        Fault::MaskerCut | Fault::MaskerDeaf | Fault::MaskerMute => {
            site.move_masker_away();
            bad_weather(site, fault.weather()).await;
        }
        Fault::ArchiverCut => {
            site.move_archiver_away();
            bad_weather(site, fault.weather()).await;
        }
        Fault::IngressCut | Fault::IngressDeaf | Fault::IngressMute => bad_weather(site, fault.weather()).await,
        Fault::NetworkSlow => {
            site.move_masker_away();
            site.move_archiver_away();
            bad_weather(site, fault.weather()).await;
        }
    }
}

impl Fault {
    fn is_of_ingress(self) -> bool {
        matches!(self, Fault::IngressCut | Fault::IngressDeaf | Fault::IngressMute)
    }

    fn weather(self) -> Weather {
        match self {
            Fault::IngressCut | Fault::MaskerCut | Fault::ArchiverCut => Weather::Cut,
            Fault::IngressDeaf | Fault::MaskerDeaf => Weather::Deaf,
            Fault::IngressMute | Fault::MaskerMute => Weather::Mute,
            Fault::NetworkSlow => Weather::Slow,
            _ => Weather::Fair,
        }
    }
}

/// After those who are far have been at work for a while.
async fn bad_weather(site: &Site, weather: Weather) {
    let_pass(2 * LOAD_MILLISECONDS).await;
    site.cluster.set_weather(weather);
    let_pass(CUT_MILLISECONDS).await;
    site.cluster.set_weather(Weather::Fair);
}

async fn broker_killed(site: &mut Site, node: usize) {
    site.cluster.kill(node);
    let_pass(2 * LOAD_MILLISECONDS).await;
    site.cluster.revive(node);
}

/// With one broker of three nothing is durable: calls are refused, nothing reaches the upstream, and it all goes on
/// by itself when the brokers are back.
async fn without_enough_brokers(site: &mut Site, round: usize) {
    let began = Instant::now();
    let door = site.open_doors(false).await.remove(0);
    site.cluster.kill(1);
    site.cluster.kill(2);
    let before = site.upstream.seen();
    let calls = (0..4).map(|number| Call::plain(format!("dark{number}r{round}"))).collect();
    let given = call_at_once(&door, calls).await;
    assert_eq!(site.upstream.seen(), before, "nothing is forwarded that is not recorded");
    assert!(given.answers.is_empty() && given.refused.len() == 4, "{given:?}");
    assert!(given.refused.values().all(|code| *code == NOT_RECORDED), "{given:?}");
    site.known.given.add(given);
    site.cluster.revive(1);
    site.cluster.revive(2);
    let until = Instant::now() + Duration::from_secs(60);
    for number in 0.. {
        let given = call_at_once(&door, vec![Call::plain(format!("light{number}r{round}"))]).await;
        let answered = !given.answers.is_empty();
        site.known.given.add(given);
        if answered {
            break;
        }
        assert!(Instant::now() < until, "it does not go on by itself");
    }
    site.close_doors();
    let rows = verify(site, "TwoBrokersKilled").await;
    println!("TwoBrokersKilled: {rows} rows, verified after {:?}", began.elapsed());
}

/// JSON-RPC code of a call that could not be recorded.
const NOT_RECORDED: i64 = 5301;

/// How many rows there are, all of them as they must be.
async fn verify(site: &mut Site, what: &str) -> usize {
    let rows = site.archived(what).await;
    let known = Known { seen: site.upstream.seen(), given: std::mem::take(&mut site.known.given) };
    verdict::check(what, &known, &rows);
    site.known.given = known.given;
    rows.len()
}
