//! How far a reader has come: the next offset of each partition, as `0:12,1:7`.

use std::{collections::BTreeMap, fmt, ops::Range};

use crate::Error;

/// Longest text of a place, in bytes.
const TEXT_BYTES_MAX: usize = 8 * 1024;
const WRONG: &str = "from is earliest, latest, or the position that an answer gave, such as 0:12,1:7";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place(BTreeMap<u32, u64>);

/// Where a reader begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// With the oldest that the log keeps.
    Earliest,
    /// With what comes from now on.
    Latest,
    At(Place),
}

impl Place {
    /// Partitions that it does not name begin with their first message.
    pub(crate) fn next(&self, number: u32) -> u64 {
        self.0.get(&number).copied().unwrap_or(0)
    }

    pub(crate) fn set(&mut self, number: u32, next: u64) {
        self.0.insert(number, next);
    }

    pub(crate) fn numbers(&self) -> impl Iterator<Item = u32> {
        self.0.keys().copied()
    }

    /// It names no partition that is not there.
    pub(super) fn check(&self, there: &Place) -> Result<(), Error> {
        match self.0.keys().find(|number| !there.0.contains_key(number)) {
            Some(number) => {
                Err(Error::Malformed(format!("there is no partition {number}: is the position of this log?")))
            }
            None => Ok(()),
        }
    }

    fn parse(text: &str) -> Option<Place> {
        let pairs = text.split(',').map(|pair| {
            let (number, next) = pair.split_once(':')?;
            Some((number.parse().ok()?, next.parse().ok()?))
        });
        pairs.collect::<Option<BTreeMap<u32, u64>>>().map(Place)
    }
}

impl Start {
    pub(crate) fn parse(text: &str) -> Result<Start, Error> {
        match text {
            "earliest" => Ok(Start::Earliest),
            "latest" => Ok(Start::Latest),
            _ if text.len() > TEXT_BYTES_MAX => Err(Error::Malformed(WRONG.to_owned())),
            _ => Place::parse(text).map(Start::At).ok_or_else(|| Error::Malformed(WRONG.to_owned())),
        }
    }

    /// The offset of one partition that is meant.
    pub(super) fn within(&self, number: u32, kept: &Range<u64>) -> Result<u64, Error> {
        let Start::At(place) = self else {
            return Ok(if *self == Start::Earliest { kept.start } else { kept.end });
        };
        match place.0.get(&number) {
            Some(next) if *next < kept.start => Err(Error::gone(number, *next, kept.start)),
            Some(next) if *next > kept.end => Err(Error::Malformed(format!(
                "partition {number} ends at {}, before {next}: is the position of this log?",
                kept.end
            ))),
            Some(next) => Ok(*next),
            None => Ok(kept.start),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (number, next)) in self.0.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            write!(f, "{comma}{number}:{next}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Start::Earliest => f.write_str("earliest"),
            Start::Latest => f.write_str("latest"),
            Start::At(place) => place.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_its_text() {
        for text in ["0:0", "0:12,1:7,30:18446744073709551615"] {
            assert_eq!(Start::parse(text).expect(text).to_string(), text);
        }
        let long = format!("0:1{}", ",0:1".repeat(TEXT_BYTES_MAX));
        for text in ["", "12", "0:-1", "0:1,", "a:1", "0:1;1:2", "Latest", "0:18446744073709551616", &long] {
            assert!(Start::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_not_kept_is_not_skipped() {
        let at = |text| Start::parse(text).expect("a start").within(0, &(5..9));
        assert!(matches!(at("0:4"), Err(Error::Gone { from: 4, start: 5, .. })));
        assert!(matches!(at("0:10"), Err(Error::Malformed(_))));
        let offsets = ["0:5", "0:9", "1:3", "earliest", "latest"].map(|text| at(text).expect(text));
        assert_eq!(offsets, [5, 9, 5, 5, 9]);
    }
}
