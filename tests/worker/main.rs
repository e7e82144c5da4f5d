//! Workers over real sockets: sessions, the miner and the simulators against a broker that does what
//! the test says.

#[path = "../support/mod.rs"]
mod support;

mod broker;
mod faults;
mod hiveos;
mod miner;
mod platform;
mod process;
mod rpc;
mod session;
mod simulators;
