//! What `deploy/` says, as far as that can be held without a container engine: what is read by others is read by their
//! own programs here, and what it says of ours is true.

use std::{collections::BTreeSet, fs, path::PathBuf, process::Command};

use serde_json::Value;

use super::{
    exposition::{asked_for, documented},
    oracle,
    program::{hansard, output},
};

/// The variables of `deploy/compose.yaml`, none of which has a default.
const VARIABLES: [&str; 5] = [
    "HANSARD_STORE_USER",
    "HANSARD_STORE_PASSWORD",
    "HANSARD_IDENTITY_PASSWORD",
    "HANSARD_AGENT_SECRET",
    "HANSARD_PEOPLE_PASSWORD",
];
const ROLES: [&str; 5] = ["ingress", "masker", "approver", "archiver", "query"];

fn deploy(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("deploy").join(file)
}

fn text(file: &str) -> String {
    fs::read_to_string(deploy(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn composed(oracle: &std::path::Path) -> Value {
    oracle::read(oracle, "compose", &deploy("compose.yaml"), &VARIABLES.map(|name| (name, "a-value")))
}

#[test]
fn the_compose_file_is_one_and_says_which_versions() {
    let Some(oracle) = oracle::oracle() else { return };
    let project = composed(oracle);
    for (name, service) in project["services"].as_object().unwrap() {
        let image = service["image"].as_str().unwrap();
        let (_, tag) = image.rsplit_once(':').unwrap_or_else(|| panic!("{name}: {image} has no tag"));
        assert!(tag != "latest" && tag.contains(|c: char| c.is_ascii_digit()), "{name}: {image} names no version");
        for port in service["ports"].as_array().into_iter().flatten() {
            assert_eq!(port["host_ip"], "127.0.0.1", "{name} is for this machine only: {port}");
        }
    }
    for (name, config) in project["configs"].as_object().unwrap() {
        let file = config["file"].as_str().unwrap();
        assert!(fs::metadata(file).is_ok_and(|file| file.len() > 0), "{name}: {file} is missing");
    }
    let version = format!("hansard:{}", env!("CARGO_PKG_VERSION"));
    for role in ROLES {
        let service = &project["services"][role];
        assert_eq!((&service["image"], &service["command"][0]), (&version.clone().into(), &role.into()));
        assert!(service["read_only"] == true && service["cap_drop"][0] == "ALL", "{role} has no more than it needs");
        let volumes = service["volumes"].as_array().unwrap();
        let private = volumes.iter().any(|volume| volume["source"] == "private-keys");
        assert_eq!(private, role == "masker", "{role}: only the masker opens what is sealed");
    }
}

#[test]
fn without_its_variables_the_compose_file_does_not_start() {
    let Some(oracle) = oracle::oracle() else { return };
    let mut command = Command::new(oracle);
    command.args(["compose"]).arg(deploy("compose.yaml"));
    for name in VARIABLES {
        command.env_remove(name);
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("deploy/README.md"), "{said}");
}

#[test]
fn the_roles_take_their_configuration() {
    let mut command = hansard(&["config", "check"]);
    command.arg(deploy("compose/hansard.toml"));
    for name in VARIABLES {
        command.env(name, "a-value");
    }
    let output = output(&mut command);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 connections, 1 rules"));
}

/// Those who call and vote by the realm's tokens are those whom the configuration knows.
#[test]
fn the_realm_gives_the_tokens_that_the_roles_want() {
    let realm: Value = serde_json::from_str(&text("compose/realm.json")).unwrap();
    let configuration: toml::Table = text("compose/hansard.toml").parse().unwrap();
    let issuer = configuration["identity"]["issuers"][0].as_table().unwrap();
    assert!(issuer["url"].as_str().unwrap().ends_with(&format!("/realms/{}", realm["realm"].as_str().unwrap())));
    let mappers = realm["clientScopes"][0]["protocolMappers"].as_array().unwrap();
    let of = |name: &str| &mappers.iter().find(|mapper| mapper["name"] == name).unwrap()["config"];
    assert_eq!(of("audience")["included.custom.audience"], issuer["audience"].as_str().unwrap());
    assert_eq!(of("groups")["claim.name"], "groups");
    let groups: BTreeSet<&str> =
        realm["groups"].as_array().unwrap().iter().map(|group| group["name"].as_str().unwrap()).collect();
    let readers = configuration["query"]["readers"].as_array().unwrap();
    let reviewers = configuration["policy"]["rule"][0]["then"]["hold"]["reviewers"].as_array().unwrap();
    for named in readers.iter().chain(reviewers) {
        assert!(groups.contains(named.as_str().unwrap()), "the realm has no group {named}");
    }
    let secrets = text("compose/realm.json").matches("\"${HANSARD_").count();
    assert_eq!(secrets, 2, "passwords come from the environment");
}

#[test]
fn prometheus_takes_its_rules_and_each_alert_is_tried() {
    let Some(promtool) = oracle::promtool() else { return };
    let path = |file: &str| deploy(file).display().to_string();
    oracle::promtool_accepts(promtool, &["check", "config", &path("prometheus/prometheus.yml")], "");
    oracle::promtool_accepts(promtool, &["check", "rules", &path("prometheus/rules.yml")], "");
    oracle::promtool_accepts(promtool, &["test", "rules", &path("prometheus/tests.yml")], "");
    let (rules, tests) = (text("prometheus/rules.yml"), text("prometheus/tests.yml"));
    let alerts: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() > 10, "{alerts:?}");
    for alert in alerts {
        let heard = format!("alertname: {alert}\n        exp_alerts:\n");
        assert!(tests.contains(&heard), "no test hears {alert}");
        assert!(tests.contains(&format!("alertname: {alert}, exp_alerts: []")), "no test waits for {alert} in vain");
        assert!(
            text("../docs/operations.md").contains(alert),
            "docs/operations.md does not say what to do about {alert}"
        );
    }
}

#[test]
fn dashboard_and_alerts_ask_for_metrics_that_there_are() {
    let documented: BTreeSet<String> = documented().into_keys().collect();
    let asked = asked_for();
    assert!(asked.len() > 30, "{asked:?}");
    let unknown: Vec<_> = asked.difference(&documented).collect();
    assert!(unknown.is_empty(), "nobody has {unknown:?}");
}

#[test]
fn the_dashboard_is_whole() {
    let dashboard: Value = serde_json::from_str(&text("grafana/dashboards/hansard.json")).unwrap();
    let panels: Vec<&Value> = dashboard["panels"].as_array().unwrap().iter().filter(|p| p["type"] != "row").collect();
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "each panel has an id of its own");
    for panel in panels {
        assert_eq!(panel["datasource"]["uid"], "prometheus", "{}", panel["title"]);
        assert!(panel["targets"].as_array().is_some_and(|targets| !targets.is_empty()), "{}", panel["title"]);
    }
    let Some(oracle) = oracle::oracle() else { return };
    let source = oracle::read(oracle, "yaml", &deploy("grafana/provisioning/datasources/prometheus.yaml"), &[]);
    assert_eq!(source["datasources"][0]["uid"], "prometheus");
    let folder = oracle::read(oracle, "yaml", &deploy("grafana/provisioning/dashboards/hansard.yaml"), &[]);
    let dashboards = composed(oracle)["services"]["grafana"]["configs"].clone();
    let target = dashboards.as_array().unwrap().iter().find(|config| config["source"] == "dashboard").unwrap();
    let placed = format!("{}/hansard.json", folder["providers"][0]["options"]["path"].as_str().unwrap());
    assert_eq!(target["target"], placed, "the dashboard lies where Grafana looks");
}

/// Every expression of the dashboard, as rules that promtool reads.
#[test]
fn prometheus_understands_what_the_dashboard_asks() {
    let Some(promtool) = oracle::promtool() else { return };
    let dashboard: Value = serde_json::from_str(&text("grafana/dashboards/hansard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let mut rules = "groups:\n  - name: dashboard\n    rules:\n".to_owned();
    for (number, target) in targets.enumerate() {
        let asked = target["expr"].as_str().unwrap().replace("$__rate_interval", "1m");
        rules.push_str(&format!("      - record: panel:{number}\n        expr: {}\n", Value::from(asked)));
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dashboard.yml");
    fs::write(&file, &rules).unwrap();
    oracle::promtool_accepts(promtool, &["check", "rules", &file.display().to_string()], &rules);
}

#[test]
fn the_image_is_built_from_versions_and_runs_without_rights() {
    let recipe = text("Dockerfile");
    let lines = |word: &str| recipe.lines().filter(move |line| line.starts_with(word)).collect::<Vec<_>>().join("\n");
    let bases = lines("FROM ");
    for base in bases.lines() {
        let image = base.split_whitespace().nth(1).unwrap();
        assert!(image.contains(':') && !image.ends_with(":latest"), "{image} names no version");
    }
    assert!(bases.lines().next_back().unwrap().contains(":nonroot"), "{bases}");
    assert_eq!(lines("USER "), "USER 65532:65532");
    let health = "CMD [\"/usr/local/bin/hansard\", \"health\"]";
    assert!(recipe.contains("HEALTHCHECK ") && recipe.contains(health), "{recipe}");
    let used = text("Dockerfile.dockerignore");
    assert!(used.contains(".env") && used.contains("*.private"), "secrets beside the sources stay there");
    let minimum = env!("CARGO_PKG_RUST_VERSION").split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok()).unwrap();
    let built = bases.split("rust:1.").nth(1).and_then(|rest| rest.split('-').next()?.parse::<u32>().ok()).unwrap();
    assert!(built >= minimum, "the image's compiler is too old");
}
