//! Who sees whose lease it is (contract: rest.md, Rules, Privacy): in closed mode the renter, the
//! worker's owner and administrators; in open mode everybody.

use rusqlite::Connection;

use crate::api::Call;
use crate::auth::Caller;
use crate::base::{AccountId, EthAddress, WorkerId};
use crate::store::blocks::Block;
use crate::store::leases::{self, Lease};
use crate::store::workers;

/// Through whose eyes leases and blocks are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Viewer {
    /// An administrator, or anybody in open mode.
    All,
    /// An account in closed mode.
    Account {
        /// The account.
        id: AccountId,
        /// The address that its wallet has proven.
        wallet: Option<EthAddress>,
    },
    /// A stranger in closed mode.
    Public,
}

impl Viewer {
    /// Who looks, in this call.
    pub fn of(call: &Call<'_>) -> Self {
        match &call.caller {
            _ if call.is_open() => Viewer::All,
            Caller::Administrator => Viewer::All,
            Caller::Account(session) => {
                Viewer::Account { id: session.account.clone(), wallet: session.wallet }
            }
            Caller::Nobody => Viewer::Public,
        }
    }

    /// Whether all of a lease is shown.
    pub fn sees_lease(&self, connection: &Connection, lease: &Lease) -> rusqlite::Result<bool> {
        match self {
            Viewer::All => Ok(true),
            Viewer::Public => Ok(false),
            Viewer::Account { id, .. } if *id == lease.consumer_id => Ok(true),
            Viewer::Account { .. } => self.owns(connection, &lease.worker_id),
        }
    }

    /// Whether all of a block is shown: one without a lease to the worker's owner.
    pub fn sees_block(&self, connection: &Connection, block: &Block) -> rusqlite::Result<bool> {
        match self {
            Viewer::All => Ok(true),
            Viewer::Public => Ok(false),
            Viewer::Account { id, .. } => {
                if self.owns(connection, &block.worker_id)? {
                    return Ok(true);
                }
                let Some(lease) = &block.lease_id else { return Ok(false) };
                Ok(leases::get(connection, lease)?.is_some_and(|lease| lease.consumer_id == *id))
            }
        }
    }

    fn owns(&self, connection: &Connection, worker: &WorkerId) -> rusqlite::Result<bool> {
        let Viewer::Account { id, wallet } = self else { return Ok(*self == Viewer::All) };
        if id.as_str() == worker.as_str() {
            return Ok(true);
        }
        workers::is_of(connection, worker, id, wallet.as_ref())
    }
}
