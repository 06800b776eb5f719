//! Reads values as Avro writes them, from bytes that nobody vouches for.

use uuid::Uuid;

/// Why bytes are not a message of ours. The fault is with whoever wrote them, or this program is older than they are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    #[error("not an Avro message: it begins neither with C3 01 and a fingerprint nor with 00 and a schema id")]
    NotAvro,
    #[error(
        "the message has schema id {schema_id} of a registry but no header {} that says which version this is: it lost its \
         headers on the way, or no masker wrote it",
        super::FINGERPRINT_HEADER
    )]
    Unnamed { schema_id: u32 },
    #[error("unknown version of the {topic} schema, fingerprint {fingerprint:016x}: a newer program wrote it")]
    UnknownVersion { topic: &'static str, fingerprint: u64 },
    #[error("the message ends at byte {at}, within a value")]
    Ends { at: usize },
    #[error("the number at byte {at} is out of its range")]
    Number { at: usize },
    #[error("the length at byte {at} is negative or beyond the message")]
    Length { at: usize },
    #[error("neither true nor false at byte {at}")]
    Boolean { at: usize },
    #[error("no such branch of a union at byte {at}")]
    Branch { at: usize },
    #[error("the text that ends at byte {at} is not UTF-8")]
    Text { at: usize },
    #[error("what ends at byte {at} is not {expected}")]
    Word { at: usize, expected: &'static str },
    #[error("{bytes} bytes follow the message")]
    Trailing { bytes: usize },
}

/// A cursor over the fields of one message; positions in errors count from the first field.
#[derive(Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, at: 0 }
    }

    /// Nothing may be left.
    pub fn finish(self) -> Result<(), DecodeError> {
        match self.remaining() {
            0 => Ok(()),
            bytes => Err(DecodeError::Trailing { bytes }),
        }
    }

    pub fn long(&mut self) -> Result<i64, DecodeError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7F);
            if shift == 63 && byte > 1 {
                return Err(DecodeError::Number { at: self.at });
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
            }
        }
        Err(DecodeError::Number { at: self.at })
    }

    pub fn int(&mut self) -> Result<i32, DecodeError> {
        self.number()
    }

    pub fn count(&mut self) -> Result<u64, DecodeError> {
        self.number()
    }

    /// A long that fits the narrower type.
    pub fn number<T: TryFrom<i64>>(&mut self) -> Result<T, DecodeError> {
        let value = self.long()?;
        T::try_from(value).map_err(|_| DecodeError::Number { at: self.at })
    }

    pub fn boolean(&mut self) -> Result<bool, DecodeError> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::Boolean { at: self.at }),
        }
    }

    pub fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.length()?;
        self.raw(length)
    }

    pub fn string(&mut self) -> Result<String, DecodeError> {
        self.text().map(str::to_owned)
    }

    pub fn text(&mut self) -> Result<&'a str, DecodeError> {
        let bytes = self.bytes()?;
        std::str::from_utf8(bytes).map_err(|_| DecodeError::Text { at: self.at })
    }

    /// Text that means a value of ours; `expected` names what it should have been.
    pub fn word<T>(&mut self, expected: &'static str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, DecodeError> {
        let text = self.text()?;
        parse(text).ok_or_else(|| self.not(expected))
    }

    /// What was just read is not what it should have been.
    pub fn not(&self, expected: &'static str) -> DecodeError {
        DecodeError::Word { at: self.at, expected }
    }

    pub fn uuid(&mut self) -> Result<Uuid, DecodeError> {
        self.word("a UUID", |text| match text.len() {
            uuid::fmt::Hyphenated::LENGTH => Uuid::try_parse(text).ok(),
            _ => None,
        })
    }

    pub fn fixed<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let bytes = self.raw(N)?;
        bytes.try_into().map_err(|_| DecodeError::Ends { at: self.at })
    }

    pub fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Reader<'a>) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        match self.long()? {
            0 => Ok(None),
            1 => read(self).map(Some),
            _ => Err(DecodeError::Branch { at: self.at }),
        }
    }

    /// Items of every block, pushed one by one: what a block claims to hold reserves nothing.
    pub fn array<T>(
        &mut self,
        mut read: impl FnMut(&mut Reader<'a>) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let mut items = Vec::new();
        loop {
            let count = self.block()?;
            if count == 0 {
                return Ok(items);
            }
            for _ in 0..count {
                items.push(read(self)?);
            }
        }
    }

    pub fn strings(&mut self) -> Result<Vec<String>, DecodeError> {
        self.array(Reader::string)
    }

    /// How many items the next block holds. A negative count is followed by the block's size in bytes, which lets others
    /// skip it. Every item of ours takes a byte or more, so a count beyond what remains is a lie.
    fn block(&mut self) -> Result<usize, DecodeError> {
        let count = self.long()?;
        if count < 0 {
            self.length()?;
        }
        match usize::try_from(count.unsigned_abs()) {
            Ok(count) if count <= self.remaining() => Ok(count),
            _ => Err(DecodeError::Length { at: self.at }),
        }
    }

    fn length(&mut self) -> Result<usize, DecodeError> {
        match usize::try_from(self.long()?) {
            Ok(length) if length <= self.remaining() => Ok(length),
            _ => Err(DecodeError::Length { at: self.at }),
        }
    }

    fn raw(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let end = self.at.checked_add(length).ok_or(DecodeError::Length { at: self.at })?;
        let bytes = self.bytes.get(self.at..end).ok_or(DecodeError::Ends { at: self.at })?;
        self.at = end;
        Ok(bytes)
    }

    fn byte(&mut self) -> Result<u8, DecodeError> {
        let byte = *self.bytes.get(self.at).ok_or(DecodeError::Ends { at: self.at })?;
        self.at += 1;
        Ok(byte)
    }

    fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }
}
