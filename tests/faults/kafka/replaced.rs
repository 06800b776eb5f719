//! A topic that is deleted and made anew under those who read it.
//!
//! The archive is older than the new log, so what is on it cannot go on where the archive ends. An archiver must see
//! that, say it, and leave the archive as it is.

use std::time::Duration;

use schemas::topic;

use super::{
    super::callers::{Call, call_in_turn},
    site::Site,
    verify,
};

/// Calls before, so that every partition of the records is likely to have been written.
const CALLS: usize = 40;
/// How long an archiver may take to notice.
const NOTICED_WITHIN: Duration = Duration::from_secs(120);

pub(super) async fn records(site: &mut Site, round: usize) {
    call(site, &format!("before{round}")).await;
    let rows = verify(site, "before the records are replaced").await;
    site.cluster.delete_topic(topic::RECORDS);
    site.administrate(&["topics", "create"]);
    call(site, &format!("after{round}")).await;
    for archiver in &site.archivers {
        let told = |text: &str| text.contains("another log");
        archiver.await_readiness(NOTICED_WITHIN, |answer| answer.status == 503 && told(answer.text())).await;
    }
    assert_eq!(site.archived_rows(), rows as u64, "the archive is as it was");
    println!("TopicReplaced: both archivers say so, and {rows} rows are as they were");
}

async fn call(site: &mut Site, name: &str) {
    let doors = site.open_doors(false).await;
    for (number, door) in doors.iter().enumerate() {
        let calls: Vec<Call> = (0..CALLS).map(|call| Call::plain(format!("{name}d{number}n{call}"))).collect();
        let given = call_in_turn(door, &calls).await;
        site.known.given.add(given);
    }
    site.close_doors();
}
