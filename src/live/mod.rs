//! The live feed: a hub that hands every event to every dashboard (contract: web-client.md).
//!
//! An event is encoded once, however many listen. Events are gathered for a moment and put on a
//! bounded queue per client as one write; each event stays a WebSocket message of its own. No client
//! can slow down the publisher or another client: one that does not read loses its connection.
//!
//! One event loop owns who listens ([`room`]); each client has two threads, one that reads and one
//! that writes ([`client`]). Clients of the second version get [`delta`]s instead, the newest of each
//! thing within a moment: those are kept for a minute ([`journal`]), and a client is a place in them.

mod client;
mod delta;
mod frame;
mod hub;
mod journal;
mod room;
#[cfg(test)]
mod tests;

pub use hub::{HEARTBEAT, Hub};
pub use journal::Resume;
