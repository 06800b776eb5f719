//! Masker: open → reassemble → redact → mint the leaf → publish.
//!
//! It refuses to publish what it could not mask, and to drop or skip what it could not read: that becomes a `withheld` record.
