//! The broker over real sockets: ordinary clients are served, hostile ones harm nobody.

#[path = "support/mqtt_client.rs"]
mod mqtt_client;

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded};
use mqtt_client::{Connect, PATIENCE, Packet, RawClient, packet, publish, subscribe};
use xenblocks::base::WorkerId;
use xenblocks::base::thread::{Death, deathwatch};
use xenblocks::broker::{Broker, BrokerError, Config, Credentials, Identity, Inbound, Receipt};
use xenblocks::protocol::Channel;

/// Logins `worker id` / `token-of-<worker id>`, and `admin` / `secret`.
struct Tokens;

impl Credentials for Tokens {
    fn check(&self, user: &str, password: &str) -> Option<Identity> {
        if (user, password) == ("admin", "secret") {
            return Some(Identity::Administrator);
        }
        (password == format!("token-of-{user}")).then(|| Identity::Worker(user.parse().unwrap()))
    }
}

struct Harness {
    broker: Broker,
    inbound: Receiver<Inbound>,
    deaths: Receiver<Death>,
}

impl Harness {
    fn open() -> Self {
        Self::with(Config::open((Ipv4Addr::LOCALHOST, 0).into()))
    }

    fn closed() -> Self {
        Self::with(Config { rate_limited: false, ..Config::closed((Ipv4Addr::LOCALHOST, 0).into()) })
    }

    fn with(config: Config) -> Self {
        let (sender, inbound) = bounded(4096);
        let (watch, deaths) = deathwatch();
        let broker = Broker::start(config, Arc::new(Tokens), sender, &watch).unwrap();
        Harness { broker, inbound, deaths }
    }

    fn addr(&self) -> SocketAddr {
        self.broker.local_addr()
    }

    fn connect(&self, id: &str) -> RawClient {
        RawClient::connect(self.addr(), &Connect::new(id))
    }

    /// The next message to `ingest` that is not about who comes and goes.
    fn published(&self) -> (String, Vec<u8>, Option<Receipt>) {
        loop {
            match self.inbound.recv_timeout(PATIENCE).expect("a message to ingest") {
                Inbound::Publish { topic, payload, receipt } => {
                    return (topic.to_string(), payload.to_vec(), receipt);
                }
                Inbound::Connected { .. } | Inbound::Gone { .. } => {}
            }
        }
    }

    /// Waits for the event that `wanted` picks.
    fn event<T>(&self, wanted: impl Fn(&Inbound) -> Option<T>) -> T {
        loop {
            let event = self.inbound.recv_timeout(PATIENCE).expect("an event");
            if let Some(found) = wanted(&event) {
                return found;
            }
        }
    }

    /// A fresh pair of clients is served from end to end, and nothing has died.
    fn assert_serves(&self) {
        let mut reader = self.connect("probe-reader");
        assert_eq!(reader.subscribe("probe/topic", 1), Some(1));
        let mut writer = self.connect("probe-writer");
        writer.send(&publish(b"probe/topic", b"alive", 1, 5, false));
        assert_eq!(writer.read(), Some(Packet { first: 0x40, body: vec![0, 5] }));
        let received = reader.read().expect("the reader is not closed");
        assert_eq!(received.publish(), ("probe/topic".to_owned(), b"alive".to_vec()));
        if let Ok(death) = self.deaths.try_recv() {
            panic!("a thread died: {death:?}");
        }
    }
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::yield_now();
    }
}

fn worker(id: &str) -> WorkerId {
    id.parse().unwrap()
}

#[test]
fn a_worker_talks_to_ingest_and_gets_its_commands() {
    let house = Harness::open();
    let mut rig = house.connect("xenminer_rig-1");
    assert_eq!(rig.subscribe("xenminer/rig-1/task", 1), Some(1));
    assert!(house.broker.clients().is_connected(&worker("rig-1")));
    rig.send(&publish(b"xenminer/rig-1/heartbeat", b"{}", 1, 9, false));
    assert_eq!(rig.read(), Some(Packet { first: 0x40, body: vec![0, 9] }));
    let (topic, payload, receipt) = house.published();
    assert_eq!((topic.as_str(), payload.as_slice()), ("xenminer/rig-1/heartbeat", b"{}".as_slice()));
    assert!(receipt.is_none());
    let task = "xenminer/rig-1/task".parse().unwrap();
    house.broker.publisher().publish(&task, b"go".to_vec(), false);
    let command = rig.read().unwrap();
    assert_eq!(command.first & 0b110, 0b10, "QoS 1");
    assert_ne!(command.id(), 0);
    assert_eq!(command.publish(), ("xenminer/rig-1/task".to_owned(), b"go".to_vec()));
    assert_eq!(house.broker.clients().ids(), ["xenminer_rig-1"]);
    drop(rig);
    let gone = house.event(|event| match event {
        Inbound::Gone { worker, .. } => Some(worker.clone()),
        _ => None,
    });
    assert_eq!(gone, Some(worker("rig-1")));
    assert!(!house.broker.clients().is_connected(&worker("rig-1")));
}

#[test]
fn the_receipt_is_the_acknowledgement() {
    let house = Harness::open();
    let mut rig = house.connect("rig");
    rig.send(&publish(b"xenminer/rig/block", b"{}", 1, 3, false));
    let (_, _, receipt) = house.published();
    rig.0.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    assert!(std::io::Read::read(&mut rig.0, &mut [0]).is_err(), "no PUBACK before the commit");
    rig.0.set_read_timeout(Some(PATIENCE)).unwrap();
    receipt.unwrap().done();
    assert_eq!(rig.read(), Some(Packet { first: 0x40, body: vec![0, 3] }));
    rig.send(&publish(b"xenminer/rig/register", b"{}", 1, 4, false));
    drop(house.published());
    assert_eq!(rig.read(), None, "a commit that failed closes without PUBACK");
    house.assert_serves();
}
