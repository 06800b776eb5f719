//! What is in quarantine is masked again when its cause is mended: each frame once, whatever fails meanwhile.

use bus::fault::Fault;
use hansard_masker::quarantine::Released;
use schemas::{FrameKind, Record, RedactionStatus};

use crate::world::{World, exchange, frame, more};

/// A world in whose quarantine a request, a streamed answer of another key, and something that is no text wait.
async fn quarantined() -> (World, World) {
    let (world, stranger) = (World::new().await, World::new().await);
    world.send_from(&stranger, frame(0, FrameKind::Request, br#"{"to":"jane@example.org"}"#)).await;
    world.send_from(&stranger, frame(1, FrameKind::Chunk, b"one bob@")).await;
    world.send_from(&stranger, more(1, b"example.org two")).await;
    world.send_from(&stranger, frame(1, FrameKind::Response, b"")).await;
    world.send(frame(2, FrameKind::Request, b"\xff")).await;
    let running = world.start();
    assert!(world.wait(5).await.iter().all(|record| record.redaction_status == RedactionStatus::Withheld));
    running.stop().await;
    (world, stranger)
}

/// Every record that was released, and that there is no other new one.
async fn released(world: &World) -> Vec<Record> {
    let records = world.records().await;
    records.into_iter().skip(5).inspect(|one| assert_eq!(one.redaction_status, RedactionStatus::Released)).collect()
}

async fn check_all(world: &World) {
    let records = released(world).await;
    let bodies: Vec<_> = records.iter().map(|record| (record.exchange_id, record.body.as_deref())).collect();
    let expected =
        [(exchange(0), Some(r#"{"to":"[REDACTED:email]"}"#)), (exchange(1), Some("one [REDACTED:email] two"))];
    assert_eq!(bodies, expected);
    assert_eq!(records[0].subject.as_deref(), Some("jane"), "who it was is known now");
    assert_eq!(world.waiting().await.len(), 1, "what is no text stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_masked_now_is_released_once() {
    let (world, stranger) = quarantined().await;
    let waiting = world.waiting().await;
    let told: Vec<_> = waiting.iter().map(|one| (one.kind.as_deref(), one.reason.as_deref())).collect();
    let unknown = |kind| (Some(kind), Some("unknown_key"));
    let expected = [
        unknown("request"),
        unknown("chunk"),
        unknown("chunk"),
        unknown("response"),
        (Some("request"), Some("not_text")),
    ];
    assert_eq!(told, expected);
    assert_eq!(world.reprocess(&[]).await.expect("it ends"), Released { released: 0, withheld: 5 }, "no key yet");
    assert_eq!(world.waiting().await.len(), 5);
    assert_eq!(world.reprocess(&[&stranger]).await.expect("it ends"), Released { released: 2, withheld: 1 });
    check_all(&world).await;
    assert_eq!(world.reprocess(&[&stranger]).await.expect("it ends"), Released { released: 0, withheld: 1 });
    check_all(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_commits_release_nothing_twice() {
    for fault in [Fault::NotDone, Fault::Done, Fault::Fenced] {
        let (world, stranger) = quarantined().await;
        world.faults.fail_commits(fault, 1);
        world.reprocess(&[&stranger]).await.expect_err("the log failed");
        world.reprocess(&[&stranger]).await.expect("it ends");
        check_all(&world).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_approval_is_opened_that_late() {
    let (world, stranger) = quarantined().await;
    world.reprocess(&[&stranger]).await.expect("it ends");
    assert_eq!(world.approvals().await, []);
}
