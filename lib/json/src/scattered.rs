//! Texts that stand in pieces in several strings of a body: where the pieces are, for whoever reads them as one.
//!
//! It refuses to know whose texts they are, and what is looked for in them.

use std::ops::Range;

/// What a body consists of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// Documents of JSON, in order; in a stream of events those that stand in one line.
    pub documents: Vec<Range<usize>>,
    /// Texts whose pieces stand in them.
    pub texts: Vec<Scattered>,
}

/// Where one text is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scattered {
    /// Contents of JSON strings, in order.
    pub pieces: Vec<Range<usize>>,
    /// Values that repeat the text in a form of their own.
    pub copies: Vec<Range<usize>>,
}

impl Scattered {
    /// The same text in a document that begins there.
    pub fn moved(mut self, by: usize) -> Scattered {
        for range in self.pieces.iter_mut().chain(&mut self.copies) {
            *range = range.start + by..range.end + by;
        }
        self
    }
}
