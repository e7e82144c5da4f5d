//! What happened: told to workers and dashboards after the commit.

use crate::base::{AccountId, LeaseId, Prefix, WorkerId};
use crate::protocol::Command;
use crate::store::blocks::Block;
use crate::store::settlements::Settlement;

/// All that the market tells.
#[derive(Clone, Debug)]
pub enum Event {
    /// A command for a worker.
    Command {
        /// Whom.
        worker: WorkerId,
        /// What.
        command: Command,
    },
    /// A worker registered, or its state, price or listing changed.
    WorkerChanged(WorkerId),
    /// A worker registered for the first time.
    RosterChanged(WorkerId),
    /// A lease began.
    LeaseStarted {
        /// The lease.
        lease: LeaseId,
        /// Its worker.
        worker: WorkerId,
        /// Its renter.
        consumer: AccountId,
        /// What its keys begin with.
        prefix: Prefix,
        /// Its length, seconds.
        duration_sec: i64,
    },
    /// A lease was made longer.
    LeaseExtended {
        /// The lease.
        lease: LeaseId,
        /// Its worker.
        worker: WorkerId,
        /// Its new length, seconds.
        duration_sec: i64,
    },
    /// A lease ended and was settled.
    LeaseEnded(Settlement),
    /// A block was recorded, and what is to be known of it is.
    Block(Block),
    /// A block was recorded and must be recomputed.
    BlockPending(Block),
}
