//! Values that no pattern describes well: each has linear code of its own, which looks at a bounded window around its
//! candidate. It refuses to hold what a bounded pattern can say.

use crate::bytes::is_word;

pub(crate) mod azure;
pub(crate) mod card;
pub(crate) mod email;
pub(crate) mod hardware;
pub(crate) mod iban;
pub(crate) mod ip;
pub(crate) mod jwt;
pub(crate) mod manifest;
pub(crate) mod pem;
pub(crate) mod phone;
pub(crate) mod url;

/// How far around its candidate a check looks, in bytes, unless it says otherwise.
pub(crate) const REACH: usize = 256;

/// What a check is told besides the place of its candidate, and what it tells besides its find.
#[derive(Debug, Default)]
pub(crate) struct Look {
    /// Everything before is looked at already: the end of the last find of this kind.
    pub(crate) done: usize,
    /// Bytes looked at, for the work budget.
    pub(crate) walked: usize,
    /// The candidate is none, and no other candidate of this kind before this place is one.
    pub(crate) none_before: usize,
    /// The end of what was looked at, where that may be farther than [`REACH`]; the greatest number for the whole text.
    pub(crate) far: usize,
}

/// How the candidates of a detector are found.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    /// In any case.
    Literals(&'static [&'static str]),
    /// The start of a run of digits.
    Digits(&'static [Sides]),
    AtSign,
    Colon,
    Hyphen,
    /// One of which another one follows after four bytes.
    Dot,
    /// One between digits.
    Point,
}

/// At which runs of digits a detector is tried: all of this must hold. The reference tries it at every run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sides {
    /// Shortest and longest run.
    pub(crate) lengths: (usize, usize),
    /// What the two bytes before may be; anything when empty.
    pub(crate) before: &'static [u8],
    pub(crate) second_before: &'static [u8],
    /// What it may not be.
    pub(crate) not_before: &'static [u8],
    /// No word goes on from before.
    pub(crate) apart: bool,
    /// The first digit and the second; anything when empty.
    pub(crate) first: &'static [u8],
    pub(crate) second: &'static [u8],
    /// What the byte behind may be; anything when empty.
    pub(crate) behind: &'static [u8],
    /// What may follow that, besides a digit.
    pub(crate) beyond: &'static [u8],
}

impl Sides {
    const fn any(shortest: usize, longest: usize) -> Sides {
        let lengths = (shortest, longest);
        Sides {
            lengths,
            before: b"",
            second_before: b"",
            not_before: b"",
            apart: false,
            first: b"",
            second: b"",
            behind: b"",
            beyond: b"",
        }
    }

    const fn apart(shortest: usize, longest: usize, not_before: &'static [u8], first: &'static [u8]) -> Sides {
        Sides { apart: true, not_before, first, ..Sides::any(shortest, longest) }
    }

    /// May this byte stand before the run?
    pub(crate) fn may_lead(&self, byte: u8) -> bool {
        let barred = (self.apart && is_word(byte)) || self.not_before.contains(&byte);
        !barred && (self.before.is_empty() || self.before.contains(&byte))
    }

    const fn before(self, behind: &'static [u8], beyond: &'static [u8]) -> Sides {
        Sides { behind, beyond, ..self }
    }
}

/// With the first two digits of all brands, in one piece or in groups.
const CARD: &[Sides] = &[
    card(b"1", b"8", 12, 19),
    card(b"1", b"8", 3, 11).before(b" -", b""),
    card(b"2", b"1234567", 12, 19),
    card(b"2", b"1234567", 3, 11).before(b" -", b""),
    card(b"345689", b"", 12, 19),
    card(b"345689", b"", 3, 11).before(b" -", b""),
];

const fn card(first: &'static [u8], second: &'static [u8], shortest: usize, longest: usize) -> Sides {
    Sides { second, ..Sides::apart(shortest, longest, b".", first) }
}

const CAPITALS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const IBAN: &[Sides] = &[Sides { before: CAPITALS, second_before: CAPITALS, ..Sides::any(2, 31) }];
const PHONE: &[Sides] = &[
    Sides { before: b"+(", ..Sides::any(1, 15) },
    // With a trunk prefix, or two of them.
    Sides::apart(2, 17, b"+-", b"0").before(b" -.()/", b" -.()/"),
    Sides::apart(10, 11, b"+-.=/#:$%*&@\\", b"0"),
    // Brazilian.
    Sides::apart(2, 2, b"+-", b"123456789").before(b" ", b""),
    // American, with the code of the country and without.
    Sides::apart(1, 1, b"+-", b"1").before(b" -.", b"("),
    Sides::apart(3, 3, b"+-", b"23456789").before(b" -.", b""),
];

/// Checks the candidate whose anchor stands at `at`.
type Check = fn(text: &[u8], at: usize, look: &mut Look) -> Option<(usize, usize)>;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Detector {
    name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) check: Check,
}

const DETECTORS: &[Detector] = &[
    Detector { name: "pem", shape: Shape::Literals(&["-----begin ", "-----end "]), check: pem::check },
    Detector { name: "jwt", shape: Shape::Literals(&["eyj"]), check: jwt::check },
    Detector { name: "url_credential", shape: Shape::Literals(&["://"]), check: url::check },
    Detector {
        name: "azure_client_secret",
        shape: Shape::Literals(&["6q~", "7q~", "8q~", "9q~"]),
        check: azure::check,
    },
    Detector { name: "manifest", shape: Shape::Literals(&["secret"]), check: manifest::check },
    Detector { name: "card", shape: Shape::Digits(CARD), check: card::check },
    Detector { name: "iban", shape: Shape::Digits(IBAN), check: iban::check },
    Detector { name: "email", shape: Shape::AtSign, check: email::check },
    Detector { name: "phone", shape: Shape::Digits(PHONE), check: phone::check },
    Detector { name: "ipv4", shape: Shape::Point, check: ip::v4 },
    Detector { name: "ipv6", shape: Shape::Colon, check: ip::v6 },
    Detector { name: "mac_colon", shape: Shape::Colon, check: hardware::check },
    Detector { name: "mac_hyphen", shape: Shape::Hyphen, check: hardware::check },
    Detector { name: "mac_dot", shape: Shape::Dot, check: hardware::dotted },
];

pub(crate) fn named(name: &str) -> Option<Detector> {
    DETECTORS.iter().find(|detector| detector.name == name).copied()
}

pub(crate) fn names() -> String {
    DETECTORS.iter().map(|detector| detector.name).collect::<Vec<_>>().join(", ")
}
