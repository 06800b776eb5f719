//! JSON-RPC and SSE from strangers.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../checks/jsonrpc_sse.rs"]
mod jsonrpc_sse;

fuzz_target!(|bytes: &[u8]| {
    // The first byte says how the stream is cut up.
    if let Some((first, bytes)) = bytes.split_first() {
        jsonrpc_sse::check(bytes, usize::from(*first) + 1);
    }
});
