//! What `hansard up` costs: added latency, calls per second and per CPU-second, and memory under open streams.
//!
//! One run measures three ways of the same call in turn, so that what drifts in the machine hits all alike: directly to
//! the upstream, through a plain pass-through proxy, and through `hansard up` with all its roles on the embedded log,
//! every frame recorded before it passes. The tables on standard output are those of `docs/performance.md`:
//!
//! ```text
//! cargo bench --bench ingress
//! cargo bench --bench ingress -- calls 1     # one round of calls
//! cargo bench --bench ingress -- streams     # memory alone
//! cargo bench --bench ingress -- load 1024 64 10   # `hansard up` alone: bytes, connections, seconds; for a profiler
//! ```
//!
//! Client, upstream and what is between them share the machine's cores, so calls per second are those of the whole
//! machine; the CPU time of each process is measured beside them. It refuses to show a number whose calls are not all
//! in the trail: at the end every call that was made is counted in SQL.
#![expect(clippy::print_stdout, reason = "the tables are what the bench is for")]

mod ingress {
    pub(crate) mod disk;
    pub(crate) mod load;
    pub(crate) mod message;
    pub(crate) mod pass_through;
    pub(crate) mod process;
    pub(crate) mod report;
    pub(crate) mod rounds;
    pub(crate) mod streams;
    pub(crate) mod upstream;
}

use std::time::Duration;

use anyhow::{Result, bail};
use ingress::{pass_through, process, report, rounds, streams, upstream};

fn main() -> Result<()> {
    // The other processes of the measurement are this program again.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => measure_calls(rounds::ROUNDS).and_then(|()| measure_streams()),
        ["calls", rounds] => measure_calls(rounds.parse()?),
        ["streams"] => measure_streams(),
        ["load", bytes, connections, seconds] => {
            let window = Duration::from_secs(seconds.parse()?);
            let turn = rounds::load(bytes.parse()?, connections.parse()?, window, |id| println!("process {id}"))?;
            println!("{}", report::load(&turn));
            Ok(())
        }
        [upstream::ROLE] => upstream::serve(),
        [pass_through::ROLE, to] => pass_through::serve(to.parse()?),
        _ => bail!("unknown arguments: {arguments:?}"),
    }
}

fn measure_calls(rounds: usize) -> Result<()> {
    println!("{}", report::machine()?);
    println!("{}", report::calls(&rounds::measure(rounds)?));
    Ok(())
}

fn measure_streams() -> Result<()> {
    process::ensure_files(streams::FILES_MIN)?;
    println!("{}", report::machine()?);
    println!("{}", report::streams(&streams::measure()?));
    Ok(())
}
