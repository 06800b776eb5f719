//! The one pass over a body that finds what two readers could read differently: keys that come twice, however they are
//! spelled, nesting too deep for some, text in no one encoding.
//!
//! It refuses to build anything.

use std::{borrow::Cow, collections::HashSet, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::{DEPTH_MAX, Malformed};

/// Keys by which a JSON library of ours passes values of its own; from outside they would be read as such.
const RESERVED_KEYS: &str = "$serde_json::private::";

/// The body as text, if every reader must read it the same way.
pub(super) fn check(body: &[u8]) -> Result<&str, Malformed> {
    let text = text(body)?;
    let mut json = serde_json::Deserializer::from_str(text);
    Checked { place: Place::Root, depth: 0 }
        .deserialize(&mut json)
        .and_then(|()| json.end())
        .map_err(|error| Malformed::Message(format!("the body is not acceptable JSON: {error}")))?;
    Ok(text)
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

/// So many keys of an object are compared one by one.
const KEYS_FEW: usize = 16;

/// Where in a message a value stands.
#[derive(Clone, Copy)]
enum Place {
    Root,
    Batch,
    Params,
    Inside,
}

/// Walks one value and keeps nothing of it.
struct Checked {
    place: Place,
    depth: usize,
}

impl Checked {
    fn inside<E: Error>(&self, place: Place) -> Result<Checked, E> {
        if self.depth == DEPTH_MAX {
            return Err(E::custom(format!("it is nested deeper than {DEPTH_MAX} levels; flatten it")));
        }
        Ok(Checked { place, depth: self.depth + 1 })
    }

    /// Some JSON readers take `Method` for `method`, so the protocol's own objects must not say both.
    fn same_key<'k>(&self, key: Cow<'k, str>) -> Cow<'k, str> {
        match self.place {
            Place::Inside => key,
            Place::Root | Place::Batch | Place::Params => Cow::Owned(super::folded(&key)),
        }
    }

    fn place_of(&self, key: &str) -> Place {
        match self.place {
            Place::Root | Place::Batch if key == "params" => Place::Params,
            _ => Place::Inside,
        }
    }
}

/// The keys of one object.
#[derive(Default)]
struct Keys<'k> {
    few: Vec<Cow<'k, str>>,
    many: HashSet<Cow<'k, str>>,
}

impl<'k> Keys<'k> {
    /// False when it was there before. A few keys are compared sooner than they are hashed.
    fn insert(&mut self, key: Cow<'k, str>) -> bool {
        if self.few.contains(&key) {
            return false;
        }
        if self.few.len() < KEYS_FEW {
            self.few.push(key);
            return true;
        }
        self.many.insert(key)
    }
}

/// A key that is lent by the body, unless it has escapes.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Cow<'de, str>, D::Error> {
        json.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E>(self, key: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}

impl<'de> DeserializeSeed<'de> for Checked {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Checked {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = Keys::default();
        while let Some(key) = map.next_key_seed(Key)? {
            if key.starts_with(RESERVED_KEYS) {
                return Err(A::Error::custom("it holds a reserved key; leave it out"));
            }
            let place = self.place_of(&key);
            if !seen.insert(self.same_key(key)) {
                return Err(A::Error::custom("a key comes twice in one object; send each key once"));
            }
            map.next_value_seed(self.inside(place)?)?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let place = if matches!(self.place, Place::Root) { Place::Batch } else { Place::Inside };
        while items.next_element_seed(self.inside(place)?)?.is_some() {}
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}
