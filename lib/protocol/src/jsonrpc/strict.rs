//! The one pass over a body that finds what two readers could read differently: keys that come twice, however they are
//! spelled, nesting too deep for some, numbers beyond some, text in no one encoding. On its way it notes where the
//! protocol's own members stand, so that nobody has to look for them again.
//!
//! It refuses to build a tree.

use std::{borrow::Cow, collections::HashSet};

use json::{Fault, Token, Tokens};

use super::{
    BATCH_MESSAGES_MAX, DEPTH_MAX, Malformed, batch_size, is_batch,
    members::{Members, string, unescaped},
};

/// Keys by which a JSON library of ours passes values of its own; from outside they would be read as such.
const RESERVED_KEYS: &str = "$serde_json::private::";
/// So many keys of an object are compared one by one.
const KEYS_FEW: usize = 16;
const HALF_CHARACTER: &str = "a string has an escape that is no character; send text";
/// The longest number without an exponent that is surely within the range of 64-bit floats, in bytes.
const PLAIN_NUMBER_BYTES_MAX: usize = 300;

/// A message as it stands in the body.
#[derive(Debug, Default)]
pub(super) struct Outline<'a> {
    pub(super) text: &'a str,
    pub(super) members: Members<'a>,
    pub(super) params: Members<'a>,
    pub(super) result: Members<'a>,
}

/// The messages of a body, if every reader must read it the same way: one, or those of a batch.
pub(super) fn check(body: &[u8]) -> Result<Vec<Outline<'_>>, Malformed> {
    let text = text(body)?;
    let mut walk = Walk { text, tokens: Tokens::new(text, DEPTH_MAX), keys: Vec::new(), outlines: Vec::new() };
    let first = walk.token()?;
    walk.value(&first, if is_batch(body) { Place::Batch } else { Place::Message })?;
    match walk.tokens.next_token() {
        Ok(_) => Ok(walk.outlines),
        Err(fault) => Err(walk.refusal(fault)),
    }
}

fn text(body: &[u8]) -> Result<&str, Malformed> {
    let refuse = |why: &str| Err(Malformed::Message(why.to_owned()));
    if body.starts_with(b"\xef\xbb\xbf") {
        return refuse("the body starts with a byte order mark: send JSON without one");
    }
    if body.starts_with(b"\xff\xfe") || body.starts_with(b"\xfe\xff") || body.contains(&0) {
        return refuse("the body holds NUL bytes or is UTF-16: send JSON as UTF-8");
    }
    match std::str::from_utf8(body) {
        Ok(text) => Ok(text),
        Err(_) => refuse("the body is not valid UTF-8: send JSON as UTF-8"),
    }
}

/// Where in a body a value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Batch,
    Message,
    Params,
    Result,
    Inside,
}

impl Place {
    fn of_member(self, key: &str) -> Place {
        match (self, key) {
            (Place::Message, "params") => Place::Params,
            (Place::Message, "result") => Place::Result,
            _ => Place::Inside,
        }
    }

    fn of_item(self) -> Place {
        if self == Place::Batch { Place::Message } else { Place::Inside }
    }

    /// The key as readers may know it. Some take `Method` for `method`, so the protocol's own objects must not say both.
    fn known_as<'k>(self, key: &Cow<'k, str>) -> Cow<'k, str> {
        match self {
            Place::Message | Place::Params => Cow::Owned(super::folded(key)),
            Place::Batch | Place::Result | Place::Inside => key.clone(),
        }
    }
}

struct Walk<'a> {
    text: &'a str,
    tokens: Tokens<'a>,
    /// The first keys of each object that is open, those of the outermost first.
    keys: Vec<Cow<'a, str>>,
    outlines: Vec<Outline<'a>>,
}

impl<'a> Walk<'a> {
    /// Reads the value that `first` begins, and gives its text. The limit of the tokens is that of the recursion.
    fn value(&mut self, first: &Token, place: Place) -> Result<&'a str, Malformed> {
        let start = self.tokens.start();
        if place == Place::Message {
            self.begin_message()?;
        }
        match first {
            Token::ObjectStart => self.object(place)?,
            Token::ArrayStart => self.array(place)?,
            Token::String(_) => self.check_string()?,
            Token::Number(range) => self.check_number(&self.text[range.clone()])?,
            _ => {}
        }
        let value = &self.text[start..self.tokens.at()];
        if let (Place::Message, Some(outline)) = (place, self.outlines.last_mut()) {
            outline.text = value;
        }
        Ok(value)
    }

    fn begin_message(&mut self) -> Result<(), Malformed> {
        if self.outlines.len() == BATCH_MESSAGES_MAX {
            return Err(batch_size());
        }
        self.outlines.push(Outline::default());
        Ok(())
    }

    fn object(&mut self, place: Place) -> Result<(), Malformed> {
        let (before, mut many) = (self.keys.len(), None);
        while let Token::Key(range) = self.token()? {
            let key = unescaped(&self.text[range]).ok_or_else(|| self.not_acceptable(HALF_CHARACTER))?;
            if key.starts_with(RESERVED_KEYS) {
                return self.refuse("it holds a reserved key; leave it out");
            }
            if !self.is_new(before, &mut many, place.known_as(&key)) {
                return self.refuse("a key comes twice in one object; send each key once");
            }
            let first = self.token()?;
            let value = self.value(&first, place.of_member(&key))?;
            self.note(place, key, value);
        }
        self.keys.truncate(before);
        Ok(())
    }

    fn array(&mut self, place: Place) -> Result<(), Malformed> {
        loop {
            match self.token()? {
                Token::ArrayEnd => return Ok(()),
                first => self.value(&first, place.of_item())?,
            };
        }
    }

    /// False when the object that is open has the key already. A few are compared sooner than they are hashed.
    fn is_new(&mut self, before: usize, many: &mut Option<HashSet<Cow<'a, str>>>, key: Cow<'a, str>) -> bool {
        let few = &self.keys[before..];
        if few.contains(&key) {
            return false;
        }
        if few.len() < KEYS_FEW {
            self.keys.push(key);
            return true;
        }
        many.get_or_insert_default().insert(key)
    }

    fn note(&mut self, place: Place, key: Cow<'a, str>, value: &'a str) {
        let Some(outline) = self.outlines.last_mut() else { return };
        match place {
            Place::Message => outline.members.push(key, value),
            Place::Params => outline.params.push(key, value),
            Place::Result => outline.result.push(key, value),
            Place::Batch | Place::Inside => {}
        }
    }

    /// Half of a pair of code units is no character, and readers make different things of it.
    fn check_string(&self) -> Result<(), Malformed> {
        let written = &self.text[self.tokens.start()..self.tokens.at()];
        if self.tokens.has_code_units() && string(written).is_none() {
            return self.refuse(HALF_CHARACTER);
        }
        Ok(())
    }

    fn check_number(&self, number: &str) -> Result<(), Malformed> {
        let is_plain = number.len() <= PLAIN_NUMBER_BYTES_MAX && !number.contains(['e', 'E']);
        // Near the largest float readers differ, so it is asked of the one that policy reads with.
        if !is_plain && serde_json::from_str::<f64>(number).is_err() {
            return self.refuse("a number is out of the range of 64-bit floats; send it as a string");
        }
        Ok(())
    }

    fn token(&mut self) -> Result<Token, Malformed> {
        match self.tokens.next_token() {
            Ok(Some(token)) => Ok(token),
            Ok(None) => Err(self.refusal(Fault::NotJson)),
            Err(fault) => Err(self.refusal(fault)),
        }
    }

    fn refusal(&self, fault: Fault) -> Malformed {
        match fault {
            Fault::NotJson => self.not_acceptable("it breaks off, or has what JSON has not"),
            Fault::TooDeep => self.not_acceptable(&format!("it is nested deeper than {DEPTH_MAX} levels; flatten it")),
        }
    }

    fn refuse<T>(&self, why: &str) -> Result<T, Malformed> {
        Err(self.not_acceptable(why))
    }

    fn not_acceptable(&self, why: &str) -> Malformed {
        Malformed::Message(format!("the body is not acceptable JSON: {why} (near byte {})", self.tokens.at()))
    }
}
