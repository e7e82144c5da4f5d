//! Proof of work: Argon2id with the network's parameters, keys, hashes as text, what makes a hash
//! a block, and the loop that looks for one.
//!
//! Promises: a [`Phc`] that parsed prints back as it was; a block found here verifies here; a
//! change of orders takes effect after the batch in hand (one hash on a CPU). Knows neither the
//! chain nor MQTT.

mod backend;
pub mod bench;
pub mod cpu;
pub mod cuda;
mod hasher;
mod keys;
mod markers;
mod mining;
mod params;
mod phc;
mod reference;
mod references;
mod scan;
pub mod simulated;
mod verifier;

pub use backend::{Backend, BackendError, Device, Found, Job};
pub use hasher::{Hasher, Tag};
pub use keys::{KeyRun, Keys};
pub use markers::{BlockKind, Marker, MarkerError, Matches, xuni_open};
pub use mining::{Hashrate, Order, Report, run};
pub use params::{Difficulty, DifficultyError, Salt};
pub use phc::{Phc, PhcError};
pub use reference::Reference;
pub use references::References;
pub use verifier::{Busy, Verifier};
