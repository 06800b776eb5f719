//! Manifests of Kubernetes in JSON: an object whose `kind` is `Secret`, and what stands under its `data` and `stringData`.
//!
//! Members have no order, so the values are noted as they pass and masked at the end of the object. It refuses to judge
//! them: whatever stands there is secret, but for what only refers to a value.

use std::ops::Range;

use json::Token;

use super::{Walk, joined, plain_key};
use crate::{
    Withheld, depth,
    detector::manifest::{BLOCKS, KIND, SECRET},
    edit::{self, Edit},
    escape::{self, Plain},
    keyed, mask,
    rules::RuleId,
    scan::Hit,
};

/// What an object may be a manifest by.
#[derive(Debug, Default)]
pub(super) struct Manifest {
    is_secret: bool,
    /// Keys, and the containers under them.
    blocks: Vec<[Range<usize>; 2]>,
}

impl Manifest {
    /// A member that is a string.
    pub(super) fn member(&mut self, name: &str, raw: &str) {
        self.is_secret |= name == KIND && escape::decode(raw) == SECRET;
    }
}

impl Walk<'_, '_> {
    /// A container has ended whose values may be secret: whether they are, may be told behind it.
    pub(super) fn seal(&mut self, container: Range<usize>) {
        let Some(level) = self.levels.last_mut().filter(|level| level.object) else { return };
        let name = plain_key(self.text, &level.key);
        if self.mask.rules().manifest.is_some() && BLOCKS.contains(&name.as_ref()) {
            level.manifest.blocks.push([level.key.clone(), container]);
        }
    }

    /// At the end of an object: was it a manifest of secrets?
    pub(super) fn sealed(&mut self) -> Result<(), Withheld> {
        let Some(level) = self.levels.last_mut().filter(|level| level.manifest.is_secret) else { return Ok(()) };
        let Some(rule) = self.mask.rules().manifest else { return Ok(()) };
        let blocks = std::mem::take(&mut level.manifest.blocks);
        if blocks.is_empty() {
            return Ok(());
        }
        self.mask.unsettle();
        let parent = self.container(self.levels.len())?.text;
        for [name, container] in blocks {
            let parent = joined(&parent, &format!("/{}", plain_key(self.text, &name)));
            self.sealed_block(container, rule, &parent)?;
        }
        Ok(())
    }

    fn sealed_block(&mut self, container: Range<usize>, rule: RuleId, parent: &str) -> Result<(), Withheld> {
        self.mask.spend(container.len())?;
        let mut tokens = depth::tokens(self.text.get(container.clone()).unwrap_or_default());
        let mut pointer = parent.to_owned();
        while let Ok(Some(token)) = tokens.next_token() {
            let whole = |part: Range<usize>| container.start + part.start..container.start + part.end;
            let mut edits = match token {
                Token::Key(key) => {
                    let step = plain_key(self.text, &whole(key));
                    pointer = joined(parent, &format!("/{}", step.replace('~', "~0").replace('/', "~1")));
                    continue;
                }
                Token::String(string) => self.sealed_string(whole(string), rule),
                Token::Number(number) => vec![self.quoted_edit(whole(number), rule)],
                _ => continue,
            };
            edits.iter_mut().for_each(|edit| edit.pointer.clone_from(&pointer));
            self.edits.append(&mut edits);
            mask::within_count(self.edits.len())?;
        }
        Ok(())
    }

    fn sealed_string(&mut self, range: Range<usize>, rule: RuleId) -> Vec<Edit> {
        let plain = Plain::of(self.text.get(range.clone()).unwrap_or_default());
        if plain.text.is_empty() || keyed::is_placeholder(plain.text.as_bytes()) {
            return Vec::new();
        }
        let hit = Hit { start: 0, end: plain.text.len(), rule, name: Some(0) };
        let mut edits = self.mask.edits(&plain.text, vec![hit]);
        edit::lift(&mut edits, &plain, range.start);
        edits
    }
}
