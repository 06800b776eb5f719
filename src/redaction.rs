//! Rules of redaction: from the configuration to a redactor, again when their files change, and `hansard redact`.
//!
//! It refuses to put a set of rules in force that has any fault: the one before stays, and the metric
//! `hansard_redaction_reloads_total{result="refused"}` says so.

use std::{
    collections::BTreeMap,
    io::{IsTerminal, Read},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, anyhow};
use redact::{Action, KEY_BYTES, Keyring, MaskingKey, Redacted, Redactor, RuleFile, RuleSet};
use serde::Deserialize;
use tokio::sync::watch;
use tracing::{info, warn};

use crate::{
    argv::RedactRules,
    configuration::{Redaction, Shadow},
    exit::Failure,
    keys::Keys,
    signed,
};

/// How often the files of rules are looked at.
const LOOK_SECONDS: u64 = 2;
/// Longest part of a line that is shown on either side of a difference, in characters.
const LINE_CHARACTERS_MAX: usize = 400;

/// Where the keys of tokens come from.
#[derive(Clone, Debug)]
pub enum Source {
    #[cfg(feature = "masker")]
    Keys(Keys),
    /// None: what would be hashed or tokenized is redacted. So it is in flight.
    Keyless,
}

impl Source {
    /// The rules of a configuration and the keys of their tokens, or all that is wrong with them.
    fn load(&self, redaction: &Redaction) -> Result<Redactor> {
        match self {
            #[cfg(feature = "masker")]
            Source::Keys(keys) => load(redaction, keys.masking()?, false),
            Source::Keyless => load(redaction, Keyring::default(), true),
        }
    }

    /// Changes whenever the keys do.
    fn stamp(&self) -> Option<SystemTime> {
        match self {
            #[cfg(feature = "masker")]
            Source::Keys(keys) => keys.masking_stamp(),
            Source::Keyless => None,
        }
    }
}

fn load(redaction: &Redaction, keys: Keyring, keyless: bool) -> Result<Redactor> {
    let set = RuleSet { keyless, ..rule_set(redaction)? };
    Redactor::load(&set, keys).map_err(|faults| anyhow!("[redaction] {}", faults.all().join("; ")))
}

/// The rules of a configuration with the keys of a data directory.
#[cfg(feature = "masker")]
pub fn with_keys(redaction: &Redaction, keys: &Keys) -> Result<Redactor> {
    load(redaction, keys.masking()?, false)
}

/// Are these rules whole, wherever their keys are?
pub fn check(redaction: &Redaction) -> Result<()> {
    load(redaction, trial()?, false)?;
    shadow(redaction).map_or(Ok(()), |shadow| load(&shadow, trial()?, false).map(|_| ()).context("[redaction.shadow]"))
}

/// A key of its own, for what is only tried.
fn trial() -> Result<Keyring> {
    let mut secret = [0; KEY_BYTES];
    getrandom::fill(&mut secret).context("the operating system gave no random bytes")?;
    Ok(Keyring::new(vec![MaskingKey::new(&secret)]))
}

fn rule_set(redaction: &Redaction) -> Result<RuleSet> {
    let action = |(what, word): (&String, &String)| {
        let action = Action::parse(word).with_context(|| {
            let words = Action::ALL.map(Action::as_str).join(", ");
            format!("[redaction] actions: {what} = \"{word}\": there are {words}")
        })?;
        Ok((what.clone(), action))
    };
    let actions = redaction.actions.iter().map(action).collect::<Result<_>>()?;
    Ok(RuleSet { packs: redaction.packs.clone(), files: rule_files(redaction)?, actions, ..RuleSet::default() })
}

fn rule_files(redaction: &Redaction) -> Result<Vec<RuleFile>> {
    let read = |path: &PathBuf| {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read the rules {}", path.display()))?;
        signed::check(path, text.as_bytes(), &redaction.signers).context("[redaction] signers")?;
        Ok(RuleFile { name: path.display().to_string(), text })
    };
    redaction.rules.iter().map(read).collect()
}

/// The rules in force: those of the configuration, loaded again whenever one of their files or the keys have changed.
pub fn watched(redaction: &Redaction, source: Source) -> Result<watch::Receiver<Arc<Redactor>>> {
    let known = stamps(redaction, &source);
    let (sender, receiver) = watch::channel(Arc::new(source.load(redaction)?));
    for result in ["taken", "refused"] {
        metrics::counter!("hansard_redaction_reloads_total", "result" => result).increment(0);
    }
    tokio::spawn(reload((redaction.clone(), source, known), sender, |redactor| redactor));
    Ok(receiver)
}

/// The rules on trial, if there are any, in the same way.
#[cfg(feature = "masker")]
pub fn watched_shadow(redaction: &Redaction, source: Source) -> Result<watch::Receiver<Option<Arc<Redactor>>>> {
    let Some(shadow) = shadow(redaction) else { return Ok(watch::channel(None).1) };
    let known = stamps(&shadow, &source);
    let loaded = source.load(&shadow).context("[redaction.shadow]")?;
    let (sender, receiver) = watch::channel(Some(Arc::new(loaded)));
    tokio::spawn(reload((shadow, source, known), sender, Some));
    Ok(receiver)
}

/// The set on trial as a set of its own.
fn shadow(redaction: &Redaction) -> Option<Redaction> {
    let Shadow { packs, rules, actions } = redaction.shadow.clone()?;
    Some(Redaction { packs, rules, actions, signers: redaction.signers.clone(), ..Redaction::default() })
}

/// `known` is of before the rules were first loaded, so that no change is missed.
async fn reload<T>(
    (redaction, source, mut known): (Redaction, Source, Stamps),
    sender: watch::Sender<T>,
    taken: impl Fn(Arc<Redactor>) -> T,
) {
    loop {
        tokio::select! {
            () = sender.closed() => return,
            () = tokio::time::sleep(Duration::from_secs(LOOK_SECONDS)) => {}
        }
        let now = stamps(&redaction, &source);
        if now == known {
            continue;
        }
        known = now;
        let (asked, source) = (redaction.clone(), source.clone());
        let loaded = tokio::task::spawn_blocking(move || source.load(&asked)).await;
        match loaded.map_err(anyhow::Error::from).and_then(|loaded| loaded) {
            Ok(redactor) => {
                info!(ruleset = redactor.ruleset_id(), "new rules of redaction are in force");
                metrics::counter!("hansard_redaction_reloads_total", "result" => "taken").increment(1);
                sender.send_replace(taken(Arc::new(redactor)));
            }
            Err(error) => {
                warn!(error = %format!("{error:#}"), "the new rules of redaction are refused; the earlier ones stay");
                metrics::counter!("hansard_redaction_reloads_total", "result" => "refused").increment(1);
            }
        }
    }
}

/// What tells that a file or the keys have changed.
type Stamps = (Vec<Option<(SystemTime, u64)>>, Option<SystemTime>);

fn stamps(redaction: &Redaction, source: &Source) -> Stamps {
    let stamp = |path: &PathBuf| {
        let about = std::fs::metadata(path).ok()?;
        Some((about.modified().ok()?, about.len()))
    };
    let signatures: Vec<PathBuf> = redaction.rules.iter().map(|path| signed::signature_of(path)).collect();
    (redaction.rules.iter().chain(&signatures).chain(&redaction.signers).map(stamp).collect(), source.stamp())
}

/// The rules that a command names, else those of the configuration. Where the data directory has no keys, tokens are
/// made with one that is forgotten.
pub fn chosen(
    named: RedactRules,
    configured: impl FnOnce() -> Result<Redaction, Failure>,
    keys: impl FnOnce() -> Result<Keyring>,
) -> Result<Redactor, Failure> {
    let redaction = match named.rules.is_empty() && named.packs.is_empty() {
        true => configured()?,
        false => Redaction { packs: named.packs, rules: named.rules, ..Redaction::default() },
    };
    let keys = keys().ok().filter(|keys| !keys.is_empty());
    load(&redaction, keys.map_or_else(trial, Ok)?, false).map_err(Failure::Usage)
}

/// `hansard redact FILE…`
#[expect(clippy::print_stdout, reason = "the answer is what is asked for")]
pub fn show(redactor: Redactor, files: &[PathBuf], json: bool) -> Result<(), Failure> {
    let standard_input = [PathBuf::from("-")];
    let files = if files.is_empty() { &standard_input[..] } else { files };
    let mut answers = Vec::new();
    for file in files {
        let body = contents(file).map_err(Failure::Unavailable)?;
        let result = redactor.redact("body", &body);
        if json {
            answers.push(as_json(file, &result));
            continue;
        }
        match result {
            Ok(redacted) => print!("{}", told(file, &String::from_utf8_lossy(&body), &redacted)),
            Err(withheld) => println!("{}: withheld: {withheld}", file.display()),
        }
    }
    if json {
        let answer = serde_json::json!({ "ruleset_id": redactor.ruleset_id(), "files": answers });
        println!("{answer:#}");
    }
    Ok(())
}

fn contents(file: &Path) -> Result<Vec<u8>> {
    if file == Path::new("-") {
        let mut body = Vec::new();
        std::io::stdin().read_to_end(&mut body).context("cannot read standard input")?;
        return Ok(body);
    }
    std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}

/// Never a value: only where it stood and which rule it was.
fn as_json(file: &Path, result: &Result<Redacted, redact::Withheld>) -> serde_json::Value {
    let redacted = match result {
        Ok(redacted) => redacted,
        Err(withheld) => {
            return serde_json::json!({ "file": file, "status": "withheld", "reason": withheld.to_string() });
        }
    };
    let places = redacted.redactions.iter().map(|one| {
        serde_json::json!({
            "rule": one.rule, "pointer": one.pointer, "action": one.action, "key_id": one.key_id,
            "start": one.start, "end": one.end, "masked_start": one.masked_start, "masked_end": one.masked_end,
        })
    });
    let status = if redacted.is_changed() { "masked" } else { "clean" };
    serde_json::json!({
        "file": file, "status": status, "counts": counts(redacted), "look_alikes": redacted.look_alikes,
        "redactions": places.collect::<Vec<_>>(),
    })
}

fn counts(redacted: &Redacted) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for one in &redacted.redactions {
        *counts.entry(one.rule.as_str()).or_default() += 1;
    }
    counts
}

/// The lines that change, before and after, and how often each rule found something.
fn told(file: &Path, before: &str, redacted: &Redacted) -> String {
    let coloured = std::io::stdout().is_terminal();
    let paint = |code: &str, line: &str| if coloured { format!("\x1b[{code}m{line}\x1b[0m") } else { line.to_owned() };
    let mut text = format!("{}\n", paint("1", &file.display().to_string()));
    for (number, old, new) in changed(before, redacted) {
        text += &format!(
            "{number:>6} {}\n{:>6} {}\n",
            paint("31", &format!("- {old}")),
            "",
            paint("32", &format!("+ {new}"))
        );
    }
    let listed: Vec<_> = counts(redacted).into_iter().map(|(rule, count)| format!("{rule} {count}")).collect();
    let total = redacted.redactions.len();
    text + &if total == 0 { "nothing to mask\n".to_owned() } else { format!("{total} masked: {}\n", listed.join(", ")) }
}

/// Each changed line with its number: the lines that redactions touch, and what they become.
fn changed(before: &str, redacted: &Redacted) -> Vec<(usize, String, String)> {
    let mut lines: Vec<(usize, String, String)> = Vec::new();
    let (mut number, mut counted, mut shown) = (1, 0, 0);
    for one in &redacted.redactions {
        let (start, end) = (one.start as usize, one.end as usize);
        if start < shown {
            continue;
        }
        let from = before[..start].rfind('\n').map_or(0, |at| at + 1);
        let mut to = before[end..].find('\n').map_or(before.len(), |at| end + at);
        // All redactions that begin on these lines belong to them.
        let mut last = one;
        for other in redacted.redactions.iter().filter(|other| other.start as usize >= start) {
            if other.start as usize >= to {
                break;
            }
            last = other;
            let end = other.end as usize;
            to = to.max(before[end..].find('\n').map_or(before.len(), |at| end + at));
        }
        number += before[counted..from].matches('\n').count();
        let grown = one.masked_start as usize + from - start;
        let masked_to = last.masked_end as usize + (to - last.end as usize);
        lines.push((number, cut(&before[from..to]), cut(&redacted.text[grown..masked_to])));
        (counted, shown) = (from, to);
    }
    lines
}

fn cut(line: &str) -> String {
    match line.char_indices().nth(LINE_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

/// What must and what must not be masked, as `hansard redact test` reads it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Cases {
    must_mask: Vec<String>,
    must_not_mask: Vec<String>,
}

/// `hansard redact test`: the rules have passed their own examples when they were loaded; now those of the files.
#[expect(clippy::print_stdout, reason = "the answer is what is asked for")]
pub fn test(redactor: Redactor, files: &[PathBuf]) -> Result<(), Failure> {
    let (mut tried, mut failed) = (0, Vec::new());
    for file in files {
        let shown = file.display();
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {shown}"));
        let cases: Cases = toml::from_str(&text.map_err(Failure::Unavailable)?)
            .map_err(|error| Failure::Usage(anyhow!("{shown}: {}", error.message())))?;
        let masks =
            |text: &String| redactor.redact("body", text.as_bytes()).map_or(true, |found| !found.redactions.is_empty());
        tried += cases.must_mask.len() + cases.must_not_mask.len();
        for (place, _) in cases.must_mask.iter().enumerate().filter(|(_, text)| !masks(text)) {
            failed.push(format!("{shown}: must_mask number {} is not masked", place + 1));
        }
        for (place, _) in cases.must_not_mask.iter().enumerate().filter(|(_, text)| masks(text)) {
            failed.push(format!("{shown}: must_not_mask number {} is masked", place + 1));
        }
    }
    println!("{} rules pass their own examples; {} of {tried} cases pass", redactor.rule_count(), tried - failed.len());
    if failed.is_empty() { Ok(()) } else { Err(Failure::Other(anyhow!("{}", failed.join("; ")))) }
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

    use super::*;

    #[test]
    fn changed_lines_are_shown_before_and_after() {
        let before = "one\nmail a@example.org, b@example.org\nthree\ncall 212-555-0143\n";
        let redacted = Redactor::built_in().redact("body", before.as_bytes()).unwrap();
        let lines = changed(before, &redacted);
        let expected = [
            (2, "mail a@example.org, b@example.org", "mail [REDACTED:email], [REDACTED:email]"),
            (4, "call 212-555-0143", "call [REDACTED:phone]"),
        ];
        assert_eq!(lines, expected.map(|(number, old, new)| (number, old.to_owned(), new.to_owned())));
    }

    #[test]
    fn json_never_holds_a_value() {
        let redacted = Redactor::built_in().redact("body", b"{\"x\":\"a@example.org\"}");
        let json = as_json(Path::new("f"), &redacted).to_string();
        assert!(json.contains("\"pointer\":\"/x\"") && !json.contains("a@example.org"), "{json}");
    }

    /// A file of rules, a set of the pack `crypto` and this file, and what is counted while it changes.
    struct Watched {
        file: PathBuf,
        redaction: Redaction,
        counted: PrometheusHandle,
        _folder: tempfile::TempDir,
        _counting: metrics::LocalRecorderGuard<'static>,
    }

    impl Watched {
        fn new() -> Watched {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("own.toml");
            std::fs::write(&file, rule("badge")).unwrap();
            let redaction =
                Redaction { packs: vec!["crypto".to_owned()], rules: vec![file.clone()], ..Redaction::default() };
            // It is left behind, since a guard needs one that outlives it.
            let recorder = Box::leak(Box::new(PrometheusBuilder::new().build_recorder()));
            let counted = recorder.handle();
            Watched {
                file,
                redaction,
                counted,
                _folder: folder,
                _counting: metrics::set_default_local_recorder(recorder),
            }
        }

        /// Waits until so many changes of the file were `result`.
        async fn reloaded(&self, result: &str, times: u64) {
            let line = format!("hansard_redaction_reloads_total{{result=\"{result}\"}} {times}");
            let seen = async {
                while !self.counted.render().contains(&line) {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            };
            tokio::time::timeout(PATIENCE, seen).await.expect("the file is looked at");
        }
    }

    const PATIENCE: Duration = Duration::from_secs(30);

    /// A rule that finds the name and three digits.
    fn rule(name: &str) -> String {
        format!("[[rule]]\nid = \"{name}\"\nliterals = [\"{name}-\"]\npattern = \"{name}-[0-9]{{3}}\"\n")
    }

    fn masks(redactor: &Redactor, text: &str) -> bool {
        !redactor.redact("body", text.as_bytes()).unwrap().redactions.is_empty()
    }

    #[tokio::test]
    async fn a_faulty_file_leaves_the_rules_in_force() {
        let changing = Watched::new();
        let rules = watched(&changing.redaction, Source::Keyless).unwrap();
        let before = rules.borrow().ruleset_id().to_owned();

        std::fs::write(&changing.file, "[[rule]]\nid = \"no way to find it\"\n").unwrap();
        changing.reloaded("refused", 1).await;
        assert_eq!(rules.borrow().ruleset_id(), before);
        assert!(masks(&rules.borrow(), "badge-123"), "the earlier rules mask");

        std::fs::write(&changing.file, rule("locker")).unwrap();
        changing.reloaded("taken", 1).await;
        assert!(masks(&rules.borrow(), "locker-123") && !masks(&rules.borrow(), "badge-123"));
    }

    #[tokio::test]
    async fn what_nobody_has_signed_leaves_the_rules_in_force() {
        let (mut changing, signer) = (Watched::new(), signed::tests::Signer::new());
        changing.redaction.signers = vec![signer.key()];
        signer.sign(&changing.file, &rule("badge"));
        let rules = watched(&changing.redaction, Source::Keyless).unwrap();
        std::fs::write(&changing.file, rule("locker")).unwrap();
        changing.reloaded("refused", 1).await;
        assert!(masks(&rules.borrow(), "badge-123"), "the earlier rules mask");
        signer.sign(&changing.file, &rule("locker"));
        changing.reloaded("taken", 1).await;
        assert!(masks(&rules.borrow(), "locker-123"));
    }

    #[cfg(feature = "masker")]
    #[tokio::test]
    async fn a_set_on_trial_is_read_again_as_well() {
        let changing = Watched::new();
        let Redaction { packs, rules, .. } = changing.redaction.clone();
        let redaction =
            Redaction { shadow: Some(Shadow { packs, rules, ..Shadow::default() }), ..Redaction::default() };
        let on_trial = watched_shadow(&redaction, Source::Keyless).unwrap();
        assert!(masks(on_trial.borrow().as_ref().unwrap(), "badge-123"));

        std::fs::write(&changing.file, rule("locker")).unwrap();
        changing.reloaded("taken", 1).await;
        let now = on_trial.borrow().clone().unwrap();
        assert!(masks(&now, "locker-123") && !masks(&now, "badge-123"));

        let none = watched_shadow(&Redaction::default(), Source::Keyless).unwrap();
        assert!(none.borrow().is_none(), "nothing is on trial unless it is asked for");
    }
}
