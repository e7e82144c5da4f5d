//! Workers over real sockets: sessions, the miner and the simulators against a broker that does what
//! the test says.

mod broker;
mod miner;
mod platform;
mod rpc;
mod session;
mod simulators;
