//! The house holds its own rules: dependencies point down, thin builds stay thin, files say what they are for.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, reason = "a test program")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const STAGES: [&str; 5] = ["ingress", "masker", "approver", "archiver", "query"];

/// What each library may know of ours.
const LIBRARIES: [(&str, &[&str]); 13] = [
    ("json", &[]),
    ("protocol", &["schemas", "json"]),
    ("identity", &["schemas"]),
    ("policy", &["schemas"]),
    ("redact", &["schemas", "json"]),
    ("siem", &["schemas"]),
    ("registry", &[]),
    ("envelope", &[]),
    ("tlog", &[]),
    ("bus", &[]),
    ("pages", &[]),
    ("spans", &[]),
    ("recorder", &["schemas", "bus", "envelope"]),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Rooms of ours that a manifest depends on outside its tests.
fn rooms_of(manifest: &str) -> BTreeSet<String> {
    let manifest: toml::Table = manifest.parse().unwrap();
    let ours = |name: &&String| {
        STAGES.contains(&name.as_str()) || LIBRARIES.iter().any(|(room, _)| room == name) || *name == "schemas"
    };
    let dependencies = manifest.get("dependencies").and_then(toml::Value::as_table);
    dependencies.into_iter().flat_map(toml::Table::keys).filter(ours).cloned().collect()
}

/// Every Rust file of the house.
fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> =
        ["src", "tests", "schemas", "lib", "benches"].map(|folder| root().join(folder)).to_vec();
    folders.extend(STAGES.map(|stage| root().join(stage)));
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    assert!(found.len() > 50, "the sources were not found");
    found
}

/// `cargo tree` of a build, one `name features` per line.
fn tree(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--edges", "normal", "--prefix", "none", "--format", "{p} [{f}]"])
        .args(arguments)
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn stages_never_import_stages() {
    for stage in STAGES {
        let rooms = rooms_of(&read(&root().join(stage).join("Cargo.toml")));
        let others: Vec<_> = rooms.iter().filter(|room| STAGES.contains(&room.as_str())).collect();
        assert!(others.is_empty(), "{stage} imports {others:?}: stages meet on the bus and in the bucket");
    }
}

#[test]
fn libraries_know_only_what_lies_below_them() {
    for (library, allowed) in LIBRARIES {
        for room in rooms_of(&read(&root().join("lib").join(library).join("Cargo.toml"))) {
            assert!(allowed.contains(&room.as_str()), "lib/{library} must not know {room}");
        }
    }
    assert!(rooms_of(&read(&root().join("schemas/Cargo.toml"))).is_empty(), "schemas is the ground floor");
}

#[test]
fn every_file_says_what_it_is_for() {
    for path in sources() {
        assert!(read(&path).starts_with("//!"), "{} does not open with //!", path.display());
    }
}

#[test]
fn only_schemas_serialises() {
    for path in sources()
        .iter()
        .filter(|path| !path.starts_with(root().join("schemas")) && !path.starts_with(root().join("tests")))
    {
        let derives = |line: &str| {
            line.trim_start().starts_with("#[derive(") && line.replace("Deserialize", "").contains("Serialize")
        };
        assert!(
            !read(path).lines().any(derives),
            "{} derives Serialize: stored and wire types live in schemas",
            path.display()
        );
    }
}

#[test]
fn thin_ingress_links_neither_datafusion_nor_parquet() {
    let tree = tree(&["--no-default-features", "--features", "ingress"]);
    for heavy in ["datafusion", "parquet", "arrow", "object_store", "hansard-masker"] {
        let found = tree.lines().find(|line| line.starts_with(&format!("{heavy} ")));
        assert_eq!(found, None, "the ingress build links {heavy}");
    }
}

/// Promise 2: ingress cannot open what it seals, because the code that opens is not in its build.
#[test]
fn thin_ingress_has_no_code_that_opens() {
    let features = |arguments: &[&str]| -> Vec<String> {
        let tree = tree(arguments);
        let lines = tree.lines().filter(|line| line.starts_with("hansard-envelope "));
        lines
            .map(|line| line.rsplit_once('[').unwrap().1.trim_end_matches([']', '(', '*', ')', ' ']).to_owned())
            .collect()
    };
    let ingress = features(&["--no-default-features", "--features", "ingress"]);
    assert!(!ingress.is_empty() && ingress.iter().all(|features| !features.contains("open")), "{ingress:?}");
    let masker = features(&["--no-default-features", "--features", "masker"]);
    assert!(
        masker.iter().any(|features| features.contains("open")),
        "the test sees the feature where it is: {masker:?}"
    );
}

/// Two copies of these do not fit together, or are two of what must be one.
#[test]
fn single_copies_stay_single() {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "-d", "--depth", "0"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let single = ["arrow", "parquet", "object_store", "datafusion", "rustls", "hyper", "reqwest", "tonic", "rdkafka"];
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let name = line.split(' ').next().unwrap_or_default();
        assert!(!single.contains(&name) && !name.starts_with("arrow-"), "two copies: {line}");
    }
}
