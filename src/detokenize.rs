//! `hansard detokenize`: the values of tokens, for those who may see them.
//!
//! It needs the key in the data directory and a person whose group is named, and the trail says who asked for which
//! tokens before one of them is opened. It refuses to say anything of a token that no key here has made.

use std::{collections::BTreeSet, io::Read};

use anyhow::{Context, anyhow};
use serde_json::json;

use crate::{
    argv::Detokenize,
    authority::{self, Request},
    configuration::Configuration,
    data::DataDirectory,
    exit::Failure,
    keys::Keys,
    reading,
    wiring::Ground,
};

/// Most tokens of one question.
const TOKENS_MAX: usize = 1000;
/// Most text on standard input, in bytes.
const INPUT_BYTES_MAX: u64 = 64 * 1024 * 1024;

pub async fn command(data: &DataDirectory, configuration: &Configuration, asked: Detokenize) -> Result<(), Failure> {
    let tokens = tokens(asked.tokens)?;
    let keys = Keys::of(data)?;
    let keyring = keys.masking()?;
    if keyring.is_empty() {
        return Err(Failure::Unavailable(anyhow!("there is no key of masking in {}", data.keys().display())));
    }
    let ground = Ground::open(data, configuration, &keys, reading::emitter(data)?).await?;
    let request = Request {
        method: "masking/detokenize",
        groups: &configuration.redaction.detokenizers,
        key: "[redaction] detokenizers",
        body: json!({ "tokens": tokens }),
    };
    authority::ask(&ground, configuration, &keys, &asked.token, request).await?;
    let mut tenants: BTreeSet<&str> = configuration.redaction.tenants.values().map(String::as_str).collect();
    tenants.insert("");
    let tenants: Vec<&str> = tenants.into_iter().collect();
    let opened: Vec<_> = tokens.iter().map(|token| (token, keyring.detokenize(token, &tenants))).collect();
    let failed = opened.iter().filter(|(_, opened)| opened.is_err()).count();
    show(&opened, asked.json);
    if failed == 0 { Ok(()) } else { Err(Failure::Other(anyhow!("{failed} of {} tokens give no value", opened.len()))) }
}

#[expect(clippy::print_stdout, reason = "the answer is what is asked for")]
fn show(opened: &[(&String, Result<redact::Opened, redact::Sealed>)], json: bool) {
    if json {
        let rows = opened.iter().map(|(token, opened)| match opened {
            Ok(opened) => {
                json!({ "token": token, "rule": opened.rule, "key_id": opened.key_id, "value": opened.value })
            }
            Err(sealed) => json!({ "token": token, "error": sealed.to_string() }),
        });
        return println!("{:#}", serde_json::Value::Array(rows.collect()));
    }
    for (token, opened) in opened {
        match opened {
            Ok(opened) => println!("{}\t{}", opened.rule, opened.value),
            Err(sealed) => println!("{token}\t({sealed})"),
        }
    }
}

/// Those that were given, or those in the text on standard input.
fn tokens(given: Vec<String>) -> Result<Vec<String>, Failure> {
    let tokens = if given.is_empty() { in_text(&standard_input().map_err(Failure::Unavailable)?) } else { given };
    match tokens.len() {
        0 => Err(Failure::Usage(anyhow!("there is no token: [REDACTED:<rule>:siv:…]"))),
        count if count > TOKENS_MAX => Err(Failure::Usage(anyhow!("{count} tokens: ask for {TOKENS_MAX} at once"))),
        _ => Ok(tokens),
    }
}

fn standard_input() -> anyhow::Result<String> {
    let mut text = String::new();
    std::io::stdin().take(INPUT_BYTES_MAX).read_to_string(&mut text).context("cannot read standard input")?;
    Ok(text)
}

/// What may be tokens, each once and in order.
fn in_text(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for (at, _) in text.match_indices("[REDACTED:") {
        let token = text[at..].find(']').map(|end| &text[at..=at + end]);
        if let Some(token) = token.filter(|token| token.contains(":siv:") && !found.iter().any(|known| known == token))
        {
            found.push(token.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_found_in_any_text() {
        let text = r#"{"a":"[REDACTED:email:siv:ab:cd] [REDACTED:card]","b":"[REDACTED:email:siv:ab:cd]["}"#;
        assert_eq!(in_text(text), ["[REDACTED:email:siv:ab:cd]"]);
    }
}
