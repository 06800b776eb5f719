//! What a request holds that rules of redaction find, for a policy that asks.
//!
//! Looking costs time, so it is done only when a rule of the policy names `call.findings`, and within the engine's
//! limits. It refuses to say "nothing" of what could not be looked at: then the rule that asks fails, and a rule that
//! fails blocks or holds.

use std::sync::Arc;

use redact::{Redactor, Withheld};
use schemas::{Direction, call::Findings};

use crate::{
    exchange::Exchange,
    measure,
    parse::{Asked, Part},
};

/// Fills in what each message holds, if the policy in force asks for it.
pub(crate) async fn find(exchange: &Exchange, asked: &mut Asked) {
    if !exchange.gate.policy.borrow().asks_findings() {
        return;
    }
    let redactor = exchange.gate.redactor.as_ref().map(|redactor| Arc::clone(&redactor.borrow()));
    for part in &mut asked.parts {
        part.call.findings = match &redactor {
            Some(redactor) => in_part(redactor, part).await,
            None => unknown(),
        };
    }
}

/// On a thread that may be busy for as long as a large body takes.
async fn in_part(redactor: &Redactor, part: &Part) -> Findings {
    let (bytes, target) = (part.bytes.clone(), part.call.target.clone());
    let tool = (!target.is_empty()).then_some(target.as_str());
    let redactor = redactor.for_call(tool, Direction::ToUpstream);
    let looked = tokio::task::spawn_blocking(move || look(&redactor, &bytes, &target)).await;
    match looked {
        Ok(Ok(found)) => Findings::Known(found),
        Ok(Err(_)) | Err(_) => unknown(),
    }
}

fn unknown() -> Findings {
    measure::not_looked_at();
    Findings::Unknown
}

fn look(redactor: &Redactor, body: &[u8], target: &str) -> Result<Vec<String>, Withheld> {
    let mut found = redactor.findings(body)?;
    found.extend(redactor.findings(target.as_bytes())?);
    found.sort();
    found.dedup();
    Ok(found)
}
