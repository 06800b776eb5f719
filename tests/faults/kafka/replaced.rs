//! A topic that is deleted and made anew under those who read it.
//!
//! **Records**: the archive is older than the new log, so what is on it cannot go on where the archive ends. An archiver
//! must see that, say it, and leave the archive as it is; one that was not there when it happened, too, although the new
//! log has grown beyond where the archive ends.
//!
//! **Frames, approvals**: what was on them is masked and archived before; all go on with the new ones by themselves.

use std::time::{Duration, Instant};

use schemas::topic;

use super::{
    super::callers::{Call, Door, call_in_turn},
    people,
    site::{Role, Site},
    verify,
};

/// Calls before, so that every partition of the records is likely to have been written.
const CALLS: usize = 40;
/// So often again, so that every partition ends beyond where the archive does.
const GROWS: usize = 3;
/// How long anybody may take to notice.
const NOTICED_WITHIN: Duration = Duration::from_secs(120);

pub(super) async fn records(site: &mut Site, round: usize) {
    call(site, &format!("before{round}")).await;
    let rows = verify(site, "before the records are replaced").await;
    replace(site, topic::RECORDS);
    call(site, &format!("after{round}")).await;
    for archiver in &site.archivers {
        let told = |text: &str| text.contains("another log");
        archiver.await_readiness(NOTICED_WITHIN, |answer| answer.status == 503 && told(answer.text())).await;
    }
    assert_eq!(site.archived_rows(), rows as u64, "the archive is as it was");
    for more in 0..GROWS {
        call(site, &format!("more{round}n{more}")).await;
    }
    site.archivers.drain(..).for_each(Role::terminate);
    site.add_archiver();
    let told = |text: &str| text.contains("another log than the one");
    site.archivers[0].await_readiness(NOTICED_WITHIN, |answer| answer.status == 503 && told(answer.text())).await;
    assert_eq!(site.archived_rows(), rows as u64, "the archive is as it was");
    println!(
        "TopicReplaced: archivers say so, those that saw it and one that did not, and {rows} rows are as they were"
    );
}

/// Ingresses and maskers live through it.
pub(super) async fn frames(site: &mut Site, round: usize) {
    let began = Instant::now();
    let doors = site.open_doors(false).await;
    through(site, &doors, &format!("before{round}")).await;
    let before = verify(site, "before the frames are replaced").await;
    site.replace_frames(|site| replace(site, topic::FRAMES)).await;
    until_one_passes(site, &doors, &format!("first{round}")).await;
    through(site, &doors, &format!("after{round}")).await;
    site.close_doors();
    let rows = verify(site, "FramesReplaced").await;
    assert!(rows > before + 2 * CALLS, "{rows} rows after {before}");
    println!("FramesReplaced: {rows} rows, verified after {:?}", began.elapsed());
}

/// Approver and ingress live through it, and then somebody is to vote.
pub(super) async fn approvals(site: &mut Site, round: usize) {
    people::at_work_after(site, round, |site| replace(site, topic::APPROVALS)).await;
}

fn replace(site: &Site, topic: &str) {
    site.cluster.delete_topic(topic);
    site.administrate(&["topics", "create"]);
}

async fn call(site: &mut Site, name: &str) {
    let doors = site.open_doors(false).await;
    through(site, &doors, name).await;
    site.close_doors();
}

async fn through(site: &mut Site, doors: &[Door], name: &str) {
    for (number, door) in doors.iter().enumerate() {
        let calls: Vec<Call> = (0..CALLS).map(|call| Call::plain(format!("{name}d{number}n{call}"))).collect();
        let given = call_in_turn(door, &calls).await;
        site.known.given.add(given);
    }
}

/// By every door.
async fn until_one_passes(site: &mut Site, doors: &[Door], name: &str) {
    let until = Instant::now() + NOTICED_WITHIN;
    for (number, door) in doors.iter().enumerate() {
        for attempt in 0.. {
            let given = call_in_turn(door, &[Call::plain(format!("{name}d{number}n{attempt}"))]).await;
            let passed = !given.answers.is_empty();
            site.known.given.add(given);
            if passed {
                break;
            }
            assert!(Instant::now() < until, "nothing passes within {NOTICED_WITHIN:?}");
        }
    }
}
