//! The worker: the MQTT session and state machine that real and simulated workers share, and the
//! miner process.
//!
//! Promises: the key after an `assign_task` bears the lease's prefix and the renter's salt; nothing
//! that the network does stops mining; a block is reported until the platform acknowledges it.
//! Knows nothing of the platform's insides.

pub mod agent;
pub mod control;
pub mod session;
pub mod state;
pub mod submit;
pub mod wire;

mod config;
mod difficulty;
mod hashing;
mod miner;

pub use config::{Config, HEARTBEAT_INTERVAL, WorkerError};
pub use miner::run;
