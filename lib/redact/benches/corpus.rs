//! How fast one core masks: a generated corpus of MCP messages by kinds and by sets of rules, beside what copies and reads
//! the same bytes and beside the reference scanner, all in one run; and shapes that somebody wrote to make it slow.
//!
//! `cargo bench -p hansard-redact --bench corpus -- [--megabytes 100] [--reference-megabytes 8]`; with `--text FOLDER`, what
//! is found in the text files there instead. All of it is gone through several times, one message after the other, and each
//! counts with its fastest: what else runs on the machine only makes times longer.

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::disallowed_methods, reason = "a bench prints")]

use hansard_redact::{Keyring, Redactor, RuleSet};

#[path = "corpus/hostile.rs"]
mod hostile;
#[path = "corpus/make.rs"]
mod make;
#[path = "corpus/text.rs"]
mod text;
#[path = "corpus/time.rs"]
mod time;

/// That of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How often the corpus is gone through, and the part of it that the reference scanner reads.
const ROUNDS: usize = 9;
const REFERENCE_ROUNDS: usize = 3;

/// The packs that each set of rules adds to the one before; the last has all.
const TIERS: [(&str, &[&str]); 3] = [
    ("makers' prefixes", &["secrets", "cloud", "crypto"]),
    ("and values of names", &["keyed", "blobs"]),
    ("and personal data", &["pii"]),
];

/// One message, at its fastest.
#[derive(Clone)]
struct Measured {
    kind: &'static str,
    bytes: usize,
    seconds: f64,
    finds: usize,
}

fn main() {
    let argument = |name: &str, default: usize| {
        let given = std::env::args().skip_while(|argument| argument != name).nth(1);
        given.and_then(|number| number.parse().ok()).unwrap_or(default)
    };
    let megabytes = argument("--megabytes", 100);
    let redactor = Redactor::built_in();
    let folder = std::env::args().skip_while(|argument| argument != "--text").nth(1);
    if let Some(folder) = folder {
        return text::run(&redactor, folder.as_ref(), megabytes * 1_000_000);
    }
    println!("{} rules, {megabytes} MB generated, seed {}\n", redactor.rule_count(), make::SEED);
    let corpus = make::corpus(megabytes * 1_000_000);
    let all = measure(&corpus, ROUNDS, |text| finds(&redactor, text));
    println!("| kind | messages | MB | MB/s | MB/s where nothing is found | MB/s where something is | finds |");
    println!("|---|--:|--:|--:|--:|--:|--:|");
    make::KINDS.iter().for_each(|kind| by_kind(kind, &all));
    println!("\n| the whole corpus | MB | MB/s per core | finds | p50 | p99, messages up to 64 KiB |");
    println!("|---|--:|--:|--:|--:|--:|");
    let mut packs = Vec::new();
    for (name, more) in TIERS {
        packs.extend(more.iter().map(|pack| (*pack).to_owned()));
        let some = Redactor::load(&RuleSet { packs: packs.clone(), ..RuleSet::default() }, Keyring::default()).unwrap();
        let rules = format!("{} rules: {name}", some.rule_count());
        whole(&rules, &measure(&corpus, ROUNDS, |text| finds(&some, text)));
    }
    whole(&format!("**all {} rules**", redactor.rule_count()), &all);
    whole("the same bytes read as JSON, kept as a tree and written again", &measure(&corpus, ROUNDS, tree));
    whole("the same bytes read as JSON, nothing kept", &measure(&corpus, ROUNDS, validate));
    whole("the same bytes copied", &measure(&corpus, ROUNDS, copy));
    let some = first(&corpus, argument("--reference-megabytes", 8) * 1_000_000);
    whole("all rules, a part of it", &all[..some.len()]);
    let reference = redactor.reference();
    whole("the reference scanner, that part", &measure(some, REFERENCE_ROUNDS, |text| finds(&reference, text)));
    println!();
    hostile::run(&redactor);
}

fn measure(corpus: &[make::Message], rounds: usize, mut work: impl FnMut(&str) -> usize) -> Vec<Measured> {
    let unmeasured = |message: &make::Message| {
        let (kind, bytes) = (message.kind, message.body.len());
        Measured { kind, bytes, seconds: f64::MAX, finds: 0 }
    };
    let mut all: Vec<Measured> = corpus.iter().map(unmeasured).collect();
    for _ in 0..rounds {
        for (message, measured) in corpus.iter().zip(&mut all) {
            let (seconds, finds) = time::once(|| work(&message.body));
            measured.seconds = measured.seconds.min(seconds);
            measured.finds = finds;
        }
    }
    all
}

fn by_kind(kind: &str, all: &[Measured]) {
    let of_kind: Vec<Measured> = all.iter().filter(|one| one.kind == kind).cloned().collect();
    let (clean, found): (Vec<_>, Vec<_>) = of_kind.iter().cloned().partition(|one| one.finds == 0);
    let (megabytes, finds) = (megabytes(&of_kind), of_kind.iter().map(|one| one.finds).sum::<usize>());
    let [all, clean, found] = [&of_kind, &clean, &found].map(|some| speed(some));
    println!("| {kind} | {} | {megabytes:.1} | {all:.0} | {clean:.0} | {found:.0} | {finds} |", of_kind.len());
}

fn whole(name: &str, all: &[Measured]) {
    let short = all.iter().filter(|one| one.bytes <= 64 * 1024);
    let mut micros: Vec<f64> = short.map(|one| one.seconds * 1e6).collect();
    micros.sort_by(f64::total_cmp);
    let share = |share: f64| micros.get((micros.len().saturating_sub(1) as f64 * share) as usize).unwrap_or(&f64::NAN);
    let (megabytes, speed, finds) = (megabytes(all), speed(all), all.iter().map(|one| one.finds).sum::<usize>());
    println!("| {name} | {megabytes:.1} | {speed:.0} | {finds} | {:.0} µs | {:.0} µs |", share(0.5), share(0.99));
}

fn megabytes(all: &[Measured]) -> f64 {
    all.iter().map(|one| one.bytes).sum::<usize>() as f64 / 1e6
}

fn speed(all: &[Measured]) -> f64 {
    megabytes(all) / all.iter().map(|one| one.seconds).sum::<f64>()
}

fn finds(redactor: &Redactor, text: &str) -> usize {
    redactor.redact("body", text.as_bytes()).unwrap().redactions.len()
}

fn tree(text: &str) -> usize {
    let tree: serde_json::Value = serde_json::from_str(text).unwrap();
    std::hint::black_box(tree.to_string());
    0
}

fn validate(text: &str) -> usize {
    serde_json::from_str::<serde::de::IgnoredAny>(text).unwrap();
    0
}

fn copy(text: &str) -> usize {
    std::hint::black_box(text.to_owned());
    0
}

fn first(corpus: &[make::Message], bytes: usize) -> &[make::Message] {
    let mut sum = 0;
    let end = corpus.iter().position(|message| {
        sum += message.body.len();
        sum > bytes
    });
    &corpus[..end.unwrap_or(corpus.len())]
}
