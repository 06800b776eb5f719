//! The arguments of a call: kept as they came, and read when somebody asks what is in them. Most calls are decided by
//! who calls what, and then nobody does.

use std::sync::OnceLock;

use serde_json::Value;

#[derive(Clone, Debug, Default)]
pub struct Arguments {
    bytes: Box<[u8]>,
    /// `None` within: it is no JSON.
    json: OnceLock<Option<Value>>,
    text: OnceLock<String>,
}

impl Arguments {
    /// JSON, or whatever else a caller sends.
    pub fn new(bytes: &[u8]) -> Arguments {
        Arguments { bytes: bytes.into(), ..Arguments::default() }
    }

    /// `text` in place of the strings of `json`, for examples.
    pub fn told(json: Value, text: Option<String>) -> Arguments {
        let arguments = Arguments::from(json);
        match text {
            Some(text) => Arguments { text: text.into(), ..arguments },
            None => arguments,
        }
    }

    /// As JSON; `null` when they are none.
    pub fn json(&self) -> &Value {
        self.parsed().unwrap_or(&Value::Null)
    }

    /// All strings, unescaped, one per line, keys left out; of what is no JSON, all of it. Never longer than the bytes it
    /// comes from, so the limit of a body bounds it, and nothing hides behind a cut.
    pub fn text(&self) -> &str {
        self.text.get_or_init(|| match self.parsed() {
            Some(json) => strings(json),
            None => String::from_utf8_lossy(&self.bytes).into_owned(),
        })
    }

    fn parsed(&self) -> Option<&Value> {
        self.json.get_or_init(|| serde_json::from_slice(&self.bytes).ok()).as_ref()
    }
}

impl From<Value> for Arguments {
    fn from(json: Value) -> Arguments {
        Arguments::new(json.to_string().as_bytes())
    }
}

impl PartialEq for Arguments {
    fn eq(&self, other: &Arguments) -> bool {
        (self.json(), self.text()) == (other.json(), other.text())
    }
}

fn strings(json: &Value) -> String {
    let mut text = String::new();
    append(json, &mut text);
    text
}

fn append(json: &Value, text: &mut String) {
    match json {
        Value::String(string) => {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(string);
        }
        Value::Array(items) => items.iter().for_each(|item| append(item, text)),
        Value::Object(members) => members.values().for_each(|member| append(member, text)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(bytes: &str, json: &Value, text: &str) {
        let arguments = Arguments::new(bytes.as_bytes());
        assert_eq!((arguments.json(), arguments.text()), (json, text));
    }

    #[test]
    fn are_json_and_its_strings_or_text() {
        check(r#"{"a": ["x", 1, {"b": "y\nz"}]}"#, &json!({ "a": ["x", 1, { "b": "y\nz" }] }), "x\ny\nz");
        check("null", &Value::Null, "");
        check("name=ada", &Value::Null, "name=ada");
        check("", &Value::Null, "");
        assert_eq!(Arguments::told(json!({ "a": "x" }), Some("y".into())).text(), "y");
    }
}
