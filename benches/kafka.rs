//! What Hansard costs on three brokers of Apache Kafka, each role a process of its own. One command, one run:
//!
//! ```text
//! cargo bench --features kafka --bench kafka
//! cargo bench --features kafka --bench kafka -- latency stages      # some parts: latency, stages, visible, killed
//! ```
//!
//! - `latency`: what librdkafka alone takes for a durable message, and what ingress adds to a call, one at a time.
//! - `stages`: maskers and then archivers with a log full of work: one, then two at once.
//! - `visible`: from the answer that a caller has to the row that SQL finds.
//! - `killed`: a broker is killed under calls; how long nothing passes, and whether all of it is in the trail.
//!
//! Brokers, roles, caller and upstream share the machine's cores, and all of them end with the bench, however that ends. It
//! needs Java and Maven, as the tests do, and refuses to run without them.
#![expect(clippy::print_stdout, reason = "the tables are what the bench is for")]

#[allow(dead_code, reason = "parts of the bench beside this one")]
#[path = "ingress/load.rs"]
mod load;
#[allow(dead_code, reason = "parts of the bench beside this one")]
#[path = "ingress/message.rs"]
mod message;
#[allow(dead_code, reason = "parts of the bench beside this one")]
#[path = "ingress/pass_through.rs"]
mod pass_through;
#[allow(dead_code, reason = "parts of the bench beside this one")]
#[path = "ingress/process.rs"]
mod process;
#[allow(dead_code, reason = "parts of the bench beside this one")]
#[path = "ingress/upstream.rs"]
mod upstream;

mod kafka {
    pub(crate) mod killed;
    pub(crate) mod latency;
    pub(crate) mod produce;
    pub(crate) mod report;
    pub(crate) mod role;
    pub(crate) mod site;
    pub(crate) mod stages;
    pub(crate) mod visible;
}

use anyhow::{Result, bail};
use kafka::{killed, latency, report, site::Site, stages, visible};

const PARTS: [&str; 4] = ["latency", "stages", "visible", "killed"];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if arguments == [upstream::ROLE] {
        // The upstream is this program again.
        return upstream::serve();
    }
    if let Some(unknown) = arguments.iter().find(|argument| !PARTS.contains(&argument.as_str())) {
        bail!("there is no part {unknown:?}; there are {PARTS:?}");
    }
    let asked = |part: &str| arguments.is_empty() || arguments.iter().any(|argument| argument == part);
    println!("{}", report::machine()?);
    let mut site = Site::start()?;
    if asked("latency") {
        println!("{}", report::latency(&latency::measure(&mut site)?));
    }
    if asked("stages") {
        println!("{}", report::stages(&stages::measure(&mut site)?));
    }
    if asked("visible") {
        println!("{}", report::visible(&visible::measure(&mut site)?));
    }
    if asked("killed") {
        println!("{}", report::killed(&killed::measure(&mut site)?));
    }
    Ok(())
}
