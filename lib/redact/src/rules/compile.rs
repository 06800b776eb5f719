//! Rules as the scanner uses them: what is tried, and by which anchor it is found. It refuses to choose: every rule
//! that was read is compiled, or is a fault.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use memchr::memmem::Finder as Search;
use sha2::{Digest, Sha256};

pub(crate) use super::pattern::Pattern;
use super::{
    RuleId, RuleSet,
    source::{Class, Rule, Value},
};
use crate::{
    action::Action,
    bytes::ByteSet,
    detector::{self, Detector, Shape},
    document,
    field::{Fields, Scope},
    key::Names,
    keyring::Keyring,
    scan::{
        anchors::{Anchor, Anchors},
        runs::Runs,
    },
    token::Tokens,
    validator::Validator,
};

/// The keys of files' types: to find one takes less than to get ready for it.
static TYPED: LazyLock<[Search<'static>; 2]> = LazyLock::new(|| document::TYPED.map(Search::new));
/// How far before a find its keyword may stand, in bytes.
const WITHIN: usize = 48;

/// A compiled set of rules.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) id: String,
    ids: Vec<String>,
    classes: Vec<Class>,
    actions: Vec<Action>,
    pub(crate) finders: Vec<Finder>,
    /// How far before and behind its anchor a candidate is looked at, in bytes, unless its scan notes that it was farther.
    pub(crate) near: usize,
    pub(crate) literals: Anchors,
    /// What is tried at a run of digits, by the length of the run.
    pub(crate) runs: Runs,
    pub(crate) at_sign: Vec<usize>,
    pub(crate) colon: Vec<usize>,
    pub(crate) hyphen: Vec<usize>,
    pub(crate) dot: Vec<usize>,
    pub(crate) point: Vec<usize>,
    pub(crate) names: Names,
    /// Parts of names, for the reference.
    pub(crate) name_anchors: Vec<Vec<u8>>,
    /// The rule of passwords in URLs, and what follows those only looks like an address.
    pub(crate) url_credential: Option<RuleId>,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) fields: Fields,
    /// The rule of files in base64; none in flight, where they are wanted.
    pub(crate) blob: Option<RuleId>,
    /// The rule of manifests, whose finds say that there is one.
    pub(crate) manifest: Option<RuleId>,
}

/// What an anchor in the text is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A candidate of this finder begins here.
    Finder(usize),
    /// One may begin after this keyword.
    Keyword(usize),
    /// Part of a name that may announce a secret.
    Name,
}

/// One way to find the values of a rule.
#[derive(Debug)]
pub(crate) struct Finder {
    pub(crate) rule: RuleId,
    pub(crate) how: How,
    pub(crate) literals: Vec<String>,
    pub(crate) keywords: Vec<String>,
    pub(crate) within: usize,
    pub(crate) exclude_keywords: Vec<String>,
    pub(crate) left: Option<ByteSet>,
    pub(crate) right: Option<ByteSet>,
    pub(crate) validators: Vec<Validator>,
    pub(crate) allow: Allow,
    /// The replacements that are known: what stands in one is no keyword.
    pub(crate) tokens: Arc<Tokens>,
}

#[derive(Debug)]
pub(crate) enum How {
    Pattern(Box<Pattern>),
    Detector(Detector),
}

/// Values that are known and no secret: as they are, or by their SHA-256.
#[derive(Debug, Default)]
pub(crate) struct Allow {
    exact: Vec<Vec<u8>>,
    hashes: Vec<String>,
}

impl Allow {
    pub(crate) fn has(&self, value: &[u8]) -> bool {
        self.exact.iter().any(|exact| exact == value) || (!self.hashes.is_empty() && self.has_hash(value))
    }

    fn has_hash(&self, value: &[u8]) -> bool {
        let hex: String = Sha256::digest(value).iter().map(|byte| format!("{byte:02x}")).collect();
        self.hashes.contains(&hex)
    }
}

impl Finder {
    /// How far before a find its keywords are looked for, and the letter before them.
    fn looks_back(&self) -> usize {
        let words = self.keywords.iter().chain(&self.exclude_keywords);
        words.map(|word| self.within + word.len() + 1).max().unwrap_or_default()
    }
}

impl Rules {
    pub(crate) fn name(&self, rule: RuleId) -> &str {
        &self.ids[usize::from(rule.0)]
    }

    pub(crate) fn class(&self, rule: RuleId) -> Class {
        self.classes[usize::from(rule.0)]
    }

    pub(crate) fn action(&self, rule: RuleId) -> Action {
        self.actions[usize::from(rule.0)]
    }

    pub(crate) fn id_of(&self, id: &str) -> Option<RuleId> {
        let place = self.ids.iter().position(|known| known == id)?;
        u16::try_from(place).ok().map(RuleId)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = RuleId> {
        (0..self.ids.len()).filter_map(|place| u16::try_from(place).ok()).map(RuleId)
    }

    /// May there be a file in base64 in this text?
    pub(crate) fn may_hold_blob(&self, text: &str) -> bool {
        let typed = || TYPED.iter().any(|name| name.find(text.as_bytes()).is_some());
        self.blob.is_some() && text.len() >= document::BLOB_BYTES_MIN && typed()
    }

    pub(crate) fn count(&self) -> usize {
        self.ids.len()
    }

    /// Lets go of what the searches of all patterns keep: most of them are never tried again.
    pub(crate) fn forget_searches(&mut self) {
        for finder in &mut self.finders {
            if let How::Pattern(pattern) = &mut finder.how {
                pattern.forget_searches();
            }
        }
    }
}

pub(crate) fn compile(
    sources: &[Rule],
    stops: Vec<String>,
    id: String,
    (set, keys): (&RuleSet, Arc<Keyring>),
    faults: &mut Vec<String>,
) -> Rules {
    let ids = identities(sources);
    let known = super::packs::PACKS.iter().flat_map(|(name, text)| super::source::read(name, text, &mut Vec::new()));
    let tokens = Arc::new(Tokens::new(known.map(|rule| rule.id).chain(ids.keys().cloned()), keys));
    let mut build = Build { tokens: tokens.clone(), ..Build::default() };
    for source in sources {
        let rule = RuleId(ids[&source.id]);
        if let Some(how) = how(source, faults) {
            build.finder(source, rule, how, faults);
        }
        build.names(source, rule);
        if source.blobs {
            build.blob = Some(rule);
        }
        if source.detector.as_deref() == Some("manifest") {
            build.manifest = Some(rule);
        }
        let scope = Scope { tools: source.tools.clone(), direction: source.way() };
        source.fields.iter().for_each(|path| build.fields.add(rule, path, false, &scope));
        source.exclude_fields.iter().for_each(|path| build.fields.add(rule, path, true, &scope));
    }
    let mut named: Vec<_> = ids.into_iter().map(|(id, place)| (place, id)).collect();
    named.sort();
    let (classes, actions) = named.iter().map(|(_, id)| fate(id, sources, set)).unzip();
    let of_name = |anchor: &Anchor| (anchor.target == Target::Name).then(|| anchor.bytes.clone());
    Rules {
        id,
        name_anchors: build.literals.iter().filter_map(of_name).collect(),
        url_credential: named.iter().find(|(_, id)| id == "url_credential").map(|(place, _)| RuleId(*place)),
        ids: named.into_iter().map(|(_, id)| id).collect(),
        classes,
        actions,
        near: build.finders.iter().map(Finder::looks_back).fold(detector::REACH, usize::max),
        finders: build.finders,
        literals: Anchors::new(build.literals),
        runs: build.runs,
        at_sign: build.at_sign,
        colon: build.colon,
        hyphen: build.hyphen,
        dot: build.dot,
        point: build.point,
        names: Names::new(build.entries, stops),
        tokens,
        fields: build.fields,
        blob: build.blob.filter(|_| !set.keyless),
        manifest: build.manifest,
    }
}

/// The class of a rule, and what happens to its finds: by the configuration, for the rule or for its class; else by the
/// rule itself.
fn fate(id: &str, sources: &[Rule], set: &RuleSet) -> (Class, Action) {
    let class = sources.iter().find(|rule| rule.id == id).map_or(Class::default(), |rule| rule.class);
    let own = sources.iter().filter(|rule| rule.id == id).find_map(|rule| rule.action);
    let blobs = sources.iter().any(|rule| rule.id == id && rule.blobs);
    let action = set.actions.get(id).copied().or(own).or_else(|| set.actions.get(class.as_str()).copied());
    let action = action.or(blobs.then_some(Action::Digest)).unwrap_or_default();
    let has_none = set.keyless && (blobs || action.is_keyed());
    (class, if has_none { Action::Redact } else { action })
}

/// Rules of one id are one rule that is found in several ways; the first of them says how precedent it is.
fn identities(sources: &[Rule]) -> HashMap<String, u16> {
    let mut ids = HashMap::new();
    for source in sources {
        let next = u16::try_from(ids.len()).unwrap_or(u16::MAX);
        ids.entry(source.id.clone()).or_insert(next);
    }
    ids
}

fn how(source: &Rule, faults: &mut Vec<String>) -> Option<How> {
    if let Some(name) = &source.detector {
        return detector::named(name).map(How::Detector);
    }
    match Pattern::new(source.pattern.as_deref()?) {
        Ok(pattern) => Some(How::Pattern(Box::new(pattern))),
        Err(fault) => {
            faults.push(source.fault(fault));
            None
        }
    }
}

#[derive(Default)]
struct Build {
    tokens: Arc<Tokens>,
    finders: Vec<Finder>,
    literals: Vec<Anchor>,
    runs: Runs,
    at_sign: Vec<usize>,
    colon: Vec<usize>,
    hyphen: Vec<usize>,
    dot: Vec<usize>,
    point: Vec<usize>,
    entries: Vec<crate::key::Entry>,
    fields: Fields,
    blob: Option<RuleId>,
    manifest: Option<RuleId>,
}

impl Build {
    fn finder(&mut self, source: &Rule, rule: RuleId, how: How, faults: &mut Vec<String>) {
        let place = self.finders.len();
        let mut literals = source.literals.clone();
        if let How::Detector(detector) = &how {
            match detector.shape {
                Shape::Literals(own) => literals.extend(own.iter().map(|literal| (*literal).to_owned())),
                Shape::Digits(sides) => self.runs.add_detector(place, sides),
                Shape::AtSign => self.at_sign.push(place),
                Shape::Colon => self.colon.push(place),
                Shape::Hyphen => self.hyphen.push(place),
                Shape::Dot => self.dot.push(place),
                Shape::Point => self.point.push(place),
            }
        } else if let (Some(digits), How::Pattern(pattern)) = (&source.digits, &how) {
            let next = (!digits.next.is_empty()).then(|| set(source, &digits.next, faults));
            let left = source.left.as_ref().map(|bytes| set(source, bytes, faults));
            let mut leads = if digits.lead.is_empty() { vec![0] } else { digits.lead.clone() };
            // Candidates are tried from left to right.
            leads.sort_unstable_by(|one, other| other.cmp(one));
            for lead in leads {
                self.runs.add_pattern(place, &digits.run, usize::from(lead), pattern, (left.as_ref(), next.as_ref()));
            }
        }
        let upper = matches!(&how, How::Pattern(pattern) if pattern.prefix.begins_upper());
        let anchor = |text: &String, target| Anchor { bytes: text.to_lowercase().into(), target, upper };
        self.literals.extend(literals.iter().map(|literal| anchor(literal, Target::Finder(place))));
        // A keyword that only has to stand before digits is looked up when the digits are found.
        let keywords: Vec<_> = source.keywords.iter().map(|word| word.to_lowercase()).collect();
        let by_keyword = literals.is_empty() && source.digits.is_none() && matches!(how, How::Pattern(_));
        if by_keyword {
            self.literals.extend(keywords.iter().map(|word| anchor(word, Target::Keyword(place))));
        }
        let allow = allow(source);
        self.finders.push(Finder {
            rule,
            how,
            literals: literals.iter().map(|literal| literal.to_lowercase()).collect(),
            keywords,
            within: source.within.unwrap_or(WITHIN),
            exclude_keywords: source.exclude_keywords.iter().map(|word| word.to_lowercase()).collect(),
            left: source.left.as_ref().map(|bytes| set(source, bytes, faults)),
            right: source.right.as_ref().map(|bytes| set(source, bytes, faults)),
            validators: source.validators.iter().filter_map(|written| Validator::parse(written)).collect(),
            allow,
            tokens: self.tokens.clone(),
        });
    }

    fn names(&mut self, source: &Rule, rule: RuleId) {
        let digits = match source.value_digits.as_slice() {
            [least, most] => (*least, *most),
            _ => (0, usize::MAX),
        };
        let value = source.value.unwrap_or(Value::Any);
        for name in &source.names {
            self.entries.push(crate::key::Entry::new(name, rule, value, digits));
            if source.anchors.is_empty() {
                // Separators may stand between the words of a name, so its longest word is the anchor.
                let words = name.split(|letter: char| !letter.is_ascii_alphanumeric());
                let longest = words.max_by_key(|word| word.len()).unwrap_or_default();
                self.name_anchor(longest);
            }
        }
        source.anchors.iter().for_each(|anchor| self.name_anchor(anchor));
    }

    /// An anchor of two bytes is one of three for each byte that can follow a name that ends in it.
    fn name_anchor(&mut self, anchor: &str) {
        let anchor = anchor.to_lowercase().into_bytes();
        let name = |bytes: Vec<u8>| Anchor { bytes, target: Target::Name, upper: false };
        if anchor.len() != 2 {
            return self.literals.push(name(anchor));
        }
        let follows = b" \t\"'`=:>]_-.0123456789\xf8\xf9\xfa\xfb\xfc\xfd\xfe";
        self.literals.extend(follows.iter().map(|byte| name([&anchor[..], &[*byte]].concat())));
    }
}

fn set(source: &Rule, written: &str, faults: &mut Vec<String>) -> ByteSet {
    ByteSet::parse(written).unwrap_or_else(|| {
        faults.push(source.fault(format!("not a set of bytes: {written:?}")));
        ByteSet::none()
    })
}

fn allow(source: &Rule) -> Allow {
    let mut allow = Allow::default();
    for one in source.allow.iter().map(super::Example::text) {
        match one.strip_prefix("sha256:") {
            Some(hash) => allow.hashes.push(hash.to_lowercase()),
            None => allow.exact.push(one.into_bytes()),
        }
    }
    allow
}
