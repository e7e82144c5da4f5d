//! The broker over real sockets: ordinary clients are served, hostile ones harm nobody.

mod clients;
#[path = "../support/log_lines.rs"]
mod collected;
mod limits;
mod log_lines;
#[path = "../support/mqtt_client.rs"]
mod mqtt_client;
mod retained;
mod strangers;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::{Receiver, bounded};
use xenblocks::base::WorkerId;
use xenblocks::base::limits::INGEST_QUEUED_MAX;
use xenblocks::base::thread::{Death, deathwatch};
use xenblocks::broker::{Admission, Broker, Config, Credentials, Identity, Inbound, Receipt};

use mqtt_client::{Connect, PATIENCE, Packet, RawClient, publish};

/// Logins `worker id` / `token-of-<worker id>`, and `admin` / `secret`.
struct Tokens;

impl Credentials for Tokens {
    fn check(&self, user: &str, password: &str) -> Option<Admission> {
        if (user, password) == ("admin", "secret") {
            return Some(Identity::Administrator.into());
        }
        (password == format!("token-of-{user}")).then(|| Identity::Worker(user.parse().unwrap()).into())
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
        let (sender, inbound) = bounded(INGEST_QUEUED_MAX);
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
    fn event<T>(&self, mut wanted: impl FnMut(&Inbound) -> Option<T>) -> T {
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

fn worker_id(id: &str) -> WorkerId {
    id.parse().unwrap()
}
