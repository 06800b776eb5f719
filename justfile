# Recipes hold no logic; CI runs the same commands.

# Everything CI runs.
ci:
    .ci/run

# The whole story on one machine.
demo:
    cargo run -- demo

test:
    cargo test --workspace

lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings

# Licences, advisories, sources (needs cargo-deny).
deny:
    cargo deny check

# The numbers of docs/performance.md.
bench:
    cargo bench --bench embedded -p hansard-bus
    cargo bench --bench ingress
    cargo bench --features kafka --bench kafka
    cargo bench -p hansard-redact --bench corpus

# The long fault run: thousands of kill -9 instead of hundreds.
faults:
    HANSARD_KILLS=2000 cargo test --test faults -- --nocapture
