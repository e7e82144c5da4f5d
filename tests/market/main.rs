//! The marketplace as its users meet it: HTTP, MQTT and WebSocket against a platform whose clock the
//! tests move. Each house audits its books when its test ends.
//!
//! Tests named `fault_NN_…` hold what the prototype got wrong (contract: faults.md) in place.

#[path = "../support/mod.rs"]
mod support;

mod access;
mod acts;
mod blocks;
mod clock;
mod closed;
mod deltas;
mod hostile;
mod interruption;
mod leases;
mod live;
mod money;
mod network;
mod old_faults;
mod orders;
mod pages;
mod pauses;
mod payloads;
mod prototype_app;
mod prototype_miner;
mod races;
mod scopes;
mod sessions;
mod strangers;
mod topics;
mod wallets;
