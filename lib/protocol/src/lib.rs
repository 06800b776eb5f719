//! MCP in both eras, JSON-RPC, SSE, and texts of models that come in pieces: what bytes mean, without sending any.
//!
//! This room refuses to do IO, to decide, and to repair what it reads: what is not well formed is said to be so.

pub mod deltas;
pub mod jsonrpc;
pub mod mcp;
pub mod sse;
