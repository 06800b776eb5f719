//! Texts in pieces, as models stream them: what is cut in two is masked as what is whole.

use hansard_redact::{Layout, Redacted, Redactor, Scattered};
use proptest::prelude::*;
use serde_json::{Value, json};

/// The pieces as events, one line each.
fn stream(pieces: &[&str]) -> String {
    pieces.iter().map(|piece| format!("data: {}\n\n", json!({ "d": piece }))).collect()
}

/// Where the pieces stand, by the shape of these events alone.
fn layout(stream: &str) -> Layout {
    let place = |line: &str| line.as_ptr() as usize - stream.as_ptr() as usize;
    let lines = || stream.lines().filter(|line| line.starts_with("data: "));
    let piece = |line: &str| place(line) + line.find(":\"").expect("a string") + 2..place(line) + line.len() - 2;
    Layout {
        documents: lines().map(|line| place(line) + 6..place(line) + line.len()).collect(),
        texts: vec![Scattered { pieces: lines().map(piece).collect(), copies: Vec::new() }],
    }
}

fn joined(stream: &str) -> String {
    let data = stream.lines().filter_map(|line| line.strip_prefix("data: "));
    let text = |data: &str| serde_json::from_str::<Value>(data).expect("JSON")["d"].as_str().expect("text").to_owned();
    data.map(text).collect()
}

fn masked(stream: &str) -> Redacted {
    Redactor::built_in()
        .redact_scattered("body", stream.as_bytes(), layout)
        .unwrap_or_else(|why| panic!("{why}: {stream}"))
}

/// Every byte outside the evidence is as it was.
fn replays(before: &str, told: &Redacted) -> bool {
    let (mut from, mut masked_from) = (0, 0);
    let ends = told.redactions.iter().map(|one| (one.start, one.end, one.masked_start, one.masked_end));
    let last = (before.len() as i64, before.len() as i64, told.text.len() as i64, told.text.len() as i64);
    ends.chain([last]).all(|(start, end, masked_start, masked_end)| {
        let same = before[from..start as usize] == told.text[masked_from..masked_start as usize];
        (from, masked_from) = (end as usize, masked_end as usize);
        same
    })
}

#[test]
fn a_value_cut_at_every_two_places_is_masked() {
    let token = ["ghp_", "Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4zAb3d"].concat();
    for value in ["jane@example.org", "password: \"corr\u{e9}ct h\\orse\"", &token] {
        let text = format!("what he said, {value} and so on");
        let whole = Redactor::built_in().redact_text("", &text).expect("it can be masked").text;
        assert_ne!(whole, text);
        let cuts: Vec<usize> = (0..=text.len()).filter(|at| text.is_char_boundary(*at)).collect();
        for (place, one) in cuts.iter().enumerate() {
            for other in cuts[place..].iter().step_by(5) {
                let events = stream(&[&text[..*one], &text[*one..*other], &text[*other..]]);
                let told = masked(&events);
                assert_eq!(joined(&told.text), whole, "{events}");
                assert!(replays(&events, &told), "{events}\n{}", told.text);
            }
        }
    }
}

#[test]
fn a_document_in_pieces_stays_one() {
    let pieces = ["{\"card\": 41111", "11111111", "111, \"pass", "word\":\"hun", "ter2\"}"];
    let told = masked(&stream(&pieces));
    assert_eq!(joined(&told.text), r#"{"card": "[REDACTED:card]", "password":"[REDACTED:password]"}"#);
}

#[test]
fn what_goes_as_a_whole_stays_a_value_of_json() {
    let body = r#"{"text":"jane@example.org","copy":[{"token":"jane@ex"},{"token":"ample.org"}]}"#;
    let layout = |text: &str| {
        let at = |what: &str| text.find(what).map(|at| at..at + what.len());
        let copies = at(r#"[{"token":"jane@ex"},{"token":"ample.org"}]"#).into_iter().collect();
        let texts = at("jane@example.org").map(|piece| Scattered { pieces: std::iter::once(piece).collect(), copies });
        Layout { documents: std::iter::once(0..text.len()).collect(), texts: texts.into_iter().collect() }
    };
    let told = Redactor::built_in().redact_scattered("body", body.as_bytes(), layout).expect("it can be masked");
    assert_eq!(told.text, r#"{"text":"[REDACTED:email]","copy":"[REDACTED:email]"}"#);
}

#[test]
fn what_repeats_a_text_goes_where_something_is_found_in_it() {
    let check = |mail: &str, expected: &str| {
        let body = format!("{mail}|[1,2]|{{}}");
        let at = mail.len() + 1;
        let layout = |text: &str| {
            let copies = (text.len() == body.len()).then_some(at..at + 5).into_iter().collect();
            let pieces = std::iter::once(0..text.find('|').expect("there")).collect();
            Layout { documents: Vec::new(), texts: vec![Scattered { pieces, copies }] }
        };
        let told = Redactor::built_in().redact_scattered("body", body.as_bytes(), layout).expect("it can be masked");
        assert_eq!(told.text, expected);
    };
    check("jane@example.org", r#"[REDACTED:email]|"[REDACTED:email]"|{}"#);
    check("jane@example", "jane@example|[1,2]|{}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_left_of_it_and_masking_twice_changes_nothing(
        secret in prop_oneof!["AKIA[A-Z2-7]{16}", "ghp_[A-Za-z0-9]{36}", "[a-z]{3,8}[.][a-z]{3,8}@[a-z]{3,8}[.]org"],
        before in "[ a-zäöü\"\\\\\n\t/😀.,]{0,24}",
        after in "[ a-zäöü\"\\\\\n\t/😀.,]{0,24}",
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let text = format!("{before} {secret} {after}");
        let places: Vec<usize> = (0..=text.len()).filter(|at| text.is_char_boundary(*at)).collect();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| *cut.get(&places)).chain([0, text.len()]).collect();
        cuts.sort_unstable();
        let pieces: Vec<&str> = cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
        let events = stream(&pieces);
        let told = masked(&events);
        prop_assert!(!joined(&told.text).contains(&secret), "{}", told.text);
        prop_assert!(replays(&events, &told));
        let again = masked(&told.text);
        prop_assert_eq!((again.text, again.redactions.len()), (told.text, 0));
    }
}
