//! End to end: the real program over real sockets, its commands as a person types them.
//!
//! What needs a tool that is not there says `skipped: why`; under `CI=true` it fails instead.

mod end_to_end {
    mod bad_input;
    mod commands;
    mod parts;
    mod pipeline;
    mod program;
    mod real_parts;
    mod scene;
    mod upstream;
}
