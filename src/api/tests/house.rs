//! A house to test handlers in: a real store in a temporary folder, a clock that is moved by hand, a
//! link that only remembers, and requests that need no socket.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use crossbeam_channel::{Receiver, bounded};
use rouille::Request;
use serde_json::Value;

use crate::api::{Api, State, WorkerLink, handler};
use crate::auth::eth::Wallet;
use crate::auth::{Auth, JwtSecret, Mode};
use crate::base::thread::{Death, deathwatch};
use crate::base::{Clock, Secret, Timestamp, WorkerId};
use crate::chain::{Rules, simulator};
use crate::fleet::Fleet;
use crate::http::{Handler, Reply};
use crate::live::Hub;
use crate::market::blocks::Policy;
use crate::market::{Event, Refusal, Store, accounts, ledger, testbed};
use crate::pow::{Difficulty, Marker, Verifier};
use crate::protocol::Control;

/// The administrator's key of every house.
pub(in crate::api) const ADMIN: &str = "an administrator's key for tests";

/// Remembers what it was told to send.
#[derive(Default)]
pub(in crate::api) struct FakeLink {
    pub(in crate::api) sent: Mutex<Vec<(WorkerId, Control)>>,
}

impl WorkerLink for FakeLink {
    fn client_ids(&self) -> Vec<String> {
        vec!["xenminer_rig-1".into()]
    }

    fn client_count(&self) -> usize {
        1
    }

    fn is_up(&self) -> bool {
        true
    }

    fn is_connected(&self, worker: &WorkerId) -> bool {
        worker.as_str() == "rig-1"
    }

    fn disconnect(&self, _: &WorkerId, _: Option<i64>) {}

    fn control(&self, worker: &WorkerId, control: &Control) {
        self.sent.lock().unwrap().push((worker.clone(), control.clone()));
    }
}

/// A platform without sockets.
pub(in crate::api) struct House {
    pub(in crate::api) store: Store,
    pub(in crate::api) fleet: Arc<Fleet>,
    pub(in crate::api) clock: Clock,
    pub(in crate::api) events: Receiver<Event>,
    pub(in crate::api) link: Arc<FakeLink>,
    pub(in crate::api) handler: Arc<Handler>,
    pub(in crate::api) api: Arc<Api>,
    _deaths: Receiver<Death>,
    _folder: tempfile::TempDir,
}

/// An answer with its body read.
#[derive(Debug)]
pub(in crate::api) struct Got {
    pub(in crate::api) status: u16,
    pub(in crate::api) headers: Vec<(String, String)>,
    pub(in crate::api) text: String,
}

impl Got {
    pub(in crate::api) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub(in crate::api) fn detail(&self) -> String {
        self.json()["detail"].as_str().unwrap_or_else(|| panic!("no detail: {self:?}")).to_owned()
    }

    pub(in crate::api) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

impl House {
    pub(in crate::api) fn open() -> Self {
        Self::new(Mode::Open, true)
    }

    pub(in crate::api) fn closed() -> Self {
        Self::new(Mode::Closed, true)
    }

    pub(in crate::api) fn new(mode: Mode, with_chain: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (watch, deaths) = deathwatch();
        let (events, told) = bounded(10_000);
        let store = Store::open(&folder.path().join("t.db"), events, &watch).unwrap();
        let clock = Clock::manual(Timestamp::from_seconds(1_790_000_000.0));
        let fleet = Arc::new(Fleet::default());
        let now = clock.now();
        store
            .write::<_, Refusal, _>(move |scope| {
                ledger::open_books(scope, now)?;
                accounts::open_demo_accounts(scope, now)?;
                simulator::open(scope, Difficulty::new(100).unwrap())?;
                Ok(())
            })
            .unwrap();
        let auth = Auth::new(mode, JwtSecret::random(), Some(Secret::new(ADMIN)), clock.clone());
        let link = Arc::new(FakeLink::default());
        let api = Api {
            store: store.clone(),
            fleet: fleet.clone(),
            auth: Arc::new(auth),
            clock: clock.clone(),
            live: Hub::start(clock.clone(), 1, &watch).unwrap(),
            link: link.clone(),
            policy: Policy { chain: with_chain, require_pow: false, marker: Marker::default() },
            chain: with_chain.then(Rules::default),
            verifier: Verifier::new(),
            started_at: now,
            mqtt_port: 1883,
            api_port: 8080,
            sign_in_domain: None,
            pages: crate::api::Pages::Embedded,
            state: State::default(),
        };
        let api = Arc::new(api);
        House {
            store,
            fleet,
            clock,
            events: told,
            link,
            handler: handler(api.clone()),
            api,
            _deaths: deaths,
            _folder: folder,
        }
    }

    /// Answers a request that has these headers and body.
    pub(in crate::api) fn send(&self, method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Got {
        self.send_from("127.0.0.1:5000", method, url, headers, body)
    }

    pub(in crate::api) fn send_from(
        &self,
        peer: &str,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Got {
        let mut headers: Vec<(String, String)> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        if !body.is_empty() {
            headers.push(("Content-Type".into(), "application/json".into()));
        }
        let peer: SocketAddr = peer.parse().unwrap();
        let request = Request::fake_http_from(peer, method, url, headers, body.as_bytes().to_vec());
        let Reply::Http(response) = (self.handler)(&request) else { panic!("no HTTP answer") };
        let (mut reader, _) = response.data.into_reader_and_size();
        let mut text = String::new();
        std::io::Read::read_to_string(&mut reader, &mut text).unwrap();
        let headers = response.headers.iter().map(|(name, value)| (name.to_string(), value.to_string()));
        Got { status: response.status_code, headers: headers.collect(), text }
    }

    pub(in crate::api) fn get(&self, url: &str) -> Got {
        self.send("GET", url, &[], "")
    }

    pub(in crate::api) fn get_as(&self, key: &str, url: &str) -> Got {
        self.send("GET", url, &[("X-API-Key", key)], "")
    }

    pub(in crate::api) fn post(&self, url: &str, body: &Value) -> Got {
        self.send("POST", url, &[], &body.to_string())
    }

    pub(in crate::api) fn post_as(&self, key: &str, url: &str, body: &Value) -> Got {
        self.send("POST", url, &[("X-API-Key", key)], &body.to_string())
    }

    /// Registers an account and returns its key.
    pub(in crate::api) fn account(&self, id: &str, role: &str) -> String {
        let body = serde_json::json!({ "account_id": id, "role": role });
        let got = self.post("/api/auth/register", &body);
        assert_eq!(got.status, 200, "{got:?}");
        got.json()["api_key"].as_str().unwrap().to_owned()
    }

    /// A key of the demo's renter.
    pub(in crate::api) fn consumer_key(&self) -> String {
        let body = serde_json::json!({ "account_id": "consumer-1" });
        let got = self.post_as(ADMIN, "/api/auth/login", &body);
        got.json()["api_key"].as_str().unwrap_or_else(|| panic!("{got:?}")).to_owned()
    }

    /// Signs a wallet in and returns its token.
    pub(in crate::api) fn sign_in(&self, wallet: &Wallet) -> String {
        let nonce = self.get(&format!("/api/auth/nonce?address={}", wallet.address())).json();
        let signature = wallet.sign(nonce["message"].as_str().unwrap());
        let body = serde_json::json!({
            "address": wallet.address(), "signature": signature, "nonce": nonce["nonce"],
        });
        let got = self.post("/api/auth/verify", &body);
        assert_eq!(got.status, 200, "{got:?}");
        got.json()["token"].as_str().unwrap().to_owned()
    }

    /// Registers a worker, online now.
    pub(in crate::api) fn worker(&self, id: &str, address: Option<&Wallet>) {
        let address = address.map(|wallet| *wallet.address());
        testbed::worker(&self.store, &self.fleet, self.clock.now(), id, address);
    }

    /// Rents a worker for the demo's renter, as an administrator; returns the lease's id.
    pub(in crate::api) fn rent(&self, worker: &str, duration_sec: i64) -> String {
        let body = serde_json::json!({
            "consumer_id": "consumer-1", "worker_id": worker, "duration_sec": duration_sec,
        });
        let got = self.post_as(ADMIN, "/api/rent", &body);
        assert_eq!(got.status, 200, "{got:?}");
        got.json()["lease_id"].as_str().unwrap().to_owned()
    }
}
