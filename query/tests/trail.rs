//! The trail as its readers see it: a real embedded log, a store in memory, and an archiver of a few lines that the
//! tests drive by hand.

#[path = "trail/door.rs"]
mod door;
#[path = "trail/forms.rs"]
mod forms;
#[path = "trail/ground.rs"]
mod ground;
#[path = "trail/once.rs"]
mod once;
#[path = "trail/pruning.rs"]
mod pruning;
#[path = "trail/reads.rs"]
mod reads;
#[path = "trail/rows.rs"]
mod rows;
#[path = "trail/safety.rs"]
mod safety;
#[path = "trail/store.rs"]
mod store;
#[path = "trail/tail.rs"]
mod tail;
#[path = "trail/views.rs"]
mod views;
