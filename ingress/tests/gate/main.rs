//! Ingress over real sockets: what the caller sees, what the upstream sees, and what the trail holds.

mod house;
mod upstream;

mod calls;
mod certificates;
mod faults;
mod holds;
mod refusals;
mod streams;
