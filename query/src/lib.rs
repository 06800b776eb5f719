//! Query: who, when and what in SQL, over Parquet and the tail that is not archived yet.
//!
//! One statement sees one snapshot: the Parquet files that the commit log names, and the messages of
//! `hansard.records` from the offsets where those files end. So a row is there exactly once, and at once, whether the
//! archiver is ahead, behind, or in the middle of a commit.
//!
//! It refuses to write, to read outside its table, and to answer without recording that it was asked. A statement is
//! a stranger's program: it runs with a limit on its size, depth, time, memory and answer, on threads of its own.

mod answer;
mod commits;
mod config;
mod console;
mod engine;
mod error;
mod feed;
mod guard;
mod http;
mod origin;
mod pruning;
mod reading;
mod replay;
mod snapshot;
mod table;
mod tail;
mod trail;
mod views;

pub use answer::Answer;
pub use config::{Config, EVERYBODY};
pub use error::Error;
pub use feed::Form as FeedForm;
pub use http::router;
pub use reading::Asker;
pub use replay::Replay;
pub use trail::{Deps, Trail};
