//! The MQTT edge: `rumqttd` behind a gate of ours, and who may use which topic.
//!
//! The library only relays. The gate stands between the socket and the library on every connection:
//! it sees each packet first, answers what the library gets wrong (refusals, QoS 2, wills,
//! keep-alive 0, unsubscribing, QoS 1 towards clients, retained messages), hands what workers say to `ingest` itself, and gives the library
//! only packets that it is known to bear. Three rules keep the library alive:
//!
//! 1. Only the gate ends a connection. A connection that the *router* ends while its task still has
//!    a wake-up to send kills the router; so DISCONNECT, takeovers and wrong acknowledgements never
//!    reach it.
//! 2. The library never sees a client's own id, login, will, or persistent session: it is given
//!    short ids that are reused, so nothing grows with the number of strangers.
//! 3. Topics and filters that it keeps for ever are counted, with a limit each.
//!
//! Sessions end with their connection (CONNACK always says "no session present").
//! The crate logs an error for every odd packet under the target `rumqttd`: filter that target out.

mod allowance;
mod complaints;
mod gate;
mod in_flight;
mod outgoing;
mod publisher;
mod registry;
mod retained;
mod rules;
mod server;
mod session;
mod strict;
mod subscriptions;

pub use publisher::Publisher;
pub use registry::Clients;
pub use server::Broker;

use std::net::SocketAddr;

use bytes::Bytes;
use crossbeam_channel::Sender;
use thiserror::Error;

use crate::base::WorkerId;
use crate::base::limits::MQTT_CONNECTIONS_MAX;
use crate::protocol::Topic;

/// How the broker listens and whom it serves.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen; port 0 takes a free one.
    pub addr: SocketAddr,
    /// Clients at once; the next is told "server unavailable" (CONNACK 0x03).
    pub connections_max: usize,
    /// Any client, no credentials (loopback only). Otherwise CONNECT must carry a login.
    pub open: bool,
    /// Whether a client is held to `MQTT_MESSAGES_PER_SECOND`.
    pub rate_limited: bool,
}

impl Config {
    /// An open broker on `addr` with the usual limits.
    pub fn open(addr: SocketAddr) -> Self {
        Config { addr, connections_max: MQTT_CONNECTIONS_MAX, open: true, rate_limited: false }
    }

    /// A broker on `addr` that asks for credentials, with the usual limits.
    pub fn closed(addr: SocketAddr) -> Self {
        Config { addr, connections_max: MQTT_CONNECTIONS_MAX, open: false, rate_limited: true }
    }
}

/// Who a client is, after CONNECT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// A client of the open mode.
    Anyone,
    /// One worker, and nothing but its own topics.
    Worker(WorkerId),
    /// May read all of `xenminer/`, and publish nothing.
    Administrator,
}

/// A client that is let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    /// Who it is.
    pub identity: Identity,
    /// The number of the token that it came in with, where there was one: when that is revoked, its
    /// connection ends.
    pub token: Option<i64>,
}

impl From<Identity> for Admission {
    fn from(identity: Identity) -> Self {
        Admission { identity, token: None }
    }
}

/// Who knows the credentials of the closed mode.
pub trait Credentials: Send + Sync {
    /// Whom a login lets in; `None` refuses it. Called on the broker's thread: it must answer at once.
    fn check(&self, user: &str, password: &str) -> Option<Admission>;
}

/// What the gate hands to `ingest`, in the order in which it happened.
#[derive(Debug)]
pub enum Inbound {
    /// A worker's message, or its will.
    Publish {
        /// Whose topic, and which; never a command's.
        topic: Topic,
        /// Unchecked bytes, at most a packet.
        payload: Bytes,
        /// `Some` for `register` and `block` with QoS 1 or 2: the acknowledgement waits for it.
        receipt: Option<Receipt>,
    },
    /// A client connected (`worker` is `None` while it is not known to act for one), or began to act
    /// for a worker: it logged in as it, subscribed to its commands or published on its topics. Once
    /// for each connection and worker, a reconnect included.
    Connected {
        /// The client's own id, or the one that it was given.
        client_id: String,
        /// The worker that is now within reach.
        worker: Option<WorkerId>,
    },
    /// The last client that acted for `worker` is gone, or a client that acted for none. A client
    /// whose place another connection took is not gone.
    Gone {
        /// The client's id.
        client_id: String,
        /// The worker that is now out of reach.
        worker: Option<WorkerId>,
    },
}

/// A promise to acknowledge. Dropped without [`Receipt::done`], the client's connection is closed
/// and the client sends again when it is back.
#[derive(Debug)]
pub struct Receipt(Sender<()>);

impl Receipt {
    /// The message is committed: its acknowledgement may go.
    pub fn done(self) {
        // Full never; gone when the gate waited for too long and closed the connection.
        let _ = self.0.try_send(());
    }
}

/// Why the broker does not start.
#[derive(Debug, Error)]
pub enum BrokerError {
    /// Another program listens there.
    #[error("{0} is already taken by another program")]
    Taken(SocketAddr),
    /// The address is not ours.
    #[error("cannot listen for MQTT on {addr}: {cause}")]
    Listen {
        /// The address asked for.
        addr: SocketAddr,
        /// The system's words.
        cause: String,
    },
    /// The system gives no thread or no event queue.
    #[error("cannot start the MQTT threads")]
    Threads(#[from] std::io::Error),
    /// The library did not come up.
    #[error("the MQTT router does not answer: {0}")]
    Router(String),
}
