//! Ingress over real sockets: what the caller sees, what the upstream sees, and what the trail holds.

mod house;
mod upstream;

mod calls;
mod certificates;
mod faults;
mod findings;
mod holds;
mod inflight;
mod refusals;
mod streams;
