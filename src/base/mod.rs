//! The ground floor: exact amounts, injected time, typed identifiers, secrets, limits, threads, memory.
//!
//! Everything above may use it; it uses nothing of ours.

pub mod amount;
pub mod crash;
pub mod ids;
pub mod limits;
pub mod memory;
pub mod secret;
pub mod thread;
pub mod time;

pub use amount::{Amount, AmountError};
pub use ids::{AccountId, BlockKey, EthAddress, LeaseId, Prefix, WorkerId};
pub use secret::Secret;
pub use time::{Clock, Timestamp};
