//! Masking in flight, on connections that ask for it: what the upstream receives, and what the caller receives.
//!
//! The record is made of the bytes as they came, before; the masker masks it on its own. Here nothing passes that could
//! not be masked: a request is refused, an answer withheld, a stream ended. What correlates messages – ids, the method,
//! progress tokens – stays as it is, or nobody would know which answer is whose. There are no keys here: what would be
//! hashed or tokenized at rest is redacted.

mod deltas;

use std::{borrow::Cow, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use protocol::mcp::code;
use redact::{Place, Redactor, Stream, Withheld};
use schemas::{Direction, Outcome, record::Redaction};

use self::deltas::Texts;
use crate::{config::Kind, exchange::Exchange, stop::Stop};

/// Where in a message stands what correlates it.
const CORRELATES: [&str; 8] = [
    "/id",
    "/jsonrpc",
    "/method",
    "/params/_meta/progressToken",
    "/params/progressToken",
    "/params/requestId",
    "/params/protocolVersion",
    "/result/protocolVersion",
];
/// Clients check it against the tool's schema, so that what is no string stays what it is.
const STRUCTURED: &str = "/result/structuredContent/";
/// Headers that repeat what the body says.
const REPEATED_NAME: &str = "mcp-name";
const REPEATED_PARAMETER: &str = "mcp-param-";
/// How such a header writes what is no plain text.
const ENCODED: (&str, &str) = ("=?base64?", "?=");
/// Headers that are of the body as it was.
const OF_THE_BODY: [HeaderName; 4] =
    [header::CONTENT_LENGTH, header::ETAG, HeaderName::from_static("content-md5"), HeaderName::from_static("digest")];

/// What goes to the upstream in place of what the caller sent.
#[derive(Debug)]
pub(crate) struct Outbound {
    body: Bytes,
    headers: HeaderMap,
    /// What follows the connection's name in the path.
    suffix: String,
    /// The path as the caller gave it, with the masked query.
    uri: Uri,
}

impl Outbound {
    /// From here on, the exchange is what the upstream may see of it.
    pub(crate) fn put(self, exchange: &mut Exchange) -> Bytes {
        (exchange.head.headers, exchange.suffix, exchange.head.uri) = (self.headers, self.suffix, self.uri);
        self.body
    }
}

/// The request as the upstream may see it; nothing, where the connection does not mask.
pub(crate) async fn request(exchange: &Exchange, body: &Bytes) -> Result<Option<Outbound>, Stop> {
    if !exchange.connection.as_ref().is_some_and(|connection| connection.mask_requests) {
        return Ok(None);
    }
    let (rules, original) = (rules(exchange, Direction::ToUpstream), body.clone());
    let (headers, suffix) = (exchange.head.headers.clone(), exchange.suffix.clone());
    let uri = exchange.head.uri.clone();
    let masked = guarded(move || {
        Ok(Outbound {
            body: message(&rules, &original)?,
            headers: repeated(&rules.redactor, headers, &original)?,
            suffix: address(&rules.redactor, &suffix)?,
            uri: with_masked_query(&rules.redactor, uri)?,
        })
    });
    masked.await.map(Some).map_err(|_| {
        let says = "the request holds something that cannot be masked safely, so it is not forwarded; send less of it";
        Stop::policy(Outcome::Blocked, code::BLOCKED, says, body.clone())
    })
}

/// The answer as the caller may see it, and its headers.
pub(crate) async fn answer(exchange: &Exchange, headers: &mut HeaderMap, body: Bytes) -> Result<Bytes, Stop> {
    if !masks_answers(exchange) {
        return Ok(body);
    }
    let (rules, original) = (rules(exchange, Direction::ToCaller), body.clone());
    let masked = guarded(move || message(&rules, &original)).await.map_err(|_| withheld())?;
    if masked != body {
        OF_THE_BODY.iter().for_each(|name| drop(headers.remove(name)));
    }
    Ok(masked)
}

pub(crate) fn withheld() -> Stop {
    let says = "the answer holds something that cannot be masked safely, so it is withheld; ask for less";
    Stop::upstream(Outcome::Blocked, code::BLOCKED, StatusCode::BAD_GATEWAY, says)
}

pub(crate) fn masks_answers(exchange: &Exchange) -> bool {
    exchange.connection.as_ref().is_some_and(|connection| connection.mask_answers)
}

/// What a connection masks by.
#[derive(Clone)]
struct Rules {
    redactor: Arc<Redactor>,
    /// Messages are JSON-RPC, so some of their parts have to stay.
    is_rpc: bool,
}

fn rules(exchange: &Exchange, direction: Direction) -> Rules {
    let redactor = exchange.gate.redactor.as_ref().expect("ingress does not start without rules where one masks");
    // Of a batch, the context knows one tool of several.
    let tool = exchange.trail.context.target.as_deref().filter(|_| !exchange.is_batch);
    let redactor = redactor.borrow().for_call(tool, direction);
    Rules { redactor: Arc::new(redactor), is_rpc: exchange.kind() == Some(Kind::Mcp) }
}

/// On a thread that may be busy for long; a panic there is something that cannot be masked.
async fn guarded<T: Send + 'static>(
    mask: impl FnOnce() -> Result<T, Withheld> + Send + 'static,
) -> Result<T, Withheld> {
    tokio::task::spawn_blocking(mask).await.unwrap_or(Err(Withheld::Panicked))
}

/// A message, masked; the very same bytes where there is nothing to mask.
fn message(rules: &Rules, body: &Bytes) -> Result<Bytes, Withheld> {
    let original = std::str::from_utf8(body).map_err(|_| Withheld::NotText)?;
    let masked = match protocol::deltas::repeated(original).is_empty() {
        true => rules.redactor.redact("body", body)?,
        false => rules.redactor.redact_scattered("body", body, protocol::deltas::whole)?,
    };
    if !masked.is_changed() {
        return Ok(body.clone());
    }
    Ok(Bytes::from(masked.with(original, |one| place(rules, original, &masked.text, one))))
}

fn place(rules: &Rules, original: &str, masked: &str, one: &Redaction) -> Place {
    let pointer = alone(&one.pointer);
    let was = original.get(one.start as usize..).unwrap_or_default();
    // Only what stood there as a number or a container has quotes of its own.
    let is_quoted = masked.get(one.masked_start as usize..).is_some_and(|text| text.starts_with('"'));
    match pointer {
        "" if is_quoted && was.starts_with(['{', '[']) => Place::Text("null"),
        _ if !rules.is_rpc => Place::Masked,
        _ if CORRELATES.contains(&pointer) => Place::AsItWas,
        _ if pointer.starts_with(STRUCTURED) && is_quoted => Place::Text(like(was)),
        _ => Place::Masked,
    }
}

/// Nothing, of the type of what stood there.
fn like(was: &str) -> &'static str {
    match was.as_bytes().first() {
        Some(b'{') => "{}",
        Some(b'[') => "[]",
        Some(b't' | b'f') => "false",
        _ => "0",
    }
}

/// Within a batch, the pointer into the message itself.
fn alone(pointer: &str) -> &str {
    let Some(inner) = pointer.strip_prefix('/') else { return pointer };
    match inner.split_once('/') {
        Some((place, _)) if place.bytes().all(|byte| byte.is_ascii_digit()) => &pointer[1 + place.len()..],
        _ => pointer,
    }
}

/// Headers that repeat the body say what the masked body says.
fn repeated(redactor: &Redactor, mut headers: HeaderMap, body: &Bytes) -> Result<HeaderMap, Withheld> {
    let found = redactor.redact("body", body)?;
    let original = std::str::from_utf8(body).map_err(|_| Withheld::NotText)?;
    let values: Vec<(&str, &str)> = found
        .redactions
        .iter()
        .filter(|one| one.action != "flag")
        .filter_map(|one| {
            let was = original.get(one.start as usize..one.end as usize)?;
            let is = found.text.get(one.masked_start as usize..one.masked_end as usize)?;
            Some((was, is.trim_matches('"'))).filter(|(was, _)| !was.is_empty())
        })
        .collect();
    for (name, value) in &mut headers {
        if name.as_str() != REPEATED_NAME && !name.as_str().starts_with(REPEATED_PARAMETER) {
            continue;
        }
        let (text, encoded) = plain(value).ok_or(Withheld::NotText)?;
        let known = values.iter().fold(text.to_string(), |text, (was, is)| text.replace(was, is));
        let masked = redactor.redact_text("header", &known)?.text;
        if masked != text {
            let written =
                if encoded { format!("{}{}{}", ENCODED.0, STANDARD.encode(&masked), ENCODED.1) } else { masked };
            *value = HeaderValue::from_str(&written).map_err(|_| Withheld::NotText)?;
        }
    }
    Ok(headers)
}

/// What a header says, and whether it says it in base64.
fn plain(value: &HeaderValue) -> Option<(Cow<'_, str>, bool)> {
    let text = value.to_str().ok()?;
    let Some(inner) = text.strip_prefix(ENCODED.0).and_then(|rest| rest.strip_suffix(ENCODED.1)) else {
        return Some((Cow::Borrowed(text), false));
    };
    Some((Cow::Owned(String::from_utf8(STANDARD.decode(inner).ok()?).ok()?), true))
}

fn with_masked_query(redactor: &Redactor, uri: Uri) -> Result<Uri, Withheld> {
    let Some(query) = uri.query() else { return Ok(uri) };
    let masked = address(redactor, query)?;
    if masked == query {
        return Ok(uri);
    }
    format!("{}?{masked}", uri.path()).parse().map_err(|_| Withheld::NotText)
}

/// Part of a URL: what stands in place of a value is percent-encoded.
fn address(redactor: &Redactor, text: &str) -> Result<String, Withheld> {
    let masked = redactor.redact_text("target", text)?;
    let mut written = String::with_capacity(masked.text.len());
    let mut from = 0;
    for one in &masked.redactions {
        let (start, end) = (one.masked_start as usize, one.masked_end as usize);
        written.push_str(&masked.text[from..start]);
        let token = &masked.text[start..end];
        if one.action == "flag" {
            written.push_str(token);
        } else {
            written.push_str(&token.replace('[', "%5B").replace(']', "%5D").replace('#', "%23"));
        }
        from = end;
    }
    written.push_str(&masked.text[from..]);
    Ok(written)
}

/// A streamed answer, masked piece by piece in the order in which it passes.
pub(crate) struct Masking {
    rules: Rules,
    passing: Passing,
}

/// What waits for what follows.
enum Passing {
    /// Of a stream that is not of events: its text goes on over its pieces.
    Text(Box<Stream>),
    /// Of events: what a model says in them, piece by piece.
    Events(Texts),
    /// Nothing more is to pass.
    Ended,
}

impl Masking {
    /// None where the connection does not mask.
    pub(crate) fn of(exchange: &Exchange, is_events: bool) -> Option<Masking> {
        let rules = masks_answers(exchange).then(|| rules(exchange, Direction::ToCaller))?;
        let text = || Passing::Text(Box::new(Stream::new(rules.redactor.as_ref().clone())));
        let passing = if is_events { Passing::Events(Texts::default()) } else { text() };
        Some(Masking { rules, passing })
    }

    /// Is there text that waits for what follows?
    pub(crate) fn holds(&self) -> bool {
        match &self.passing {
            Passing::Text(text) => text.holds(),
            Passing::Events(texts) => texts.hold(),
            Passing::Ended => false,
        }
    }

    /// What may pass of these bytes: an event as a whole, whose data this is, but for what is said in pieces; of other text what
    /// is safe.
    pub(crate) async fn next(&mut self, bytes: Bytes, data: Option<String>) -> Result<Bytes, Withheld> {
        match &mut self.passing {
            Passing::Text(text) => text.push(&bytes).map(Bytes::from),
            Passing::Events(texts) => {
                let (rules, mut texts) = (self.rules.clone(), std::mem::take(texts));
                let masked = guarded(move || {
                    let masked = match data {
                        Some(data) if !rules.is_rpc => texts.event(&rules, &bytes, &data),
                        data => event(&rules, &bytes, data),
                    };
                    masked.map(|masked| (masked, texts))
                });
                let (masked, texts) = masked.await?;
                self.passing = Passing::Events(texts);
                Ok(masked)
            }
            Passing::Ended => Ok(Bytes::new()),
        }
    }

    /// What may pass because nothing has come for a while.
    pub(crate) fn settle(&mut self) -> Result<Bytes, Withheld> {
        match &mut self.passing {
            Passing::Text(text) => text.settle().map(Bytes::from),
            Passing::Events(texts) => texts.settle(),
            Passing::Ended => Ok(Bytes::new()),
        }
    }

    /// What is left at the end.
    pub(crate) fn finish(&mut self) -> Result<Bytes, Withheld> {
        match std::mem::replace(&mut self.passing, Passing::Ended) {
            Passing::Text(text) => text.finish().map(Bytes::from),
            Passing::Events(mut texts) => texts.finish(),
            Passing::Ended => Ok(Bytes::new()),
        }
    }
}

/// One event: its data as a message, its comments as text; what names it stays. The very same bytes where there is
/// nothing to mask; nothing, where the event was cut off: clients do not read it, and half of it cannot be masked.
fn event(rules: &Rules, raw: &Bytes, data: Option<String>) -> Result<Bytes, Withheld> {
    let data = data.map(Bytes::from);
    let masked = data.as_ref().map(|data| message(rules, data)).transpose()?;
    let (lines, changed) = frame_lines(rules, raw)?;
    if data.is_none() && raw.split(|byte| matches!(byte, b'\r' | b'\n')).any(|line| line.starts_with(b"data")) {
        return Ok(Bytes::new());
    }
    if !changed && masked == data {
        return Ok(raw.clone());
    }
    let masked = masked.map(|masked| String::from_utf8_lossy(&masked).into_owned());
    Ok(event_of(lines, masked.as_deref()))
}

/// The lines of an event but for its data, masked, and whether that changed them.
fn frame_lines(rules: &Rules, raw: &Bytes) -> Result<(Vec<String>, bool), Withheld> {
    let text = std::str::from_utf8(raw).map_err(|_| Withheld::NotText)?;
    let (mut lines, mut changed) = (Vec::new(), false);
    for line in text.trim_start_matches('\u{feff}').split(['\r', '\n']).filter(|line| !line.is_empty()) {
        match line.split_once(':').map_or(line, |(field, _)| field) {
            "data" => {}
            "event" | "id" | "retry" => lines.push(line.to_owned()),
            _ => {
                let told = rules.redactor.redact_text("event", line)?;
                changed |= told.is_changed();
                lines.push(told.text);
            }
        }
    }
    Ok((lines, changed))
}

/// An event of these lines and this data.
fn event_of(mut lines: Vec<String>, data: Option<&str>) -> Bytes {
    lines.extend(data.into_iter().flat_map(|data| data.split('\n')).map(|line| format!("data: {line}")));
    Bytes::from(lines.join("\n") + "\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor() -> Redactor {
        Redactor::built_in()
    }

    fn rpc() -> Rules {
        Rules { redactor: Arc::new(redactor()), is_rpc: true }
    }

    fn check(body: &str, masked: &str) {
        assert_eq!(message(&rpc(), &Bytes::from(body.to_owned())).as_deref(), Ok(masked.as_bytes()));
    }

    #[test]
    fn what_correlates_messages_stays() {
        let card = "4111111111111111";
        check(
            &format!(r#"{{"jsonrpc":"2.0","id":{card},"result":{{"n":{card}}}}}"#),
            &format!(r#"{{"jsonrpc":"2.0","id":{card},"result":{{"n":"[REDACTED:card]"}}}}"#),
        );
        check(
            &format!(r#"[{{"id":"{card}","params":{{"_meta":{{"progressToken":{card}}},"x":"{card}"}}}}]"#),
            &format!(r#"[{{"id":"{card}","params":{{"_meta":{{"progressToken":{card}}},"x":"[REDACTED:card]"}}}}]"#),
        );
    }

    #[test]
    fn other_wires_have_nothing_that_must_stay() {
        let plain = Rules { is_rpc: false, ..rpc() };
        let masked = message(&plain, &Bytes::from_static(br#"{"id":"jane@example.org","method":4111111111111111}"#));
        assert_eq!(masked.as_deref(), Ok(br#"{"id":"[REDACTED:email]","method":"[REDACTED:card]"}"#.as_slice()));
    }

    #[test]
    fn what_repeats_a_text_is_left_out_where_something_is_found_in_it() {
        let plain = Rules { is_rpc: false, ..rpc() };
        let answer = |said: &str, copy: &str| format!(r#"{{"choices":[{{"text":"{said}","logprobs":{copy}}}]}}"#);
        let check = |said: &str, masked: &str| {
            let told = message(&plain, &Bytes::from(answer(said, r#"{"tokens":["jane@","example.org"]}"#)));
            assert_eq!(told.as_deref(), Ok(masked.as_bytes()));
        };
        check("jane@example.org", &answer("[REDACTED:email]", "null"));
        check("nobody", &answer("nobody", r#"{"tokens":["jane@","example.org"]}"#));
    }

    #[test]
    fn structured_numbers_stay_numbers() {
        check(
            r#"{"id":1,"result":{"structuredContent":{"n":4111111111111111,"t":"4111111111111111"},"n":4111111111111111}}"#,
            r#"{"id":1,"result":{"structuredContent":{"n":0,"t":"[REDACTED:card]"},"n":"[REDACTED:card]"}}"#,
        );
    }

    #[test]
    fn structured_values_keep_their_types() {
        let text = "[[rule]]\nid = \"pay\"\nfields = [\"**.pay\"]".to_owned();
        let files = vec![redact::RuleFile { name: "pay.toml".to_owned(), text }];
        let set = redact::RuleSet { packs: vec!["pii".to_owned()], files, ..redact::RuleSet::default() };
        let redactor = Redactor::load(&set, redact::Keyring::default()).expect("the rules are whole");
        let rules = Rules { redactor: Arc::new(redactor), is_rpc: true };
        for (was, is) in
            [("-1.5", "0"), ("true", "false"), ("[1]", "[]"), (r#"{"a":1}"#, "{}"), (r#""a""#, r#""[REDACTED:pay]""#)]
        {
            let body = |pay: &str| format!(r#"{{"id":1,"result":{{"structuredContent":{{"pay":{pay}}}}}}}"#);
            assert_eq!(message(&rules, &Bytes::from(body(was))).as_deref(), Ok(body(is).as_bytes()));
        }
    }

    #[test]
    fn an_event_is_masked_and_what_names_it_stays() {
        let check = |raw: &str, data: Option<&str>, masked: &str| {
            let told = event(&rpc(), &Bytes::from(raw.to_owned()), data.map(str::to_owned));
            assert_eq!(told.as_deref(), Ok(masked.as_bytes()), "{raw:?}");
        };
        check("id: 4\r\ndata: {}\r\n\r\n", Some("{}"), "id: 4\r\ndata: {}\r\n\r\n");
        let data = r#"{"x":"jane@example.org"}"#;
        let masked = "event: message\nid: 4\ndata: {\"x\":\"[REDACTED:email]\"}\n\n";
        check(&format!("event: message\ndata: {data}\nid: 4\n\n"), Some(data), masked);
        check("data: a jane@\ndata: b\n\n", Some("a jane@\nb"), "data: a jane@\ndata: b\n\n");
        check(
            "data: jane@example.org\rdata: b\r\r",
            Some("jane@example.org\nb"),
            "data: [REDACTED:email]\ndata: b\n\n",
        );
        check(": for jane@example.org\n\n", None, ": for [REDACTED:email]\n\n");
        check(": ping\n\n", None, ": ping\n\n");
        check("event: message\ndata: jane@example.org", None, "");
        assert!(event(&rpc(), &Bytes::from_static(b"data: \xff\n\n"), Some("\u{fffd}".to_owned())).is_err());
    }

    #[test]
    fn headers_say_what_the_masked_body_says() {
        let encoded = format!("=?base64?{}?=", STANDARD.encode("hunter2 für jane@example.org"));
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("mcp-name", "pay"),
            ("mcp-param-password", "hunter2"),
            ("mcp-param-note", encoded.as_str()),
            ("x-note", "hunter2"),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).expect("a value"));
        }
        let body = Bytes::from_static(br#"{"params":{"arguments":{"password":"hunter2"}}}"#);
        let masked = repeated(&redactor(), headers, &body).expect("it can be masked");
        assert_eq!(
            (&masked["mcp-name"], &masked["x-note"]),
            (&HeaderValue::from_static("pay"), &HeaderValue::from_static("hunter2"))
        );
        assert_eq!(masked["mcp-param-password"], "[REDACTED:password]");
        let (note, in_base64) = plain(&masked["mcp-param-note"]).expect("text");
        assert_eq!((note.as_ref(), in_base64), ("[REDACTED:password] für [REDACTED:email]", true));
    }

    #[test]
    fn addresses_stay_addresses() {
        let masked = address(&redactor(), "/find?mail=jane@example.org&page=2").expect("it can be masked");
        assert_eq!(masked, "/find?mail=%5BREDACTED:email%5D&page=2");
        assert!(masked.parse::<http::Uri>().is_ok());
    }
}
