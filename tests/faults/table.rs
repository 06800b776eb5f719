//! The table: every effect of the pipeline, failed and not done, and failed but done; the process lives on, or dies at
//! once and starts again.

use bus::fault::Fault;
use schemas::commit;

use super::{
    callers::{Call, call_at_once, call_in_turn},
    chance::Chance,
    pipeline::{Site, Switches},
    upstream::Upstream,
    verdict::{self, Known, lost},
};

/// Calls around the fault.
const CALLS: u64 = 12;

/// What the pipeline does to something outside of its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    PublishFrame,
    CommitRecords,
    PutObject,
    PutEntry,
    CommitPosition,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aftermath {
    LivesOn,
    Dies,
}

impl Effect {
    /// It fails once, after it went well `spared` times where that can be said.
    fn fails(self, faults: &Switches, way: Fault, spared: usize) {
        match self {
            Effect::PublishFrame => {
                faults.ingress.pass_sends(spared);
                faults.ingress.fail_sends(way, 1);
            }
            Effect::CommitRecords => {
                faults.masker.pass_commits(spared);
                faults.masker.fail_commits(way, 1);
            }
            Effect::PutObject => faults.store.fail_put(commit::DATA, way),
            Effect::PutEntry => faults.store.fail_put(commit::COMMITS, way),
            Effect::CommitPosition => {
                faults.archiver.pass_commits(spared);
                faults.archiver.fail_commits(way, 1);
            }
        }
    }
}

async fn check(effect: Effect) {
    for way in [Fault::NotDone, Fault::Done] {
        for aftermath in [Aftermath::LivesOn, Aftermath::Dies] {
            for spared in 0..3 {
                check_cell(effect, way, aftermath, spared).await;
            }
        }
    }
}

async fn check_cell(effect: Effect, way: Fault, aftermath: Aftermath, spared: usize) {
    let what = format!("{effect:?} {way:?} after {spared}, {aftermath:?}");
    let upstream = Upstream::start().await;
    let site = Site::new(upstream.address);
    let mut chance = Chance::new(spared as u64);
    let mut known = Known::default();
    let mut life = site.start().await;
    known.given.add(call_in_turn(&life.door, &[Call::plain("before".into())]).await);

    effect.fails(&life.faults, way, spared);
    let calls = (0..CALLS).map(|call| Call::random(format!("n{call}"), &mut chance)).collect();
    known.given.add(call_at_once(&life.door, calls).await);
    life.struck(&what).await;
    if aftermath == Aftermath::Dies {
        life.crash();
        life = site.start().await;
    }
    known.given.add(call_in_turn(&life.door, &[Call::plain("after".into())]).await);
    life.stop().await;

    known.seen = upstream.seen();
    let rows = site.archived(&what).await;
    verdict::check(&what, &known, &rows);
    assert!(known.given.answers.contains_key("after"), "{what}: the fault is over, and calls are answered: {known:?}");
    let refused = &known.given.refused;
    let expected = usize::from(effect == Effect::PublishFrame);
    assert!(refused.len() <= expected && refused.values().all(|code| *code == 5301), "{what}: {refused:?}");
    if effect == Effect::PublishFrame && aftermath == Aftermath::LivesOn {
        assert_eq!(rows.iter().filter_map(lost).flatten().count(), 1, "{what}: the loss of one number is reported");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_that_is_not_published() {
    check(Effect::PublishFrame).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_that_are_not_committed() {
    check(Effect::CommitRecords).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_that_is_not_put() {
    check(Effect::PutObject).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_of_the_commit_log_that_is_not_put() {
    check(Effect::PutEntry).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_position_that_is_not_committed() {
    check(Effect::CommitPosition).await;
}
