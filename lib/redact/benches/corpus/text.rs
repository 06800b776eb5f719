//! Real text from this machine: how often each rule finds something in it, and how fast. Whether a find is a false one,
//! people judge: `--text FOLDER --show RULE` prints the finds of one rule.

use std::{collections::BTreeMap, fs, path::Path};

use hansard_redact::Redactor;

use super::time;

const FILE_BYTES_MAX: u64 = 1024 * 1024;
const SHOWN_MAX: usize = 40;

pub(crate) fn run(redactor: &Redactor, folder: &Path, bytes_max: usize) {
    let show = std::env::args().skip_while(|argument| argument != "--show").nth(1);
    let (mut files, mut folders, mut bytes) = (Vec::new(), vec![folder.to_owned()], 0);
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        for entry in entries.flatten() {
            let Ok(about) = entry.metadata() else { continue };
            if about.is_dir() {
                folders.push(entry.path());
            } else if about.is_file() && about.len() <= FILE_BYTES_MAX && bytes < bytes_max {
                let text = fs::read_to_string(entry.path()).unwrap_or_default();
                bytes += text.len();
                files.push(text);
            }
        }
    }
    let (mut counts, mut masked, mut shown, mut withheld) = (BTreeMap::<String, usize>::new(), 0, 0, 0);
    for text in &files {
        let Ok(found) = redactor.redact("body", text.as_bytes()) else {
            withheld += 1;
            continue;
        };
        for one in &found.redactions {
            *counts.entry(one.rule.clone()).or_default() += 1;
            masked += one.end - one.start;
            if show.as_deref() == Some(&one.rule) && shown < SHOWN_MAX {
                shown += 1;
                let (start, end) = (one.start as usize, one.end as usize);
                let from = (start.saturating_sub(40)..=start).find(|at| text.is_char_boundary(*at)).unwrap_or(start);
                println!("{:?} in {:?}", &text[start..end], &text[from..end]);
            }
        }
    }
    let (seconds, _) = time::seconds(|| {
        files.iter().map(|text| redactor.redact("body", text.as_bytes()).is_ok() as usize).sum::<usize>()
    });
    let megabytes = bytes as f64 / 1e6;
    println!("{} files, {megabytes:.1} MB, {:.0} MB/s, {withheld} withheld", files.len(), megabytes / seconds);
    println!("{masked} bytes masked, {:.0} per MB", masked as f64 / megabytes);
    for (rule, count) in counts {
        println!("{rule}: {count}, {:.2} per MB", count as f64 / megabytes);
    }
}
