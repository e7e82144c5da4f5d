//! The live feed: a hub that hands every event to every dashboard (contract: web-client.md).
//!
//! An event is encoded once, however many listen. Events are gathered for a moment and put on a
//! bounded queue per client as one write; each event stays a WebSocket message of its own. No client
//! can slow down the publisher or another client: one that does not read loses its connection.
//!
//! One event loop owns who listens ([`hub`]); each client has two threads, one that reads and one
//! that writes ([`client`]). A feed of another shape is another way to gather in the hub; neither
//! the queues nor the client's threads know what an event is.

mod client;
mod frame;
mod hub;
#[cfg(test)]
mod tests;

pub use hub::{HEARTBEAT, Hub};
