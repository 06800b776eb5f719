//! Masking beside other engines: the same messages, one thread, each at its fastest of several times.
//!
//! `speed MEGABYTES FILE` measures this engine, its reference and dd-sensitive-data-scanner, and leaves the messages in FILE,
//! one a line, for those that are measured from outside. `spans` reads texts, one JSON string a line, and says for each what
//! was found: `[[start, end, rule], …]`, in bytes. It refuses to judge: that is what `quality.py` is for.

use std::{
    fs,
    io::{self, BufRead, Write},
};

use dd_sds::Scanner;
use hansard_redact::Redactor;

#[allow(dead_code, reason = "what kind a message is, only the bench asks")]
#[path = "../../benches/corpus/make.rs"]
mod make;
mod sds;
#[path = "../../benches/corpus/time.rs"]
mod time;

/// How much the slow engines are given, in bytes.
const SLOW_BYTES: usize = 1_000_000;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["speed", megabytes, file] => speed(megabytes.parse().map_err(io::Error::other)?, file),
        ["spans"] => spans(),
        _ => Err(io::Error::other("speed MEGABYTES FILE | spans")),
    }
}

fn speed(megabytes: usize, file: &str) -> io::Result<()> {
    let corpus = make::corpus(megabytes * 1_000_000);
    let mut bytes = 0;
    let few = corpus.iter().position(|message| {
        bytes += message.body.len();
        bytes > SLOW_BYTES
    });
    let few = &corpus[..few.unwrap_or(corpus.len())];
    fs::write(file, few.iter().map(|message| message.body.replace('\n', " ") + "\n").collect::<String>())?;
    let redactor = Redactor::built_in();
    let rules = redactor.rule_count();
    report("hansard", rules, &corpus, |body| masked(&redactor, body));
    report("hansard, the part for the others", rules, few, |body| masked(&redactor, body));
    report("hansard's reference scanner", rules, few, |body| masked(&redactor.reference(), body));
    let (scanner, rules) = sds::scanner();
    report("dd-sensitive-data-scanner", rules, few, |body| found(&scanner, body));
    Ok(())
}

fn report(name: &str, rules: usize, corpus: &[make::Message], work: impl Fn(&str) -> usize) {
    let bytes: usize = corpus.iter().map(|message| message.body.len()).sum();
    let all = || corpus.iter().map(|message| work(&message.body)).sum::<usize>();
    let (seconds, finds) = time::seconds(all);
    let megabytes = bytes as f64 / 1e6;
    println!("| {name} | {rules} | {megabytes:.1} | {:.2} | {finds} |", megabytes / seconds);
}

fn masked(redactor: &Redactor, body: &str) -> usize {
    redactor.redact("body", body.as_bytes()).map_or(0, |masked| masked.redactions.len())
}

fn found(scanner: &Scanner, body: &str) -> usize {
    scanner.scan(&mut body.to_owned()).map_or(0, |found| found.len())
}

fn spans() -> io::Result<()> {
    let redactor = Redactor::built_in();
    let mut out = io::BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().lines() {
        let text: String = serde_json::from_str(&line?)?;
        let found = redactor.redact("text", text.as_bytes()).map(|masked| masked.redactions).unwrap_or_default();
        let spans: Vec<_> = found.iter().map(|one| (one.start, one.end, one.rule.as_str())).collect();
        writeln!(out, "{}", serde_json::to_string(&spans)?)?;
    }
    out.flush()
}
