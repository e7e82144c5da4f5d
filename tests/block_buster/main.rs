//! The gateway to a The Block node, from outside: a node that plays every part, and clients over real
//! sockets.

mod configuration;
mod endpoints;
mod outages;
mod page;
mod sockets;

#[path = "../support/http_client.rs"]
mod http_client;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/the_block.rs"]
mod the_block;

use std::net::SocketAddr;

use http_client::{Answer, Client};
use serde_json::Value;
use xenblocks::base::{Clock, Secret};
use xenblocks::block_buster::{BlockBuster, Settings};

use the_block::{Mode, Node};

/// A gateway and the node behind it.
struct House {
    node: Node,
    gateway: Option<BlockBuster>,
    http: SocketAddr,
    ws: SocketAddr,
    features: SocketAddr,
}

impl House {
    /// With a node that plays this part.
    fn new(mode: Mode) -> Self {
        Self::with(mode, Clock::system(), |_| ())
    }

    /// With another clock and other settings.
    fn with(mode: Mode, clock: Clock, change: impl FnOnce(&mut Settings)) -> Self {
        let node = Node::start(mode);
        let mut settings = Settings { auth_token: Some(Secret::new("a-token")), ..node.settings() };
        change(&mut settings);
        let gateway = BlockBuster::start(settings, clock).unwrap();
        House {
            node,
            http: gateway.http_addr(),
            ws: gateway.ws_addr(),
            features: gateway.features_addr(),
            gateway: Some(gateway),
        }
    }

    /// With the documented node, once its data is there.
    fn ready() -> Self {
        let house = House::new(Mode::Spec);
        house.await_ready();
        house
    }

    fn await_ready(&self) {
        support::await_until("fresh data of every kind", || {
            let known = ["/theblock/scheduler/stats", "/theblock/receipts", "/theblock/network/metrics"];
            let markets = self.get("/theblock/markets/health").1;
            known.iter().all(|path| self.get(path).0 == 200)
                && self.get("/ready").0 == 200
                && markets["markets"]["ads"]["error"] != "The node has not answered yet"
                && markets.get("stale").is_none()
        });
    }

    fn ask(&self, request: &str) -> Answer {
        let mut client = Client::connect(self.http);
        client.send(format!("{request} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n")).answer()
    }

    fn get(&self, path: &str) -> (u16, Value) {
        let answer = self.ask(&format!("GET {path}"));
        (answer.status, serde_json::from_slice(&answer.body).unwrap())
    }

    fn post(&self, path: &str, body: &str) -> (u16, Value) {
        let length = body.len();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: g\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let answer = Client::connect(self.http).send(request).answer();
        (answer.status, serde_json::from_slice(&answer.body).unwrap())
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if let Some(gateway) = self.gateway.take() {
            gateway.stop();
        }
    }
}

/// Without what depends on the moment.
fn without_time(mut value: Value) -> Value {
    for name in ["timestamp", "started_at", "duration_ms"] {
        value.as_object_mut().unwrap().remove(name);
    }
    value
}
