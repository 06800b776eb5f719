//! The stored forms: round trips between Rust, Avro, Arrow and JSON, Avro against another implementation, golden files,
//! and the leaf.

mod arbitrary;
mod golden;
mod leaf;
mod oracle;
mod round_trip;
mod sample;
