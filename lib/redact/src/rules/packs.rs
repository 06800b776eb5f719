//! The packs that are built in. Which of them apply is chosen by name. It refuses to hold a rule in code.

/// The packs: a name for the configuration, and their rules.
pub(crate) const PACKS: &[(&str, &str)] = &[
    ("secrets", include_str!("../../packs/secrets.toml")),
    ("keyed", include_str!("../../packs/keyed.toml")),
    ("cloud", include_str!("../../packs/cloud.toml")),
    ("pii", include_str!("../../packs/pii.toml")),
    ("crypto", include_str!("../../packs/crypto.toml")),
    ("us", include_str!("../../packs/us.toml")),
    ("uk", include_str!("../../packs/uk.toml")),
    ("de", include_str!("../../packs/de.toml")),
    ("fr", include_str!("../../packs/fr.toml")),
    ("es", include_str!("../../packs/es.toml")),
    ("it", include_str!("../../packs/it.toml")),
    ("nl", include_str!("../../packs/nl.toml")),
    ("pl", include_str!("../../packs/pl.toml")),
    ("br", include_str!("../../packs/br.toml")),
    ("in", include_str!("../../packs/in.toml")),
    ("ca", include_str!("../../packs/ca.toml")),
    ("au", include_str!("../../packs/au.toml")),
    ("blobs", include_str!("../../packs/blobs.toml")),
];

/// Names that only look like a secret's.
pub(crate) const NAMES: &str = include_str!("../../packs/names.toml");

/// The packs that are named; all when none is.
pub(crate) fn chosen(names: &[String], faults: &mut Vec<String>) -> Vec<(&'static str, &'static str)> {
    for name in names.iter().filter(|name| !PACKS.iter().any(|(pack, _)| pack == name)) {
        let known: Vec<_> = PACKS.iter().map(|(pack, _)| *pack).collect();
        faults.push(format!("unknown pack {name}: there are {}", known.join(", ")));
    }
    PACKS.iter().filter(|(pack, _)| names.is_empty() || names.iter().any(|name| name == pack)).copied().collect()
}
