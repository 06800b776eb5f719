//! The seeds of the fuzz target, and what it found, as an ordinary test.

use std::{fs, path::Path};

#[path = "../../../fuzz/checks/jsonrpc_sse.rs"]
mod jsonrpc_sse;

#[test]
fn what_the_fuzzer_starts_from_holds_however_it_is_cut_up() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/jsonrpc_sse");
    let mut count = 0;
    for seed in fs::read_dir(seeds).expect("the seeds") {
        let bytes = fs::read(seed.expect("a seed").path()).expect("a file");
        (1..=bytes.len()).for_each(|piece_bytes| jsonrpc_sse::check(&bytes[1..], piece_bytes));
        count += 1;
    }
    assert!(count >= 10, "the seeds are there");
}
