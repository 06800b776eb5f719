//! The headers that repeat what the body says (SEP-2243), and that they do not say something else.
//!
//! A router between us and the upstream may go by them, so one that differs from the body is refused, in every
//! revision. One that is missing misleads nobody: where the revision demands it, the upstream refuses the message in
//! its own words.

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderValue};
use schemas::Call;
use serde_json::Value;

use crate::jsonrpc::Malformed;

pub const PROTOCOL_VERSION: &str = "mcp-protocol-version";
pub const SESSION_ID: &str = "mcp-session-id";
pub const METHOD: &str = "mcp-method";
pub const NAME: &str = "mcp-name";
pub const PARAM_PREFIX: &str = "mcp-param-";

/// Do the headers say what the body says? `call` is the body as it was read.
///
/// The tool's schema, which ties each `Mcp-Param-*` to one argument, is the upstream's; so here each must equal *some*
/// plain value among the arguments.
pub fn agree(headers: &HeaderMap, call: &Call) -> Result<(), Malformed> {
    // A client's answer has no method to repeat.
    if call.method.is_empty() {
        return Ok(());
    }
    equal(headers, METHOD, &call.method)?;
    equal(headers, NAME, &call.target)?;
    for name in headers.keys().filter(|name| name.as_str().starts_with(PARAM_PREFIX)) {
        let value = decoded(headers, name.as_str())?.unwrap_or_default();
        if !among(call.arguments.json(), &value) {
            return mismatch(name.as_str());
        }
    }
    Ok(())
}

/// The only value of a header; two of one name could be read either way.
pub fn single<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, Malformed> {
    let mut values = headers.get_all(name).iter();
    let value = values.next();
    if values.next().is_some() {
        return Err(Malformed::Headers(format!("the header {name} comes twice: send it once")));
    }
    value.map(|value| plain(name, value)).transpose()
}

fn plain<'h>(name: &str, value: &'h HeaderValue) -> Result<&'h str, Malformed> {
    value
        .to_str()
        .map_err(|_| Malformed::Headers(format!("the header {name} is not plain ASCII: send it in its Base64 form")))
}

fn equal(headers: &HeaderMap, name: &str, body: &str) -> Result<(), Malformed> {
    match decoded(headers, name)? {
        Some(header) if header != body => mismatch(name),
        _ => Ok(()),
    }
}

fn mismatch<T>(name: &str) -> Result<T, Malformed> {
    Err(Malformed::Headers(format!("the header {name} does not equal the body: send the same in both")))
}

/// A header's value out of its Base64 form `=?base64?…?=`, if it came in it.
fn decoded(headers: &HeaderMap, name: &str) -> Result<Option<String>, Malformed> {
    let Some(value) = single(headers, name)? else { return Ok(None) };
    let Some(encoded) = value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) else {
        return Ok(Some(value.to_owned()));
    };
    let bytes = BASE64_STANDARD.decode(encoded).ok();
    match bytes.and_then(|bytes| String::from_utf8(bytes).ok()) {
        Some(text) => Ok(Some(text)),
        None => Err(Malformed::Headers(format!("the header {name} is not valid Base64 of UTF-8"))),
    }
}

/// Is `header` the text of a plain value that is reached through objects alone, as annotated parameters are?
fn among(arguments: &Value, header: &str) -> bool {
    match arguments {
        Value::Object(members) => members.values().any(|member| among(member, header)),
        Value::String(text) => text == header,
        Value::Bool(flag) => (if *flag { "true" } else { "false" }) == header,
        Value::Number(number) => number.to_string() == header || same_number(number.as_f64(), header),
        Value::Null | Value::Array(_) => false,
    }
}

/// `42.0` of a body may be `42` of a header.
fn same_number(body: Option<f64>, header: &str) -> bool {
    header.parse::<f64>().is_ok_and(|header| Some(header) == body)
}
