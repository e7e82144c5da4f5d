//! The rules of the marketplace: registration, matching, leases, ledger, settlement, pricing,
//! reputation, blocks.
//!
//! Everything here is a plain function over the writer's transaction, typed input and a moment in
//! time. It returns a typed result, emits [`Event`]s that are told after the commit, or refuses and
//! leaves nothing behind. No function here knows HTTP, MQTT or threads.

pub mod absence;
pub mod accounts;
pub mod audit;
pub mod blocks;
mod event;
pub mod gpus;
pub mod import;
pub mod leases;
pub mod ledger;
pub mod matching;
#[cfg(test)]
mod model;
pub mod pricing;
mod refusal;
pub mod reputation;
#[cfg(test)]
mod rules_tests;
pub mod settlement;
#[cfg(test)]
pub(crate) mod testbed;
pub mod workers;

pub use event::Event;
pub use refusal::Refusal;

use crate::base::{AccountId, EthAddress};

/// The store, with the market's events.
pub type Store = crate::store::Store<Event>;
/// What a rule works in.
pub type Scope<'a> = crate::store::Scope<'a, Event>;

/// On whose behalf a rule is asked for.
#[derive(Clone, Debug)]
pub enum Actor {
    /// An administrator, the platform itself, or anybody in open mode.
    Unrestricted,
    /// An account, with the address its wallet has proven.
    Account {
        /// The account.
        id: AccountId,
        /// Proven by signature.
        wallet: Option<EthAddress>,
    },
}

impl Actor {
    /// Whether it may act as this account.
    pub fn is(&self, account: &AccountId) -> bool {
        match self {
            Actor::Unrestricted => true,
            Actor::Account { id, .. } => id == account,
        }
    }

    /// Whether it owns this worker: by the wallet that the worker's address names, as the account that
    /// the worker's first registration made, or, while no wallet has claimed it, as its keeper.
    pub fn owns(&self, worker: &crate::store::workers::Worker) -> bool {
        match self {
            Actor::Unrestricted => true,
            Actor::Account { id, wallet } => {
                id.as_str() == worker.worker_id.as_str()
                    || worker.keeper.as_ref() == Some(id)
                    || wallet.is_some_and(|wallet| worker.eth_address == Some(wallet))
            }
        }
    }
}
