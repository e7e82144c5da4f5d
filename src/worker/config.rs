//! What a miner is told, and why it ends.

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use super::board::Board;
use super::hardware::Hardware;
use super::session::Broker;
use crate::base::thread::Death;
use crate::base::{EthAddress, WorkerId};
use crate::chain::RpcError;
use crate::pow::{Difficulty, Marker};

/// What a miner is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its id, also its MQTT user name where there are credentials.
    pub worker_id: WorkerId,
    /// Its owner's address: whom it mines for when it is free.
    pub address: EthAddress,
    /// The platform's broker; without, it mines for its owner alone.
    pub broker: Option<Broker>,
    /// The chain's RPC, such as `http://xenblocks.io`: takes the blocks and says the difficulty.
    /// Without, blocks go to the platform alone.
    pub rpc_link: Option<String>,
    /// What hashes.
    pub hardware: Hardware,
    /// Memory of one hash; without, the RPC's difficulty is followed.
    pub difficulty: Option<Difficulty>,
    /// What makes a block.
    pub marker: Marker,
    /// Time between heartbeats ([`HEARTBEAT_INTERVAL`] in the contract).
    pub heartbeat_interval: Duration,
    /// Where found blocks and the lease in force outlive the process; without, they do not.
    pub state_dir: Option<PathBuf>,
    /// Where it writes how it is.
    pub board: Board,
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
    /// What was to hash does not.
    #[error("{0}")]
    Hardware(String),
    /// The folder of the state cannot be used.
    #[error("cannot keep what is found in {}", .folder.display())]
    Folder {
        /// The folder, or a file in it.
        folder: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another process is this worker.
    #[error(
        "another process on this machine is the worker {0}: give this one another --worker-id, or stop that one"
    )]
    Taken(WorkerId),
    /// The journal cannot be opened.
    #[error("cannot open the journal of found blocks")]
    Journal(#[from] rusqlite::Error),
    /// A thread could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
    /// A thread died.
    #[error("thread {} died: {}", .0.thread, .0.cause)]
    Died(Death),
}

impl Config {
    /// Refuses what cannot work.
    pub fn check(&self) -> Result<(), WorkerError> {
        if self.heartbeat_interval.is_zero() {
            return Err(WorkerError::Config("the time between heartbeats is longer than nothing"));
        }
        if self.difficulty.is_none() && self.rpc_link.is_none() {
            return Err(WorkerError::Config(
                "nothing says the difficulty: give --rpc-link, the chain that does (http://xenblocks.io, or a \
                 marketplace's own, http://localhost:8080), or --difficulty KIB",
            ));
        }
        Ok(())
    }
}
