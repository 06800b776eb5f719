//! How fast one core masks: a generated corpus of MCP messages, the fast scanner beside the reference, and shapes that
//! somebody wrote to make it slow.
//!
//! `cargo bench -p hansard-redact --bench corpus -- [--megabytes 100] [--reference-megabytes 8]`; with `--text FOLDER`, what
//! is found in the text files there instead. Times are CPU times of
//! the one thread that works, so that what else runs on the machine counts little.

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::disallowed_methods, reason = "a bench prints")]

use hansard_redact::Redactor;

#[path = "corpus/hostile.rs"]
mod hostile;
#[path = "corpus/make.rs"]
mod make;
#[path = "corpus/text.rs"]
mod text;
#[path = "corpus/time.rs"]
mod time;

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
    println!("{} rules, {megabytes} MB generated, seed {}", redactor.rule_count(), make::SEED);
    let corpus = make::corpus(megabytes * 1_000_000);
    by_kind(&redactor, &corpus);
    whole("fast scanner", &redactor, &corpus);
    let some = first(&corpus, argument("--reference-megabytes", 8) * 1_000_000);
    whole("fast scanner, the same part", &redactor, some);
    whole("reference scanner, that part", &redactor.reference(), some);
    hostile::run(&redactor);
}

fn by_kind(redactor: &Redactor, corpus: &[make::Message]) {
    println!("| kind | messages | MB | MB/s | MB/s where nothing is found | MB/s where something is | finds |");
    println!("|---|--:|--:|--:|--:|--:|--:|");
    for kind in make::KINDS {
        let of_kind: Vec<_> = corpus.iter().filter(|message| message.kind == *kind).cloned().collect();
        let (clean, found): (Vec<_>, Vec<_>) =
            of_kind.iter().cloned().partition(|message| mask(redactor, std::slice::from_ref(message)) == 0);
        let (all, finds) = speed(redactor, &of_kind);
        let (clean, found) = (speed(redactor, &clean).0, speed(redactor, &found).0);
        let megabytes = of_kind.iter().map(|message| message.body.len()).sum::<usize>() as f64 / 1e6;
        println!("| {kind} | {} | {megabytes:.1} | {all:.0} | {clean:.0} | {found:.0} | {finds} |", of_kind.len());
    }
}

fn speed(redactor: &Redactor, corpus: &[make::Message]) -> (f64, usize) {
    let bytes: usize = corpus.iter().map(|message| message.body.len()).sum();
    let (seconds, finds) = time::cpu_seconds(|| mask(redactor, corpus));
    (bytes as f64 / 1e6 / seconds, finds)
}

fn whole(name: &str, redactor: &Redactor, corpus: &[make::Message]) {
    let bytes: usize = corpus.iter().map(|message| message.body.len()).sum();
    let (seconds, finds) = time::cpu_seconds(|| mask(redactor, corpus));
    let short = corpus.iter().filter(|message| message.body.len() <= 64 * 1024);
    let mut micros: Vec<f64> = short.map(|message| best_micros(redactor, message)).collect();
    micros.sort_by(f64::total_cmp);
    let share = |share: f64| micros[((micros.len() - 1) as f64 * share) as usize];
    println!(
        "{name}: {:.1} MB, {:.0} MB/s/core, {finds} finds; per message up to 64 KiB p50 {:.0} µs, p99 {:.0} µs",
        bytes as f64 / 1e6,
        bytes as f64 / 1e6 / seconds,
        share(0.5),
        share(0.99)
    );
}

/// The best of three, by the wall: what else runs on the machine is not the message's.
fn best_micros(redactor: &Redactor, message: &make::Message) -> f64 {
    let one = || {
        let started = std::time::Instant::now();
        mask(redactor, std::slice::from_ref(message));
        started.elapsed().as_secs_f64() * 1e6
    };
    one().min(one()).min(one())
}

fn mask(redactor: &Redactor, corpus: &[make::Message]) -> usize {
    corpus.iter().map(|message| redactor.redact("body", message.body.as_bytes()).unwrap().redactions.len()).sum()
}

fn first(corpus: &[make::Message], bytes: usize) -> &[make::Message] {
    let mut sum = 0;
    let end = corpus.iter().position(|message| {
        sum += message.body.len();
        sum > bytes
    });
    &corpus[..end.unwrap_or(corpus.len())]
}
