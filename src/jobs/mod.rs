//! The loops that run by the clock: the watchdog of leases, the flush of heartbeats and the charts'
//! snapshots, wallet history, and the recomputing of blocks.
//!
//! Each is a function that runs until its bell rings. The rules are the market's; here is only when.

mod monitoring;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod verifier;
mod wallets;
mod watchdog;

use std::sync::Arc;

use crate::base::Clock;
use crate::fleet::Fleet;
use crate::live::Hub;
use crate::market::Store;
use crate::market::blocks::Policy;
use crate::pow::Verifier;

pub use monitoring::monitor;
pub use verifier::verify_blocks;
pub use wallets::record_wallets;
pub use watchdog::watch_leases;

/// What the loops work with.
#[derive(Clone)]
pub struct House {
    /// The database.
    pub store: Store,
    /// What is volatile about workers.
    pub fleet: Arc<Fleet>,
    /// The time.
    pub clock: Clock,
    /// The live feed.
    pub live: Hub,
    /// What a block must show to count.
    pub policy: Policy,
    /// Recomputes hashes.
    pub verifier: Verifier,
    /// Closed mode: the address that a worker registered with stays its address.
    pub keeps_addresses: bool,
}
