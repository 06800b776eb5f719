//! The work budget of one message: how much may be looked at before the message is withheld instead.

use crate::Withheld;

/// Budget per byte of the message, in bytes looked at; views of escaped text and the second look included.
const PER_BYTE: usize = 96;
/// Budget of every message, in bytes looked at.
const BASE: usize = 1024 * 1024;

#[derive(Debug)]
pub(crate) struct Work {
    left: usize,
}

impl Work {
    pub(crate) fn for_bytes(bytes: usize) -> Work {
        Work { left: bytes.saturating_mul(PER_BYTE).saturating_add(BASE) }
    }

    pub(crate) fn spend(&mut self, bytes: usize) -> Result<(), Withheld> {
        self.left = self.left.checked_sub(bytes).ok_or(Withheld::Budget)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_when_it_is_spent() {
        let mut work = Work::for_bytes(1);
        assert_eq!(work.spend(BASE + PER_BYTE), Ok(()));
        assert_eq!(work.spend(1), Err(Withheld::Budget));
    }
}
