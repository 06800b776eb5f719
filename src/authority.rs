//! What only some people may do at the machine: who asks is proved by a token, groups say who may, and the trail has it
//! before anything is done – the refusal as well.
//!
//! It refuses to go on when what is asked cannot be recorded.

use anyhow::{Context as _, anyhow};
use recorder::Recorder;
use schemas::{Clock, Context, Ending, ExchangeId, Frame, FrameKind, Outcome};
use serde_json::Value;

use crate::{configuration::Configuration, exit::Failure, keys::Keys, wiring, wiring::Ground};

/// What is asked for.
#[derive(Debug)]
pub struct Request<'a> {
    /// As the column `method` has it.
    pub method: &'static str,
    /// Groups whose members may; without any, nobody.
    pub groups: &'a [String],
    /// Where those groups are configured, for the refusal.
    pub key: &'static str,
    pub body: Value,
}

/// Somebody who may, and the record that says so.
pub struct Permit<'a> {
    recorder: &'a Recorder,
    clock: &'a Clock,
    exchange_id: ExchangeId,
    context: Context,
}

/// Is the bearer of this token allowed to? Recorded either way.
pub async fn ask<'a>(
    ground: &'a Ground,
    configuration: &Configuration,
    keys: &Keys,
    token: &str,
    request: Request<'_>,
) -> Result<Permit<'a>, Failure> {
    let authenticator = wiring::authenticator(configuration, keys, &ground.clock)?;
    let known = authenticator.authenticate(Some(&format!("Bearer {token}"))).await;
    let context = Context {
        principal: known.as_ref().ok().cloned(),
        auth_method: if known.is_ok() { "jwt" } else { "none" }.to_owned(),
        protocol: recorder::PROTOCOL.to_owned(),
        method: Some(request.method.to_owned()),
        ..Context::default()
    };
    let exchange_id = ground.recorder.new_exchange_id();
    let refusal = match &known {
        Err(error) => Some((Outcome::Unauthenticated, format!("the token is not taken: {error}"))),
        Ok(principal) if !principal.groups.iter().any(|group| request.groups.contains(group)) => {
            let says = format!("{} is in none of the groups of {}", principal.subject, request.key);
            Some((Outcome::Forbidden, says))
        }
        Ok(_) => None,
    };
    let kind = if refusal.is_some() { FrameKind::Refusal } else { FrameKind::Read };
    let mut frame = Frame::internal(kind, exchange_id, (ground.clock)(), context.clone());
    frame.ending =
        refusal.as_ref().map(|(outcome, says)| Ending { error: Some(says.clone()), ..Ending::new(*outcome) });
    let frame = frame.with_body(request.body.to_string().into_bytes());
    ground.recorder.record(frame).await.context("this cannot be recorded, so it is not done")?;
    match (known, refusal) {
        (Ok(_), None) => Ok(Permit { recorder: &ground.recorder, clock: &ground.clock, exchange_id, context }),
        (_, refusal) => Err(Failure::Refused(anyhow!(refusal.map_or_else(String::new, |(_, says)| says)))),
    }
}

impl Permit<'_> {
    /// Records what has come of it.
    pub async fn done(&self, body: &Value) -> Result<(), Failure> {
        let frame = Frame::internal(FrameKind::Lifecycle, self.exchange_id, (self.clock)(), self.context.clone());
        let frame = Frame { ordinal: 1, ..frame }.with_body(body.to_string().into_bytes());
        Ok(self.recorder.record(frame).await.context("what was done cannot be recorded")?)
    }
}
