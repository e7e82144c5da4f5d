//! Simulated workers, the same as real ones to the platform: `simulate` answers leases, `fleet` is a
//! crowd of GPU rigs that come and go (contract: simulators.md).
//!
//! Promises: every message is the worker's own (one session, one state machine, shared with the
//! miner); the same seed draws the same workers; who is counted as online is connected.

pub mod fleet;
pub mod leases;
pub mod seed;

mod crew;
mod rig;

use thiserror::Error;

use crate::base::WorkerId;
use crate::base::thread::Death;
use crate::chain::RpcError;

/// Why a simulation ended.
#[derive(Debug, Error)]
pub enum SimError {
    /// No worker, or a time that is not positive.
    #[error("{0}")]
    Config(&'static str),
    /// Tokens are given, but not everybody's.
    #[error("there is no token for {0}")]
    Token(WorkerId),
    /// The chain's address is none.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// A thread could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
    /// A thread died.
    #[error("thread {} died: {}", .0.thread, .0.cause)]
    Died(Death),
}

/// More workers than any broker of ours takes (see `MQTT_CONNECTIONS_MAX`).
pub const WORKERS_MAX: u32 = 10_000;
