//! What happened: told to workers and dashboards after the commit.

use crate::base::{AccountId, LeaseId, Prefix, Timestamp, WorkerId};
use crate::protocol::{Command, ReportedState};
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
    /// A lease's worker does something else than mine for it, and is not paid for that.
    LeasePaused {
        /// The lease.
        lease: LeaseId,
        /// Its worker.
        worker: WorkerId,
        /// What it says that it does.
        does: ReportedState,
        /// Since when the lease is interrupted.
        since: Timestamp,
    },
    /// Its worker mines for it again.
    LeaseUnpaused {
        /// The lease.
        lease: LeaseId,
        /// Its worker.
        worker: WorkerId,
    },
    /// A lease ended and was settled.
    LeaseEnded(Settlement),
    /// A block was recorded, and what is to be known of it is.
    Block(Block),
    /// A block was recorded and must be recomputed.
    BlockPending(Block),
}
