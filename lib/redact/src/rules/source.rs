//! Rules as they are written: one `[[rule]]` of a TOML file. It refuses to stop at the first fault.

use schemas::Direction;
use serde::Deserialize;
use toml::{Table, Value as Toml};

use crate::action::Action;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Class {
    Secret,
    Pii,
    #[default]
    Custom,
}

impl Class {
    pub(crate) fn parse(word: &str) -> Option<Class> {
        match word {
            "secret" => Some(Class::Secret),
            "pii" => Some(Class::Pii),
            "custom" => Some(Class::Custom),
            _ => None,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Class::Secret => "secret",
            Class::Pii => "pii",
            Class::Custom => "custom",
        }
    }
}

/// A find of this shape of digits: candidates begin `lead` bytes before a run of digits.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Digits {
    /// How long the run is.
    pub(crate) run: Vec<u8>,
    pub(crate) lead: Vec<u8>,
    /// What may follow the run; anything, when it is empty.
    pub(crate) next: String,
}

/// What a value under a name has to look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Value {
    Password,
    Token,
    Secret,
    /// The credentials after the scheme, to the end of the line.
    Authorization,
    /// Everything, to the end of the line.
    Line,
    /// Letters and digits with a few separators, a digit among them.
    Id,
    /// As many digits as `value_digits` says, and few other characters.
    Digits,
    #[default]
    Any,
}

/// A text, or its parts: a realistic secret in one piece would alarm those who scan sources.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Example {
    Text(String),
    Parts(Vec<String>),
}

impl Example {
    pub(crate) fn text(&self) -> String {
        match self {
            Example::Text(text) => text.clone(),
            Example::Parts(parts) => parts.concat(),
        }
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Rule {
    pub(crate) id: String,
    pub(crate) class: Class,
    pub(crate) literals: Vec<String>,
    pub(crate) digits: Option<Digits>,
    /// Words that stand at most `within` bytes before the find.
    pub(crate) keywords: Vec<String>,
    pub(crate) within: Option<usize>,
    pub(crate) exclude_keywords: Vec<String>,
    pub(crate) pattern: Option<String>,
    pub(crate) detector: Option<String>,
    /// Bytes that must not stand before the find, and none after it.
    pub(crate) left: Option<String>,
    pub(crate) right: Option<String>,
    pub(crate) validators: Vec<String>,
    pub(crate) names: Vec<String>,
    /// Paths of what is masked, whatever it is, and of what is not.
    pub(crate) fields: Vec<String>,
    pub(crate) exclude_fields: Vec<String>,
    /// For which tools and in which direction the paths hold.
    pub(crate) tools: Vec<String>,
    pub(crate) direction: Option<String>,
    /// Files in base64 beside their type.
    pub(crate) blobs: bool,
    pub(crate) anchors: Vec<String>,
    pub(crate) value: Option<Value>,
    pub(crate) value_digits: Vec<usize>,
    pub(crate) allow: Vec<Example>,
    pub(crate) priority: i64,
    /// What happens to its finds.
    pub(crate) action: Option<Action>,
    pub(crate) examples: Vec<Example>,
    pub(crate) not: Vec<Example>,
    /// Where it stands, for faults.
    #[serde(skip)]
    pub(crate) file: String,
    #[serde(skip)]
    pub(crate) canonical: String,
}

impl Rule {
    /// Which way the messages go that the paths hold for.
    pub(crate) fn way(&self) -> Option<Direction> {
        self.direction.as_deref().and_then(Direction::parse).filter(|way| *way != Direction::Internal)
    }

    pub(crate) fn fault(&self, what: impl std::fmt::Display) -> String {
        format!("{}: rule {}: {what}", self.file, self.id)
    }
}

const KEYS: &[&str] = &[
    "id",
    "class",
    "literals",
    "digits",
    "keywords",
    "within",
    "exclude_keywords",
    "pattern",
    "detector",
    "left",
    "right",
    "validators",
    "names",
    "fields",
    "exclude_fields",
    "tools",
    "direction",
    "blobs",
    "anchors",
    "value",
    "value_digits",
    "allow",
    "priority",
    "action",
    "examples",
    "not",
];

/// All rules of a file that can be read; whatever cannot is a fault.
pub(crate) fn read(file: &str, text: &str, faults: &mut Vec<String>) -> Vec<Rule> {
    let table: Table = match text.parse() {
        Ok(table) => table,
        Err(error) => {
            faults.push(format!("{file}: not TOML: {}", error.to_string().trim_end()));
            return Vec::new();
        }
    };
    for key in table.keys().filter(|key| *key != "rule") {
        faults.push(format!("{file}: unknown key {key}: a file of rules holds [[rule]]"));
    }
    let listed = match table.get("rule") {
        Some(Toml::Array(listed)) => listed.as_slice(),
        None => &[],
        Some(_) => {
            faults.push(format!("{file}: rule must be written as [[rule]]"));
            &[]
        }
    };
    listed.iter().enumerate().filter_map(|(place, rule)| one(file, place, rule, faults)).collect()
}

fn one(file: &str, place: usize, rule: &Toml, faults: &mut Vec<String>) -> Option<Rule> {
    let mut table = rule.as_table()?.clone();
    let id = table.get("id").and_then(Toml::as_str).map_or_else(|| format!("number {}", place + 1), str::to_owned);
    let unknown: Vec<String> = table.keys().filter(|key| !KEYS.contains(&key.as_str())).cloned().collect();
    for key in unknown {
        faults.push(format!("{file}: rule {id}: unknown key {key}"));
        table.remove(&key);
    }
    let canonical = canonical(&Toml::Table(table.clone()));
    match table.try_into::<Rule>() {
        Ok(rule) => Some(Rule { file: file.to_owned(), canonical, ..rule }),
        Err(error) => {
            faults.push(format!("{file}: rule {id}: {}", error.to_string().trim_end().replace('\n', " ")));
            None
        }
    }
}

/// The same for the same rule, however it is written.
fn canonical(value: &Toml) -> String {
    match value {
        Toml::Table(table) => {
            let mut members: Vec<_> = table.iter().map(|(key, value)| format!("{key}={}", canonical(value))).collect();
            members.sort();
            format!("{{{}}}", members.join(","))
        }
        Toml::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        Toml::String(text) => format!("{text:?}"),
        other => other.to_string(),
    }
}

/// The endings of names that are no secrets.
pub(crate) fn stops(text: &str, faults: &mut Vec<String>) -> Vec<String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Stops {
        stop: Vec<String>,
    }
    match toml::from_str::<Stops>(text) {
        Ok(stops) => stops.stop,
        Err(error) => {
            faults.push(format!("names: {error}"));
            Vec::new()
        }
    }
}

/// Secrets before persons' data before the rest; then by priority; then as written.
pub(crate) fn by_precedence(rules: &mut [Rule]) {
    rules.sort_by_key(|rule| (rule.priority, rule.class));
}
