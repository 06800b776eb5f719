//! What a policy decides, and that one which makes no sense never comes to decide.

use std::{collections::HashSet, time::Duration};

use proptest::prelude::*;
use schemas::call::{Arguments, Findings, Terms};
use serde_json::{Value, json};

use super::*;

/// The rules of the design's example.
const HOUSE: &str = r#"
    [[rule]]
    name = "destructive-sql"
    when = 'call.method == "tools/call" && call.text.matches("(?i)\\bdrop\\s+(table|database)\\b")'
    then = "block"
    message = "DROP is not allowed through this gateway"

    [[rule]]
    name = "production-writes"
    when = 'call.target.startsWith("deploy_") && !("sre" in principal.groups)'
    then = { hold = { reviewers = ["sre"], approve = 1, deny = 1, expires = "15m" } }
"#;

fn config(toml: &str) -> Config {
    toml::from_str(toml).expect("a configuration")
}

fn policy(toml: &str) -> Policy {
    Policy::compile(&config(toml)).unwrap_or_else(|faults| panic!("{faults}"))
}

fn rule(when: &str, then: &str) -> String {
    format!("[[rule]]\nname = \"r\"\nwhen = '''{when}'''\nthen = {then}\n")
}

fn caller(groups: &[&str]) -> Principal {
    let groups = groups.iter().map(|group| (*group).to_owned()).collect();
    Principal { issuer: "https://login.example".into(), subject: "ada".into(), groups, ..Principal::default() }
}

fn call(target: &str, arguments: Value) -> Call {
    let text = match &arguments["sql"] {
        Value::String(sql) => sql.clone(),
        _ => String::new(),
    };
    let method = "tools/call".to_owned();
    Call { method, target: target.into(), arguments: Arguments::told(arguments, Some(text)), ..Call::default() }
}

/// Does `when` match? Both ways of failing tell: a rule that allows does not, one that blocks does.
#[track_caller]
fn check(when: &str, call: &Call, expected: Result<bool, ()>) {
    let allow = policy(&rule(when, "\"allow\"")).decide(&caller(&["dev"]), call);
    let block = policy(&rule(when, "\"block\"")).decide(&caller(&["dev"]), call);
    assert_eq!(allow.rule.is_some(), expected == Ok(true), "{when}");
    assert_eq!(block.rule.is_some(), expected != Ok(false), "{when}");
    assert_eq!(allow.failed.is_empty(), expected.is_ok(), "{when}");
    assert_eq!(block.failed, allow.failed, "{when}");
}

/// The policy does not compile, and among the faults is one that says `fault`.
#[track_caller]
fn check_fault(toml: &str, fault: &str) {
    let faults = Policy::compile(&config(toml)).expect_err("faults").0;
    assert!(faults.iter().any(|found| found.contains(fault)), "{fault:?} is not among {faults:#?}");
}

#[test]
fn the_design_s_rules_block_and_hold() {
    let policy = policy(HOUSE);
    let dropping = call("query", json!({"sql": "select 1; Drop  TABLE users"}));
    let decision = policy.decide(&caller(&["sre"]), &dropping);
    assert_eq!(decision.verdict, Verdict::Block { message: "DROP is not allowed through this gateway".into() });
    assert_eq!((decision.rule.as_deref(), decision.level), (Some("destructive-sql"), Level::Full));

    let deploy = call("deploy_web", json!({}));
    let expires = Duration::from_secs(900);
    let terms = Terms { reviewers: vec!["sre".into()], approve: 1, deny: 1, expires };
    assert_eq!(policy.decide(&caller(&["dev"]), &deploy).verdict, Verdict::Hold(terms));
    assert_eq!(policy.decide(&caller(&["sre"]), &deploy).verdict, Verdict::Allow);

    let reading = policy.decide(&caller(&[]), &call("query", json!({"sql": "select * from backdrop"})));
    assert_eq!((reading.verdict, reading.rule), (Verdict::Allow, None));
}

#[test]
fn the_first_rule_that_matches_decides() {
    let rules = |first: &str, second: &str| {
        format!(
            "[[rule]]\nname = \"a\"\nwhen = 'call.target == \"x\"'\nthen = {first}\n\
             [[rule]]\nname = \"b\"\nwhen = 'true'\nthen = {second}\n"
        )
    };
    let decide = |toml: &str, target| policy(toml).decide(&caller(&[]), &call(target, json!({}))).rule;
    assert_eq!(decide(&rules("\"allow\"", "\"block\""), "x").as_deref(), Some("a"));
    assert_eq!(decide(&rules("\"allow\"", "\"block\""), "y").as_deref(), Some("b"));
}

#[test]
fn without_a_match_the_default_decides() {
    let decide = |toml: &str| policy(toml).decide(&caller(&[]), &call("x", json!({})));
    assert_eq!(decide("").verdict, Verdict::Allow);
    assert_eq!(decide("").level, Level::Full);
    assert!(matches!(decide("default = \"block\"").verdict, Verdict::Block { .. }));
    assert!(matches!(
        decide(&format!("default = \"block\"\n{}", rule("false", "\"allow\""))).verdict,
        Verdict::Block { .. }
    ));
}

#[test]
fn a_rule_sets_how_much_is_recorded() {
    let level = |record: &str, then: &str| {
        policy(&format!("{}record = \"{record}\"", rule("true", then)))
            .decide(&caller(&[]), &call("x", json!({})))
            .level
    };
    assert_eq!(level("full", "\"allow\""), Level::Full);
    assert_eq!(level("metadata", "\"block\""), Level::Metadata);
    assert_eq!(level("none", "\"allow\""), Level::None);
}

#[test]
fn conditions_see_every_field() {
    let principal = Principal {
        issuer: "i".into(),
        subject: "s".into(),
        name: Some("n".into()),
        groups: vec!["g".into()],
        agent: None,
        act: Vec::new(),
    };
    let call = Call {
        connection: "c".into(),
        protocol: "mcp/2025-11-25".into(),
        method: "m".into(),
        target: "t".into(),
        arguments: json!({"a": [1, -2, 2.5, null, true, {"b": "x"}], "big": u64::MAX}).into(),
        arguments_digest: None,
        ..Call::default()
    };
    let when = r#"principal.issuer == "i" && principal.subject == "s" && principal.name == "n"
        && principal.groups == ["g"] && principal.agent == "" && call.connection == "c"
        && call.protocol == "mcp/2025-11-25" && call.method == "m"
        && call.target == "t" && call.text == "x" && call.arguments.a[0] + 1 == 2 && call.arguments.a[1] < 0
        && call.arguments.a[2] > 2 && call.arguments.a[3] == null && call.arguments.a[4] && call.arguments.a[5].b == "x"
        && call.arguments["big"] > 5 && has(call.arguments.a) && !has(call.arguments.z)
        && size(call.arguments.a) == 6"#;
    let decision = policy(&rule(when, "\"allow\"")).decide(&principal, &call);
    assert_eq!((decision.rule.as_deref(), decision.failed), (Some("r"), vec![]));
}

#[test]
fn comprehensions_go_through_lists_and_maps() {
    let call = call("x", json!({"list": [1, 2, 3], "map": {"a": 1, "b": 2}}));
    check("call.arguments.list.all(n, n > 0) && call.arguments.list.exists(n, n == 2)", &call, Ok(true));
    check("call.arguments.list.filter(n, n > 1).map(n, n * 2) == [4, 6]", &call, Ok(true));
    check("call.arguments.list.exists_one(n, n > 2)", &call, Ok(true));
    check("call.arguments.map.exists(key, key == \"b\" && call.arguments.map[key] == 2)", &call, Ok(true));
    check("principal.groups.exists(group, group.matches(\"^d\"))", &call, Ok(true));
    check("principal.groups.exists(group, group in [\"sre\", \"admin\"])", &call, Ok(false));
}

#[test]
fn patterns_match_in_both_spellings_and_several_in_one_condition() {
    let call = call("x", json!({"sql": "drop table"}));
    check(r#"call.text.matches("^drop") && matches(call.text, "table$")"#, &call, Ok(true));
    check(r#"call.text.matches("^table") || matches(call.target, "drop$")"#, &call, Ok(false));
}

#[test]
fn what_cannot_be_evaluated_fails_closed() {
    let call = call("x", json!({"count": "many"}));
    check("call.arguments.count > 3", &call, Err(()));
    check("call.arguments.missing == 1", &call, Err(()));
    check("call.arguments.count.matches(\"x\") || 1 / 0 == 1", &call, Err(()));
    check("call.arguments.count", &call, Err(()));
    check("has(call.arguments.missing) && call.arguments.missing == 1", &call, Ok(false));
}

#[test]
fn arguments_of_another_kind_fail_closed() {
    check("call.arguments.sql.contains(\"drop\")", &call("x", json!([1, 2])), Err(()));
    check("call.arguments.sql.contains(\"drop\")", &call("x", Value::Null), Err(()));
    check("call.arguments.sql.contains(\"drop\")", &call("x", json!({"sql": 7})), Err(()));
}

#[test]
fn a_call_with_too_many_elements_fails_closed_even_where_cel_swallows_the_error() {
    let list: Vec<u32> = (0..500).collect();
    let call = call("x", json!({"list": list}));
    check("call.arguments.list.all(a, a >= 0)", &call, Ok(true));
    check("call.arguments.list.all(a, call.arguments.list.all(b, a + b >= 0))", &call, Err(()));
    check("call.arguments.list.all(a, call.arguments.list.all(b, a + b >= 0)) || true", &call, Err(()));
}

#[test]
fn text_of_several_mib_is_matched_in_one_pass() {
    let text = format!("{}drop table x", "a drop in the ocean ".repeat(200_000));
    let call = Call { arguments: Arguments::told(Value::Null, Some(text)), ..Call::default() };
    check(r#"call.text.matches("(?i)\\bdrop\\s+(table|database)\\b")"#, &call, Ok(true));
}

#[test]
fn names_that_do_not_exist_are_faults() {
    check_fault(&rule("call.metod == \"x\"", "\"block\""), "call has no metod: it has connection");
    check_fault(&rule("principle.subject == \"x\"", "\"block\""), "there is no principle");
    check_fault(&rule("call[\"text\"] == \"x\"", "\"block\""), "call is asked for its fields");
    check_fault(&rule("call.text.like(\"x\")", "\"block\""), "there is no function like");
    check_fault(&rule("has(call.text)", "\"block\""), "always there");
    check_fault(&rule("[1].all(call, call == 1)", "\"block\""), "are taken");
    check_fault(&rule("[1].all(n, n == 1) && n == 1", "\"block\""), "there is no n");
    check_fault(&rule("Call{text: \"x\"} == call.arguments", "\"block\""), "no messages");
}

#[test]
fn conditions_that_are_no_cel_are_faults() {
    check_fault(&rule("call.text ==", "\"block\""), "not CEL");
    check_fault(&rule("", "\"block\""), "condition");
    check_fault(&rule("call.text.matches(\"(\")", "\"block\""), "does not compile");
    check_fault(&rule("call.text.matches(call.target)", "\"block\""), "written out");
    check_fault(&rule("call.text.matches(\"x{1000}{1000}\")", "\"block\""), "does not compile");
    check_fault(&rule(&format!("call.text == \"{}\"", "x".repeat(5000)), "\"block\""), "longer than 4096 bytes");
}

#[test]
fn a_deep_condition_is_refused_before_the_parser_descends() {
    let deep = |open: &str, close: &str| format!("{}true{}", open.repeat(1300), close.repeat(1300));
    for source in [deep("(", ")"), deep("[", "]"), deep("!(", ")"), "true?true:".repeat(400) + "true"] {
        check_fault(&rule(&source, "\"block\""), "deeper than 48 levels");
    }
    for source in [deep("", ".a"), deep("", "[0]"), deep("", ".a()"), "1+".repeat(2000) + "1", "1<".repeat(2000) + "1"]
    {
        check_fault(&rule(&source, "\"block\""), "");
    }
    let wide = vec!["call.target == \"x\""; 40].join(" || ");
    check(&wide, &call("x", json!({})), Ok(true));
    check(&format!("{}true", "!".repeat(4000)), &call("x", json!({})), Ok(true));
}

#[test]
fn holds_have_terms_that_can_be_met() {
    let hold = |terms: &str| rule("true", &format!("{{ hold = {{ {terms} }} }}"));
    check_fault(&hold("approve = 0"), "hold.approve must be 1");
    check_fault(&hold("deny = 0"), "hold.deny must be 1");
    check_fault(&hold("approve = 101"), "hold.approve must be 1 to 100");
    check_fault(&hold("reviewers = [\"\"]"), "empty name");
    for expires in ["0s", "25h", "15", "m", "", "1.5h", "+5m", "15 m", "1d", "99999999999999999999h", "5µ"] {
        check_fault(&hold(&format!("expires = \"{expires}\"")), "hold.expires must be 1s to 24h");
    }
    for (expires, seconds) in [("1s", 1), ("90s", 90), ("15m", 900), ("24h", 86_400)] {
        let decision = policy(&hold(&format!("expires = \"{expires}\""))).decide(&caller(&[]), &call("x", json!({})));
        let expires = Duration::from_secs(seconds);
        assert_eq!(decision.verdict, Verdict::Hold(Terms { reviewers: vec![], approve: 1, deny: 1, expires }));
    }
}

#[test]
fn rules_that_contradict_themselves_are_faults() {
    check_fault(&format!("{}message = \"x\"", rule("true", "\"allow\"")), "only a blocked caller");
    check_fault(&format!("{}message = \"\"", rule("true", "\"block\"")), "the message must have");
    check_fault(&format!("{}record = \"none\"", rule("true", "\"block\"")), "refusals are always recorded");
    check_fault(&format!("{}record = \"metadata\"", rule("true", "{ hold = {} }")), "recorded in full");
    check_fault(&format!("{0}{0}", rule("true", "\"block\"")), "another rule has this name");
    check_fault("[[rule]]\nname = \"a b\"\nwhen = 'true'\nthen = \"allow\"", "name it with");
}

#[test]
fn all_faults_come_at_once_each_with_its_rule() {
    let toml = "[[rule]]\nname = \"a\"\nwhen = 'call.x == nobody'\nthen = { hold = { approve = 0 } }\n\
                [[rule]]\nname = \"b\"\nwhen = 'call.text.matches(\"(\")'\nthen = \"block\"\nrecord = \"none\"\n";
    let faults = Policy::compile(&config(toml)).expect_err("faults").0;
    let of = |name: &str| faults.iter().filter(|fault| fault.contains(&format!("policy rule \"{name}\""))).count();
    assert_eq!((of("a"), of("b"), faults.len()), (3, 2, 5), "{faults:#?}");
}

#[test]
fn unknown_keys_are_refused() {
    for toml in [
        "rules = []",
        &format!("{}whn = \"x\"", rule("true", "\"allow\"")),
        &rule("true", "{ hold = { aprove = 1 } }"),
        &rule("true", "\"deny\""),
        &format!("{}must_match = [{{ calls = {{}} }}]", rule("true", "\"allow\"")),
    ] {
        assert!(toml::from_str::<Config>(toml).is_err(), "{toml}");
    }
}

#[test]
fn examples_are_tried() {
    let with = |examples: &str| {
        format!("{}{examples}", rule("call.text.contains(\"drop\") && call.target == \"q\"", "\"block\""))
    };
    let drop = "{ call = { target = \"q\", arguments = { sql = [\"drop it\"] } } }";
    let keep = "{ principal = { subject = \"ada\" }, call = { target = \"q\", text = \"keep\" } }";
    policy(&with(&format!("must_match = [{drop}]\nmust_not_match = [{keep}]")));
    check_fault(&with(&format!("must_match = [{drop}, {keep}]")), "example 2 of must_match is not matched");
    check_fault(&with(&format!("must_not_match = [{keep}, {drop}]")), "example 2 of must_not_match is matched");
    let failing = format!("{}must_not_match = [{{}}]", rule("call.arguments.x > 1", "\"block\""));
    check_fault(&failing, "example 1 of must_not_match cannot be evaluated");
}

#[test]
fn findings_are_asked_for_by_name_and_fail_closed() {
    let asks = "\"card\" in call.findings";
    let decide = |then: &str, findings: Findings| {
        let policy = policy(&rule(asks, then));
        assert!(policy.asks_findings());
        let decision = policy.decide(&caller(&[]), &Call { findings, ..call("pay", Value::Null) });
        (decision.rule.is_some(), decision.failed.len())
    };
    let known = |found: &[&str]| Findings::Known(found.iter().map(|one| (*one).to_owned()).collect());
    assert_eq!(decide("\"block\"", known(&["card", "pii"])), (true, 0));
    assert_eq!(decide("\"block\"", known(&["email"])), (false, 0));
    assert_eq!(decide("\"block\"", Findings::Unknown), (true, 1), "nobody has looked: it is blocked");
    assert_eq!(decide("{ hold = {} }", Findings::Unknown), (true, 1));
    assert_eq!(decide("\"allow\"", Findings::Unknown), (false, 1), "and is not allowed");
    assert!(!policy(&rule("call.target == \"x\"", "\"block\"")).asks_findings());
    assert!(policy(&rule("[\"card\"].exists(one, one in call.findings)", "\"block\"")).asks_findings());
    let examples = "must_match = [{ call = { findings = [\"card\"] } }]\nmust_not_match = [{}]";
    policy(&format!("{}{examples}", rule(asks, "\"block\"")));
}

#[test]
fn the_id_changes_with_every_part_of_the_configuration() {
    let base = format!("{}must_match = [{{ call = {{ arguments = {{ a = 1 }} }} }}]\n", rule("true", "{ hold = {} }"));
    let changes = [
        (" = \"r\"", " = \"s\""),
        ("'''true'''", "'''true '''"),
        ("{ hold = {} }", "\"block\""),
        ("{ hold = {} }", "\"block\"\nmessage = \"m\""),
        ("{ hold = {} }", "\"allow\""),
        ("{ hold = {} }", "\"allow\"\nrecord = \"none\""),
        ("{ hold = {} }", "{ hold = { approve = 2 } }"),
        ("{ hold = {} }", "{ hold = { deny = 2 } }"),
        ("{ hold = {} }", "{ hold = { expires = \"16m\" } }"),
        ("{ hold = {} }", "{ hold = { reviewers = [\"a\"] } }"),
        ("{ hold = {} }", "{ hold = { reviewers = [\"a\", \"b\"] } }"),
        ("a = 1", "a = 2"),
        ("a = 1", "a = 1, b = 1"),
        ("arguments = { a = 1 }", "arguments = { a = 1 }, findings = [\"card\"]"),
        ("[[rule]]", "default = \"block\"\n[[rule]]"),
    ];
    let mut ids: HashSet<String> =
        changes.iter().map(|(from, to)| policy(&base.replace(from, to)).id().to_owned()).collect();
    ids.insert(policy(&base).id().to_owned());
    assert_eq!(ids.len(), changes.len() + 1);
}

#[test]
fn the_id_is_stable() {
    let id = policy(HOUSE).id().to_owned();
    assert_eq!(id, policy(&HOUSE.replace("\n    ", "\n\n")).id(), "how the file is laid out does not matter");
    assert_eq!(policy("").id(), "sha256:c66876a452eba6619953d123f371219ca2fef73f03d8a19a08db8ad80b0e8bd5");
}

proptest! {
    #[test]
    fn no_condition_brings_the_compiler_down(source in "[a-z().!?:&|\"' \\[\\]{}+0-9-]{0,60}") {
        let _ = Policy::compile(&config(&rule(&source.replace("'''", ""), "\"block\"")));
    }

    #[test]
    fn no_call_brings_a_decision_down(target in ".{0,20}", text in ".{0,200}") {
        let call = Call { arguments: Arguments::told(json!({"a": target}), Some(text)), ..call(&target, Value::Null) };
        let decision = policy(HOUSE).decide(&caller(&[]), &call);
        prop_assert!(decision.failed.is_empty());
    }
}
