//! The loops: what the platform does by itself, at its own pace.
//!
//! Each is a struct with a `run` that returns when it is told to stop or when whoever could tell it
//! is gone. They read and write the store, never wait for each other, and what fails in one round is
//! logged and tried again in the next.

mod monitoring;
mod verification;
mod wallets;
mod watchdog;

pub use monitoring::Monitoring;
pub use verification::Verification;
pub use wallets::Wallets;
pub use watchdog::Watchdog;

use std::time::Instant;

use crossbeam_channel::{Receiver, select_biased};

use crate::base::thread::causes;
use crate::market::Refusal;

/// Waits for the next ring of `bell`; false when it is time to stop.
fn rings(bell: &Receiver<Instant>, stop: &Receiver<()>) -> bool {
    select_biased! {
        // Told to stop, or whoever could tell us is gone.
        recv(stop) -> _ => false,
        // Disconnected: the clock is gone, and nothing will ever be due.
        recv(bell) -> ring => ring.is_ok(),
    }
}

/// Whether the time to stop has come, between two parts of a round.
fn stopped(stop: &Receiver<()>) -> bool {
    !matches!(stop.try_recv(), Err(crossbeam_channel::TryRecvError::Empty))
}

/// The result of a part of a round: what failed is logged, and the next round tries again.
fn logged<T>(what: &str, result: Result<T, Refusal>) -> Option<T> {
    result.inspect_err(|error| log::error!("{what} failed: {}", causes(error))).ok()
}

#[cfg(test)]
mod testing;
