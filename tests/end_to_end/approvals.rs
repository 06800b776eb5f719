//! Held calls and the people who vote on them: what counts, what does not, and what the trail says of both.

use serde_json::{Value, json};

use super::{
    program::Place,
    scene::{HOLD, Scene},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_held_call_goes_on_when_somebody_else_approves_it() {
    let scene = Scene::open(HOLD).await;
    let place = &scene.place;
    let (call, id) = scene.held(json!({ "version": 42 }));
    let approval = &scene.waiting()[0];
    assert_eq!(
        (&approval["target"], &approval["rule"], &approval["state"]),
        (&json!("deploy"), &json!("production"), &json!("pending"))
    );
    assert_eq!(approval["requester"]["subject"], "ada");
    assert!(approval["body"].as_str().unwrap().contains("42"));
    assert!(place.say(&["approvals", "list"]).contains(&id));

    // Who asks cannot decide, in whatever group; nor who is in none.
    for (subject, groups, why) in [("ada", &["sre"][..], "requester"), ("eve", &[][..], "groups")] {
        let token = place.token(subject, groups);
        for choice in ["approve", "deny"] {
            let failure = place.fail(&["approvals", choice, &id, "--token", &token]);
            assert_eq!(failure.status, Some(77), "{failure:?}");
            assert!(failure.why.contains("does not count") && failure.why.contains(why), "{failure:?}");
        }
    }
    assert_eq!(scene.waiting()[0]["votes"], json!([]), "the call still waits");
    assert!(scene.upstream.seen().is_empty() && !call.is_finished());

    let grace = place.token("grace", &["sre"]);
    let said = place.say(&["approvals", "approve", &id, "--token", &grace, "--comment", "go ahead", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&said).unwrap()["state"], "approved");
    let answer = call.await.unwrap();
    assert_eq!(answer.message()["result"]["content"][0]["text"], "{\"version\":42}", "{answer:?}");
    assert_eq!(scene.upstream.seen().len(), 1);
    assert_eq!(scene.waiting(), [] as [Value; 0]);
    assert_eq!(place.fail(&["approvals", "deny", &id, "--token", &grace]).status, Some(77), "it is decided");

    let view = scene.rows("SELECT * FROM approvals", |rows| rows.len() == 1 && rows[0]["state"] == "redeemed").await;
    assert_eq!(
        (&view[0]["approval_id"], &view[0]["approvals"], &view[0]["denials"]),
        (&json!(id), &json!(1), &json!(0))
    );
    assert_eq!((&view[0]["subject"], &view[0]["voters"]), (&json!("ada"), &json!(["grace"])));
    let votes = format!(
        "SELECT subject, body FROM records WHERE kind = 'decision' AND method = 'approval/vote' AND approval_id = '{id}'"
    );
    let votes = scene.rows(&votes, |rows| rows.len() == 1).await;
    assert_eq!(votes[0]["subject"], "grace");
    assert!(votes[0]["body"].as_str().unwrap().contains("go ahead"), "{votes:?}");
    let refused = format!(
        "SELECT subject FROM refusals WHERE method = 'approval/vote' AND approval_id = '{id}' ORDER BY occurred_at"
    );
    let refused = scene.rows(&refused, |rows| rows.len() == 5).await;
    assert_eq!(
        refused.iter().map(|row| row["subject"].as_str().unwrap()).collect::<Vec<_>>(),
        ["ada", "ada", "eve", "eve", "grace"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_call_does_not_happen() {
    let scene = Scene::open(HOLD).await;
    let (call, id) = scene.held(json!({}));
    let grace = scene.place.token("grace", &["sre"]);
    assert!(
        scene.place.say(&["approvals", "deny", &id, "--token", &grace, "--comment", "not today"]).contains("denied")
    );
    let error = call.await.unwrap().message()["error"].clone();
    assert_eq!((&error["code"], &error["data"]["approval_id"]), (&json!(4302), &json!(id)), "{error}");
    assert!(scene.upstream.seen().is_empty());
    let row = scene
        .rows("SELECT state, denials FROM approvals", |rows| rows.len() == 1 && rows[0]["state"] == "denied")
        .await;
    assert_eq!(row[0]["denials"], 1);
    assert_eq!(
        scene.row("SELECT outcome FROM exchanges WHERE target = 'deploy' AND refused").await["outcome"],
        "denied"
    );
    let all = scene.place.say(&["approvals", "list", "--all", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&all).unwrap()[0]["state"], "denied");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_nobody_decides_on_expires() {
    let scene = Scene::open(&HOLD.replace("5m", "1s")).await;
    let answer = scene.call("deploy", json!({})).await;
    let error = &answer.message()["error"];
    assert_eq!(error["code"], 4303, "{answer:?}");
    assert!(scene.upstream.seen().is_empty());
    let row = scene
        .rows("SELECT approval_id, state FROM approvals", |rows| rows.len() == 1 && rows[0]["state"] == "expired")
        .await;
    assert_eq!(scene.waiting(), [] as [Value; 0]);
    let grace = scene.place.token("grace", &["sre"]);
    let late = scene.place.fail(&["approvals", "approve", row[0]["approval_id"].as_str().unwrap(), "--token", &grace]);
    assert_eq!(late.status, Some(77));
    assert!(late.why.contains("no longer waiting") || late.why.contains("time to decide"), "{late:?}");
}

#[test]
fn a_vote_on_nothing_says_so() {
    let place = Place::new("");
    let grace = place.token("grace", &["sre"]);
    let vote = |id: &str, token: &str| place.fail(&["approvals", "approve", id, "--token", token]);
    let id = "01890000-0000-7000-8000-000000000000";
    assert_eq!(vote(id, &grace).status, Some(69), "nothing runs yet");
    let running = place.start();
    let unknown = vote(id, &grace);
    assert!(unknown.status == Some(77) && unknown.why.contains("no such held call"), "{unknown:?}");
    assert!(vote("nonsense", &grace).why.contains("UUID"));
    assert!(vote(id, "nonsense").why.contains("token"));
    assert!(running.stop().success());
    let stopped = vote(id, &grace);
    assert!(stopped.status == Some(69) && stopped.why.contains("hansard up"), "{stopped:?}");
}
