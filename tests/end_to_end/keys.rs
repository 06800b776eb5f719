//! The keys of a data directory: rotated, missing, open to others, made by two programs at once.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use serde_json::{Value, json};

use super::{
    program::{Place, call, mcp, output},
    upstream::Upstream,
};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sealed_before_a_rotation_still_opens() {
    let upstream = Upstream::start().await;
    let place = Place::to(upstream.address);
    let running = place.start();
    let ada = place.token("ada", &[]);
    for id in 0..5 {
        mcp(running.ingress, &ada, &call(id, "echo", json!({}))).await;
    }
    // Some of the frames have not been opened yet.
    running.kill();
    let (before, listed) = (place.say(&["keys", "public"]), keys(&place));
    assert_eq!(listed.iter().filter(|key| key["current"] == true).count(), 1);
    assert_eq!(listed.len(), 1);
    let rotated = place.say(&["keys", "rotate"]);
    let listed = keys(&place);
    assert_eq!(listed.len(), 2);
    let current = listed.iter().find(|key| key["current"] == true).unwrap()["key_id"].as_str().unwrap();
    assert!(rotated.contains(current) && place.say(&["keys", "list"]).contains(current));
    assert_ne!(place.say(&["keys", "public"]), before);
    for entry in fs::read_dir(place.data().join("keys")).unwrap().map(Result::unwrap) {
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, if entry.file_name() == "sealing.public" { 0o644 } else { 0o600 }, "{entry:?}");
    }

    let running = place.start();
    mcp(running.ingress, &ada, &call(5, "echo", json!({}))).await;
    let status = "SELECT redaction_status, count(*) AS n FROM records WHERE method = 'tools/call' GROUP BY 1";
    place.sql_until(status, |rows| rows == [json!({ "redaction_status": "clean", "n": 12 })]);
}

fn keys(place: &Place) -> Vec<Value> {
    serde_json::from_str(&place.say(&["keys", "list", "--json"])).unwrap()
}

#[test]
fn first_uses_at_once_make_one_set_of_keys() {
    let place = Place::new("");
    let tokens: Vec<_> = (0..6).map(|n| place.command(&["token", "--subject", &format!("caller-{n}")])).collect();
    let ended = tokens.into_iter().map(|mut token| std::thread::spawn(move || output(&mut token)));
    for ended in ended.collect::<Vec<_>>() {
        let output = ended.join().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(keys(&place).len(), 1);
}

/// A start that must fail because of what was done to a file of `keys/`.
#[track_caller]
fn check_key(name: &str, damage: impl Fn(&Path), says: &str) {
    let place = Place::new("");
    assert!(place.start().stop().success());
    let names = fs::read_dir(place.data().join("keys")).unwrap().map(|entry| entry.unwrap().path());
    let path = names.into_iter().find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(name)).unwrap();
    damage(&path);
    let failure = place.fail(&["up"]);
    assert!(failure.why.contains(path.to_str().unwrap()) && failure.why.contains(says), "{failure:?}");
}

#[test]
fn a_missing_or_open_key_file_is_named() {
    let remove = |path: &Path| fs::remove_file(path).unwrap();
    check_key("identity.key", remove, "backup");
    check_key("sealing-", remove, "backup");
    check_key("sealing.public", remove, "backup");
    check_key("development.pem", remove, "backup");
    check_key(
        "identity.key",
        |path| fs::set_permissions(path, fs::Permissions::from_mode(0o640)).unwrap(),
        "chmod 600",
    );
}
