//! Values that no pattern describes well: each has linear code of its own, which looks at a bounded window around its
//! candidate. It refuses to hold what a bounded pattern can say.

pub(crate) mod card;
pub(crate) mod email;
pub(crate) mod hardware;
pub(crate) mod iban;
pub(crate) mod ip;
pub(crate) mod jwt;
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
    Digits(Sides),
    AtSign,
    Colon,
    Hyphen,
    Dot,
}

/// Which runs of digits a detector is tried at; the reference tries it at every run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sides {
    /// Shortest and longest run.
    pub(crate) lengths: (usize, usize),
    /// Behind one of these bytes …
    pub(crate) before: &'static [u8],
    /// … or before one of these …
    pub(crate) behind: &'static [u8],
    /// … or from this length on, wherever it stands.
    pub(crate) any_from: usize,
}

impl Sides {
    const fn new(lengths: (usize, usize), before: &'static [u8], behind: &'static [u8], any_from: usize) -> Sides {
        Sides { lengths, before, behind, any_from }
    }
}

const CARD: Sides = Sides::new((3, 19), b"", b" -", 12);
const IBAN: Sides = Sides::new((2, 31), b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", b"", usize::MAX);
const PHONE: Sides = Sides::new((1, 15), b"+(", b" -.)/", usize::MAX);
const IPV4: Sides = Sides::new((1, 3), b"", b".", usize::MAX);

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
    Detector { name: "card", shape: Shape::Digits(CARD), check: card::check },
    Detector { name: "iban", shape: Shape::Digits(IBAN), check: iban::check },
    Detector { name: "email", shape: Shape::AtSign, check: email::check },
    Detector { name: "phone", shape: Shape::Digits(PHONE), check: phone::check },
    Detector { name: "ipv4", shape: Shape::Digits(IPV4), check: ip::v4 },
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
