//! Loading rules: every fault is named at once, and nothing is masked by a set that has one.

use hansard_redact::{Action, Faults, Keyring, Redactor, RuleFile, RuleSet};

fn faults(text: &str) -> Vec<String> {
    let file = RuleFile { name: "mine.toml".into(), text: text.into() };
    match load(&["keyed".to_owned()], &[file]) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.all().to_vec(),
    }
}

fn load(packs: &[String], files: &[RuleFile]) -> Result<Redactor, Faults> {
    let set = RuleSet { packs: packs.to_vec(), files: files.to_vec(), ..RuleSet::default() };
    Redactor::load(&set, Keyring::default())
}

fn check(text: &str, expected: &[&str]) {
    let faults = faults(text);
    for expected in expected {
        assert!(faults.iter().any(|fault| fault.contains(expected)), "{expected:?} is not among {faults:#?}");
    }
    assert_eq!(faults.len(), expected.len(), "{faults:#?}");
}

#[test]
fn the_built_in_rules_are_whole() {
    assert_eq!(load(&packs(), &[]).err().map(|faults| faults.to_string()), None);
    assert!(Redactor::built_in().rule_count() > 150, "{}", Redactor::built_in().rule_count());
}

fn packs() -> Vec<String> {
    [
        "secrets", "keyed", "cloud", "pii", "crypto", "us", "uk", "de", "fr", "es", "it", "nl", "pl", "br", "in", "ca",
        "au", "blobs",
    ]
    .map(str::to_owned)
    .to_vec()
}

#[test]
fn all_faults_are_named_at_once() {
    check(
        r#"
        color = "red"
        [[rule]]
        id = "Bad Id"
        pattern = 'x[0-9]{2,4}'
        [[rule]]
        id = "unbounded"
        literals = ["emp-"]
        pattern = 'emp-[0-9]+'
        colour = 3
        [[rule]]
        id = "empty"
        literals = ["emp"]
        pattern = 'x?'
        validators = ["luhnn"]
        [[rule]]
        id = "nothing"
        "#,
        &[
            "unknown key color",
            "rule unbounded: unknown key colour",
            "rule Bad Id: an id is",
            "rule Bad Id: no anchor",
            "rule unbounded: the pattern is not bounded",
            "rule empty: the pattern matches the empty text",
            "rule empty: unknown validator \"luhnn\"",
            "rule nothing: it finds nothing",
        ],
    );
    check("rule = 3", &["rule must be written as [[rule]]"]);
    check("][", &["not TOML"]);
}

#[test]
fn a_rule_is_tried_on_its_own_examples() {
    let rule =
        |rest: &str| format!("[[rule]]\nid = \"badge\"\nliterals = [\"BDG-\"]\npattern = 'BDG-[0-9]{{6}}'\n{rest}");
    check(&rule("examples = ['badge BDG-123456']"), &[]);
    check(&rule("examples = ['badge BDG-12345']"), &["its example 1 is not found"]);
    check(&rule("not = ['badge BDG-123456']"), &["it finds what it must not"]);
    let unanchored = "[[rule]]\nid = \"badge\"\nliterals = [\"BDG-\"]\npattern = '(?:BDG|XYZ)-[0-9]{6}'\nexamples = ['BDG-123456 XYZ-123456']";
    check(unanchored, &["its anchor misses what its pattern matches"]);
    let greedy = "[[rule]]\nid = \"greedy\"\nliterals = [\"redacted\"]\npattern = 'REDACTED:[a-z]{3,9}'";
    assert!(faults(greedy).iter().any(|fault| fault.contains("finds its replacement")));
}

#[test]
fn rules_of_ones_own_mask_and_are_named() {
    let text = "[[rule]]\nid = \"badge\"\nliterals = [\"BDG-\"]\npattern = 'BDG-[0-9]{6}'\nallow = ['BDG-000000']\n\
                [[rule]]\nid = \"employee\"\nnames = [\"*employee_number\"]";
    let file = RuleFile { name: "mine.toml".into(), text: text.into() };
    let redactor = load(&["keyed".to_owned()], &[file]).expect("the rules are whole");
    let body = r#"{"note":"BDG-123456, BDG-000000","employeeNumber":"x17"}"#;
    let masked = redactor.redact("body", body.as_bytes()).expect("it can be masked");
    assert_eq!(masked.text, r#"{"note":"[REDACTED:badge], BDG-000000","employeeNumber":"[REDACTED:employee]"}"#);
    assert_ne!(redactor.ruleset_id(), Redactor::built_in().ruleset_id());
}

#[test]
fn unknown_packs_are_faults() {
    let faults = load(&["secret".to_owned()], &[]).expect_err("there is no such pack");
    assert!(faults.to_string().contains("unknown pack secret: there are secrets, keyed"), "{faults}");
}

#[test]
fn actions_that_cannot_be_are_faults() {
    let refused = |actions: &[(&str, Action)], says: &str| {
        let actions = actions.iter().map(|(what, action)| ((*what).to_owned(), *action)).collect();
        let set = RuleSet { actions, ..RuleSet::default() };
        let faults = Redactor::load(&set, Keyring::default()).expect_err(says).to_string();
        assert!(faults.contains(says), "{says:?} is not in {faults}");
    };
    refused(&[("emial", Action::Hmac)], "there is no rule emial");
    refused(&[("password", Action::Partial)], "partial is not for secrets");
    refused(&[("email", Action::Hmac)], "needs a key of masking");
    let all = [("secret", Action::Flag), ("pii", Action::Flag), ("custom", Action::Flag)];
    refused(&all, "this would mask nothing");
    let twice = |first: &str, second: &str| {
        format!(
            "[[rule]]\nid = \"x\"\nnames = [\"badge\"]\naction = \"{first}\"\n\
             [[rule]]\nid = \"x\"\nnames = [\"pass_card\"]\naction = \"{second}\""
        )
    };
    check(&twice("redact", "redact"), &[]);
    check(&twice("redact", "flag"), &["another action"]);
    check(&twice("redact", "burn"), &["burn"]);
}

#[test]
fn only_paths_are_limited_to_tools_and_directions() {
    let rule = |rest: &str| format!("[[rule]]\nid = \"x\"\n{rest}");
    check(&rule("fields = [\"**.a\"]\ntools = [\"pay_*\"]\ndirection = \"to_upstream\""), &[]);
    check(&rule("names = [\"badge\"]\ntools = [\"pay\"]"), &["limit fields"]);
    check(&rule("names = [\"badge\"]\nfields = [\"**.a\"]\ndirection = \"to_caller\""), &["limit fields"]);
    check(&rule("fields = [\"**.a\"]\ntools = [\"*\"]\ndirection = \"internal\""), &["any tool", "to_upstream or"]);
}
