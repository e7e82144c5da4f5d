//! The worker: the MQTT session and state machine that real and simulated workers share, and the
//! miner process.
//!
//! Promises: the key after an `assign_task` bears the lease's prefix and the renter's salt; nothing
//! that the network does stops mining; a found block is on the disk before anything else, and goes
//! to chain and platform until both have it, over restarts too. Knows nothing of the platform's insides.

pub mod agent;
pub mod control;
pub mod session;
pub mod state;
pub mod submit;
pub mod wire;

mod back_off;
mod blocks;
mod board;
mod config;
mod difficulty;
mod hardware;
mod hashing;
mod journal;
mod local;
mod meter;
mod miner;

pub use board::{Board, DeviceView, LeaseView, Rates, Status, Tally};
pub use config::{Config, HEARTBEAT_INTERVAL, WorkerError};
pub use hardware::Hardware;
pub use local::{Name, serve as serve_status};
pub use miner::run;
