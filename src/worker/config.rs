//! What a miner is told, and why it ends.

use std::time::Duration;

use thiserror::Error;

use super::session::Broker;
use crate::base::thread::Death;
use crate::base::{EthAddress, WorkerId};
use crate::chain::RpcError;
use crate::pow::{Difficulty, Marker};
use crate::protocol::Gpu;

/// What a miner is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its id, also its MQTT user name where there are credentials.
    pub worker_id: WorkerId,
    /// Its owner's address: whom it mines for when it is free.
    pub address: EthAddress,
    /// The platform's broker.
    pub broker: Broker,
    /// The chain's RPC, such as `http://xenblocks.io`: takes the blocks and says the difficulty.
    /// Without, blocks go to the platform alone.
    pub rpc_link: Option<String>,
    /// Hashing threads, one or more.
    pub threads: usize,
    /// Memory of one hash; without, the RPC's difficulty is followed.
    pub difficulty: Option<Difficulty>,
    /// What makes a block.
    pub marker: Marker,
    /// Time between heartbeats ([`HEARTBEAT_INTERVAL`] in the contract).
    pub heartbeat_interval: Duration,
    /// The devices it reports; empty for one device that stands for the CPU.
    pub gpus: Vec<Gpu>,
}

/// Time between heartbeats (contract: mqtt.md).
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(30);

/// Why a miner ended, or did not begin.
#[derive(Debug, Error)]
pub enum WorkerError {
    /// A configuration that cannot work.
    #[error("{0}")]
    Config(&'static str),
    /// The RPC's address is none.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// A thread could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
    /// A thread died.
    #[error("thread {} died: {}", .0.thread, .0.cause)]
    Died(Death),
}

impl Config {
    pub(super) fn check(&self) -> Result<(), WorkerError> {
        if self.threads == 0 {
            return Err(WorkerError::Config("a miner has at least one thread"));
        }
        if self.heartbeat_interval.is_zero() {
            return Err(WorkerError::Config("the time between heartbeats is longer than nothing"));
        }
        if self.difficulty.is_none() && self.rpc_link.is_none() {
            return Err(WorkerError::Config("a miner needs a difficulty or an RPC that says it"));
        }
        Ok(())
    }
}
