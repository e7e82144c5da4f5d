//! The platform's own link into the library: commands to workers, wills, and wake-ups for
//! connections that a takeover has ended or that were slowed.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Waker};

use bytes::Bytes;
use rumqttd::local::LinkTx;
use rumqttd::protocol::{Disconnect, DisconnectReasonCode, Packet, Publish};

use super::registry::Clients;
use crate::base::WorkerId;
use crate::protocol::Topic;

/// Topics of the gate's own begin so; the blank keeps them out of every client's reach.
pub(super) const WAKE_TOPIC: &str = "gate wake/";
/// How many wake-up topics connections share: one for each bit of a word.
pub(super) const WAKE_GROUPS: u32 = u64::BITS;

/// Sends the platform's messages to subscribers. Clones share one link.
#[derive(Clone)]
pub struct Publisher(Arc<Mutex<LinkTx>>);

impl Publisher {
    pub(super) fn new(link: LinkTx) -> Self {
        Publisher(Arc::new(Mutex::new(link)))
    }

    /// Sends `payload` to the topic's subscribers with QoS 1, or that of the subscription. Waits when
    /// the router is busy; what is said after the broker stopped is dropped.
    pub fn publish(&self, topic: &Topic, payload: Vec<u8>) {
        self.relay(Publish::new(Bytes::from(topic.to_string()), payload.into(), false));
    }

    /// Sends a message whose QoS is 1 unless it is marked. Towards the library it is QoS 0, which owes
    /// no acknowledgement for it.
    pub(super) fn relay(&self, message: Publish) {
        self.send(Packet::Publish(message, None));
    }

    /// Ends the connections that logged in as `worker`, all or those that came in with one token; whoever
    /// has a valid token may come again.
    pub fn disconnect(&self, clients: &Clients, worker: &WorkerId, token: Option<i64>) {
        for group in clients.evict(worker, token) {
            self.wake(group);
        }
    }

    pub(super) fn wake(&self, group: u32) {
        self.relay(Publish::new(Bytes::from(wake_topic(group)), Bytes::from_static(b"-"), false));
    }

    pub(super) fn close(&self) {
        let reason_code = DisconnectReasonCode::NormalDisconnection;
        self.send(Packet::Disconnect(Disconnect { reason_code }, None));
    }

    fn send(&self, packet: Packet) {
        let mut link = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // `send` is declared async but never waits for anything: one poll completes it. An error
        // means that the router is gone, which the link's thread reports.
        let _ = pin!(link.send(packet)).poll(&mut Context::from_waker(Waker::noop()));
    }
}

/// The topic that wakes the connections of `group`.
pub(super) fn wake_topic(group: u32) -> String {
    format!("{WAKE_TOPIC}{group}")
}
