//! How a miner is, for whoever looks: the terminal, the local HTTP port.

use std::sync::{Arc, Mutex, PoisonError};

use crate::base::{AccountId, EthAddress, LeaseId};

/// Where a miner writes how it is. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct Board(Arc<Mutex<Status>>);

impl Board {
    /// How the miner was some moments ago, a fifth of a second at most; empty before its start.
    pub fn read(&self) -> Status {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn write(&self, status: Status) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = status;
    }
}

/// How a miner is.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// Seconds since the start.
    pub uptime_sec: i64,
    /// Whether it works with a platform at all.
    pub has_platform: bool,
    /// Whether there is a connection to it.
    pub online: bool,
    /// The state that the platform is told; empty before the start.
    pub state: &'static str,
    /// What is wrong, or `paused`.
    pub trouble: Option<String>,
    /// The lease in force.
    pub lease: Option<LeaseView>,
    /// Whom it mines for now.
    pub account: Option<EthAddress>,
    /// Memory of one hash, KiB; 0 when not known yet.
    pub difficulty: u32,
    /// Hashes per second.
    pub rates: Rates,
    /// Hashes since the start.
    pub attempts: u64,
    /// What hashes.
    pub devices: Vec<DeviceView>,
    /// Blocks since the start.
    pub tally: Tally,
    /// Found blocks that chain or platform have not taken yet and that are in hand.
    pub blocks_waiting: usize,
}

/// Hashes per second over three stretches of time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// The last 10 seconds.
    pub seconds_10: f64,
    /// The last minute.
    pub seconds_60: f64,
    /// The last quarter of an hour.
    pub minutes_15: f64,
}

/// A lease as its worker sees it.
#[derive(Clone, Debug)]
pub struct LeaseView {
    /// Its id.
    pub id: LeaseId,
    /// The renter's account.
    pub consumer: AccountId,
    /// The renter's address.
    pub renter: EthAddress,
    /// Seconds left; `None` without an end.
    pub remaining_sec: Option<i64>,
    /// Blocks found for it since the start of this process.
    pub blocks: u64,
}

/// A device that hashes: a GPU, or all threads of the CPU.
#[derive(Clone, Debug, Default)]
pub struct DeviceView {
    /// Its number.
    pub index: u32,
    /// What it is.
    pub name: String,
    /// Its place on the PCI bus.
    pub bus_id: Option<String>,
    /// Hashes per second in the last 10 seconds.
    pub hashrate: f64,
    /// Why it does not hash.
    pub failure: Option<String>,
}

/// Blocks by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Found and kept.
    pub found: u64,
    /// Taken, by the chain or, without one, by the platform.
    pub accepted: u64,
    /// Of those, super blocks.
    pub accepted_super: u64,
    /// Of those, XUNI.
    pub accepted_xuni: u64,
    /// Refused by the chain for good.
    pub refused: u64,
}
