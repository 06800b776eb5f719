//! Writes values as Avro does. It knows no schema: who calls it writes the fields in their order.

use uuid::Uuid;

#[derive(Debug)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub fn with_capacity(capacity: usize) -> Writer {
        Writer { bytes: Vec::with_capacity(capacity) }
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Bytes as they are, with no length before them: what Avro calls fixed.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Zigzag, then seven bits a byte, lowest first.
    pub fn long(&mut self, value: i64) {
        let mut rest = ((value << 1) ^ (value >> 63)) as u64;
        while rest >= 0x80 {
            self.bytes.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.bytes.push(rest as u8);
    }

    /// An Avro int is written as a long is.
    pub fn int(&mut self, value: i32) {
        self.long(value.into());
    }

    /// A number that is never negative. Avro has no unsigned long, so the upper half of `u64` is written as the highest
    /// long: no clock, counter or length of ours comes near it.
    pub fn count(&mut self, value: u64) {
        self.long(i64::try_from(value).unwrap_or(i64::MAX));
    }

    pub fn boolean(&mut self, value: bool) {
        self.bytes.push(value.into());
    }

    pub fn bytes(&mut self, value: &[u8]) {
        self.count(value.len() as u64);
        self.raw(value);
    }

    pub fn string(&mut self, value: &str) {
        self.bytes(value.as_bytes());
    }

    /// The 36 characters that people and SIEMs search for, lower case.
    pub fn uuid(&mut self, value: Uuid) {
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        self.string(value.hyphenated().encode_lower(&mut text));
    }

    /// The union of null and a value: every nullable field of our schemas has null first.
    pub fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Writer, T)) {
        match value {
            None => self.long(0),
            Some(value) => {
                self.long(1);
                write(self, value);
            }
        }
    }

    /// One block with all items, then the empty block that ends the array.
    pub fn array<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Writer, &T)) {
        if !items.is_empty() {
            self.count(items.len() as u64);
            items.iter().for_each(|item| write(self, item));
        }
        self.long(0);
    }

    pub fn strings(&mut self, items: &[String]) {
        self.array(items, |writer, item| writer.string(item));
    }
}
