//! Collects what was masked in the fields of one record.

use std::panic::{AssertUnwindSafe, catch_unwind};

use percent_encoding::percent_decode_str;
use protocol::deltas;
use redact::{Redacted, Redactor, Withheld};
use schemas::{RedactionStatus, record::Redaction};

use crate::shadow;

/// What stands in place of a short text that could not be masked.
const WITHHELD: &str = "[WITHHELD]";

pub(crate) struct Evidence<'a> {
    redactor: &'a Redactor,
    /// A set on trial.
    trial: Option<&'a Redactor>,
    pub(crate) redactions: Vec<Redaction>,
    /// Something is not as it was; what is only flagged is.
    changed: bool,
    /// Why something is not in the record.
    pub(crate) withheld: Option<Withheld>,
}

impl<'a> Evidence<'a> {
    pub(crate) fn new(redactor: &'a Redactor, trial: Option<&'a Redactor>) -> Evidence<'a> {
        Evidence { redactor, trial, redactions: Vec::new(), changed: false, withheld: None }
    }

    /// A short text, masked.
    pub(crate) fn text(&mut self, field: &str, text: &str) -> String {
        let made = self.made(|redactor| redactor.redact_text(field, text));
        self.short(made)
    }

    fn short(&mut self, made: Result<Redacted, Withheld>) -> String {
        match made {
            Ok(redacted) => self.taken(redacted),
            Err(reason) => {
                self.withheld = Some(reason);
                WITHHELD.to_owned()
            }
        }
    }

    /// A text that may be percent-encoded, as paths and URIs are. Where decoding shows something to mask, the decoded
    /// text is kept, masked; else the text stays as it was sent.
    pub(crate) fn address(&mut self, field: &str, text: &str) -> String {
        let decoded = percent_decode_str(text).decode_utf8_lossy();
        let hides = decoded != text
            && !matches!(self.redactor.redact_text(field, &decoded), Ok(found) if found.redactions.is_empty());
        self.text(field, if hides { &decoded } else { text })
    }

    pub(crate) fn optional(&mut self, field: &str, text: Option<&str>) -> Option<String> {
        text.map(|text| self.text(field, text))
    }

    /// A payload, masked; or what stands in its place.
    pub(crate) fn body(&mut self, body: &[u8]) -> String {
        let repeats = |text: &str| !deltas::repeated(text).is_empty();
        let made = match std::str::from_utf8(body) {
            Ok(text) if repeats(text) => self.made(|redactor| redactor.redact_scattered("body", body, deltas::whole)),
            _ => self.made(|redactor| redactor.redact("body", body)),
        };
        self.payload(made)
    }

    /// Chunks of a streamed answer. Where they are events, what a model says in pieces is looked at as a whole.
    pub(crate) fn stream(&mut self, body: &[u8]) -> String {
        if !std::str::from_utf8(body).is_ok_and(deltas::is_event_stream) {
            return self.body(body);
        }
        let made = self.made(|redactor| redactor.redact_scattered("body", body, deltas::layout));
        self.payload(made)
    }

    fn payload(&mut self, made: Result<Redacted, Withheld>) -> String {
        match made {
            Ok(redacted) => self.taken(redacted),
            Err(reason) => {
                let text = withheld(&reason.to_string());
                self.withheld = Some(reason);
                text
            }
        }
    }

    fn made(&self, mask: impl Fn(&Redactor) -> Result<Redacted, Withheld>) -> Result<Redacted, Withheld> {
        // The rest of the record stays: who, when and what.
        let made = catch_unwind(AssertUnwindSafe(|| mask(self.redactor))).unwrap_or(Err(Withheld::Panicked));
        if let Some(trial) = self.trial {
            shadow::compare(trial, mask, &made);
        }
        made
    }

    fn taken(&mut self, redacted: Redacted) -> String {
        metrics::counter!("hansard_masker_look_alikes_total").increment(redacted.look_alikes as u64);
        self.changed |= redacted.is_changed();
        self.redactions.extend(redacted.redactions);
        redacted.text
    }

    pub(crate) fn status(&self) -> RedactionStatus {
        match (&self.withheld, self.changed) {
            (Some(_), _) => RedactionStatus::Withheld,
            (None, false) => RedactionStatus::Clean,
            (None, true) => RedactionStatus::Masked,
        }
    }
}

/// The body of a record whose payload is not in it.
pub(crate) fn withheld(reason: &str) -> String {
    serde_json::json!({ "hansard": "withheld", "reason": reason }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_withholds_what_it_was_about_and_tells_nothing() {
        let redactor = Redactor::built_in();
        let mut evidence = Evidence::new(&redactor, None);
        let made = evidence.made(|_| panic!("a secret"));
        let body = evidence.payload(made);
        assert!(body.contains("\"hansard\":\"withheld\"") && !body.contains("a secret"), "{body}");
        assert_eq!((evidence.status(), &evidence.withheld), (RedactionStatus::Withheld, &Some(Withheld::Panicked)));
        assert_eq!(evidence.text("method", "of jane@example.org"), "of [REDACTED:email]", "all else goes on");
        let made = evidence.made(|_| panic!("a secret"));
        assert_eq!(evidence.short(made), WITHHELD);
    }

    #[test]
    fn what_repeats_a_text_token_by_token_goes_with_it() {
        let redactor = Redactor::built_in();
        let answer = |said: &str, copy: &str| {
            format!(
                r#"{{"choices":[{{"message":{{"content":"{said}"}},"logprobs":{copy}}},{{"text":"ok","logprobs":[1]}}]}}"#
            )
        };
        let tokens = r#"{"content":[{"token":"jane"},{"token":"@ex"},{"token":"ample"}]}"#;
        let mut evidence = Evidence::new(&redactor, None);
        let masked = evidence.body(answer("to jane@example.org", tokens).as_bytes());
        assert_eq!(masked, answer("to [REDACTED:email]", "\"[REDACTED:email]\""));
        assert_eq!(evidence.redactions.len(), 2);
        assert_eq!(evidence.body(answer("to jane", tokens).as_bytes()), answer("to jane", tokens));
    }

    #[test]
    fn percent_encoding_hides_nothing() {
        let redactor = Redactor::built_in();
        let mut evidence = Evidence::new(&redactor, None);
        let masked = evidence.address("target", "/find?mail=ada%40example.com&page=2");
        assert!(!masked.contains("ada") && masked.ends_with("&page=2"), "{masked}");
        assert_eq!(evidence.redactions.len(), 1);
        assert_eq!(evidence.address("target", "/a%20file?of=b%2Fc"), "/a%20file?of=b%2Fc", "harmless: as it was sent");
    }
}
