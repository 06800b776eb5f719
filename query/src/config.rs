//! What an operator may set, and what a statement may cost at most.

use serde::Deserialize;

/// Among the readers: everybody who is authenticated.
pub const EVERYBODY: &str = "*";

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Groups whose members may read the trail; [`EVERYBODY`] stands for all who are authenticated, none for nobody.
    pub readers: Vec<String>,
    /// From the moment that a statement is taken to its last row.
    pub statement_seconds_max: u64,
    /// Longest statement.
    pub statement_bytes_max: usize,
    /// Most words and signs in a statement, not counting values and commas; its syntax tree is never deeper than that.
    pub statement_tokens_max: usize,
    /// Deepest nesting of brackets and of `CASE`.
    pub depth_max: usize,
    /// What one statement may hold in memory for sorting, grouping and joining. Nothing is spilled to disk.
    pub memory_bytes_max: usize,
    /// Rows of an answer; what is more is cut off, and the answer says so.
    pub rows_max: usize,
    /// Size of an answer in memory; what is more is cut off, and the answer says so.
    pub answer_bytes_max: usize,
    /// Statements at work at the same time.
    pub concurrent_max: usize,
    /// Rows that are not archived yet, kept decoded between statements. What is more is read anew by each.
    pub tail_bytes_max: usize,
    /// How often the commit log and the tail are looked at while nobody asks.
    pub follow_seconds: u64,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            readers: Vec::new(),
            statement_seconds_max: 30,
            statement_bytes_max: 64 * 1024,
            statement_tokens_max: 1_000,
            depth_max: 48,
            memory_bytes_max: 512 * 1024 * 1024,
            rows_max: 100_000,
            answer_bytes_max: 128 * 1024 * 1024,
            concurrent_max: 4,
            tail_bytes_max: 128 * 1024 * 1024,
            follow_seconds: 5,
        }
    }
}
