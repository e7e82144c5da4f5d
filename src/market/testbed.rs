//! A market on a real store with a clock that tests move.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::bounded;
use serde_json::json;

use super::audit::{Report, audit};
use super::blocks::{Policy, Recorded};
use super::leases::RentRequest;
use super::{Refusal, Scope, Store, accounts, blocks, leases, ledger, workers};
use crate::base::thread::deathwatch;
use crate::base::{BlockKey, Clock, EthAddress, LeaseId, Prefix, Timestamp};
use crate::chain::{Rules, Submission, check, simulator};
use crate::fleet::Fleet;
use crate::pow::{Difficulty, Marker, Verifier};
use crate::protocol::{self, Gpu, Heartbeat, Register, ReportedState, Status};
use crate::store::{StoreError, leases::Lease};

pub const START: Timestamp = Timestamp::from_micros(1_790_000_000_000_000);

/// Registers a worker in a store, online now; for the testing rooms of others.
pub(crate) fn worker(store: &Store, fleet: &Fleet, now: Timestamp, id: &str, address: Option<EthAddress>) {
    let register = Register {
        worker_id: id.parse().unwrap(),
        eth_address: address,
        gpu_count: 1,
        total_memory_gb: 24.0,
        gpus: Vec::new(),
        version: "test".into(),
    };
    fleet.registered(&register.worker_id, now);
    store.write::<_, Refusal, _>(move |scope| workers::register(scope, None, &register, now)).unwrap();
}

pub struct Bed {
    pub store: Store,
    pub fleet: Arc<Fleet>,
    pub clock: Clock,
    pub policy: Policy,
    folder: tempfile::TempDir,
}

impl Bed {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Nobody listens to the events: the writer drops them.
        let events = bounded(1).0;
        let store = Store::open(&folder.path().join("market.db"), events, &deathwatch().0).unwrap();
        let policy = Policy { chain: true, require_pow: false, marker: Marker::default() };
        let bed = Bed { store, fleet: Arc::default(), clock: Clock::manual(START), policy, folder };
        bed.write(|scope, _, now| {
            ledger::open_books(scope, now)?;
            accounts::open_demo_accounts(scope, now)?;
            Ok(simulator::open(scope, Difficulty::new(simulator::DIFFICULTY_START_KIB).unwrap())?)
        })
        .unwrap();
        bed
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("market.db")
    }

    /// Moves the time on; the watchdog looks.
    pub fn pass(&self, seconds: u64) {
        self.pass_for(Duration::from_secs(seconds));
    }

    pub fn pass_for(&self, time: Duration) {
        self.clock.advance(time);
        self.write(|scope, fleet, now| {
            leases::note_interruptions(scope, fleet, now)?;
            let due = crate::store::leases::due(scope, now)?;
            due.iter().try_for_each(|lease| leases::expire(scope, fleet, &lease.lease_id, now))
        })
        .unwrap();
    }

    /// What is in memory is known anew from the database, as after a restart.
    pub fn restart(&self) {
        let known = self.store.read::<_, Refusal, _>(|c| Ok(crate::store::workers::all(c)?)).unwrap();
        self.fleet.load(&known, self.clock.now());
    }

    pub fn write<T, F>(&self, job: F) -> Result<T, Refusal>
    where
        T: Send + 'static,
        F: FnOnce(&mut Scope<'_>, &Fleet, Timestamp) -> Result<T, Refusal> + Send + 'static,
    {
        let (fleet, now) = (self.fleet.clone(), self.clock.now());
        self.store.write(move |scope| job(scope, &fleet, now))
    }

    pub fn register(&self, id: &str, address: Option<EthAddress>) -> Result<(), Refusal> {
        let gpu = Gpu { index: 0, name: "NVIDIA H100".into(), memory_gb: 80.0, bus_id: None };
        let register = Register {
            worker_id: id.parse().unwrap(),
            eth_address: address,
            gpu_count: 1,
            total_memory_gb: 80.0,
            gpus: vec![gpu],
            version: "2.0.0".into(),
        };
        let id = register.worker_id.clone();
        let live = self.fleet.get(&id);
        self.write(move |scope, _, now| workers::register(scope, live.as_ref(), &register, now))?;
        self.fleet.registered(&id, self.clock.now());
        Ok(())
    }

    pub fn beat(&self, id: &str) {
        let beat =
            Heartbeat { worker_id: id.parse().unwrap(), hashrate: 300.0, active_gpus: 1, mining: None };
        let heard = self.fleet.heartbeat(&beat, self.clock.now());
        if let Some(since) = heard.returned {
            self.write(move |scope, _, now| workers::returned(scope, &beat.worker_id, since, now)).unwrap();
        }
    }

    pub fn rent(&self, consumer: &str, worker: Option<&str>, duration_sec: i64) -> Result<Lease, Refusal> {
        let request = RentRequest {
            consumer: consumer.parse().unwrap(),
            address: None,
            duration_sec,
            worker: worker.map(|id| id.parse().unwrap()),
            expected_price: None,
        };
        self.write(move |scope, fleet, now| leases::rent(scope, fleet, &request, now))
    }

    /// Puts a block with a bare hash on the chain.
    pub fn submit(&self, key: &BlockKey, account: &EthAddress) {
        let body = json!({"key": key, "account": account, "hash_to_verify": BARE_HASH, "attempts": 5});
        let submission = Submission::from_json(body.as_object().unwrap()).unwrap();
        let (rules, easy) = (Rules::default(), Difficulty::new(1).unwrap());
        let checked = check(submission, self.clock.now(), &rules, easy, &Verifier::new()).unwrap();
        let (key, policy) = (key.clone(), self.policy.clone());
        self.write(move |scope, _, now| {
            let taken = simulator::record(scope, now, &rules, &checked)?;
            if taken.is_ok() { blocks::confirm(scope, &policy, &key) } else { Ok(()) }
        })
        .unwrap();
    }

    /// The worker's connection is gone, as its will tells.
    pub fn lose(&self, id: &str) -> Result<(), Refusal> {
        let worker_id = id.parse().unwrap();
        self.fleet.gone(&worker_id, self.clock.now());
        self.hear(Status { worker_id, state: ReportedState::Offline, lease_id: None })
    }

    /// A worker says what it does, of a lease perhaps.
    pub fn says(&self, id: &str, state: ReportedState, lease: Option<&LeaseId>) -> Result<(), Refusal> {
        self.hear(Status { worker_id: id.parse().unwrap(), state, lease_id: lease.cloned() })
    }

    fn hear(&self, status: Status) -> Result<(), Refusal> {
        let live = self.fleet.get(&status.worker_id);
        self.write(move |scope, _, now| workers::status(scope, live.as_ref(), &status, now))
    }

    /// A heartbeat that shows a worker at work with this prefix.
    pub fn beat_of(&self, id: &str, prefix: Prefix) {
        self.beat(id);
        let (id, live) = (id.parse().unwrap(), self.fleet.get(&id.parse().unwrap()));
        let prefix = prefix.to_string();
        self.write(move |scope, _, now| workers::mines_again(scope, live.as_ref(), &id, &prefix, now))
            .unwrap();
    }

    /// Reports a block as a worker does.
    pub fn report(
        &self,
        worker: &str,
        lease: Option<&LeaseId>,
        key: &BlockKey,
        account: Option<EthAddress>,
        hash: &str,
    ) -> Result<Recorded, Refusal> {
        let report = protocol::Block {
            worker_id: worker.parse().unwrap(),
            lease_id: lease.cloned(),
            hash: hash.into(),
            key: key.clone(),
            account,
            attempts: 5,
            hashrate: "300.00".into(),
        };
        let policy = self.policy.clone();
        self.write(move |scope, _, now| blocks::record(scope, &policy, &report, now))
    }

    pub fn audit(&self) -> Report {
        self.store.read::<_, StoreError, _>(audit).unwrap()
    }
}

pub const BARE_HASH: &str = "0123456789abcdef0123XEN11456789abcdef0123456789abcdef01234567";

/// An address that ends in this number.
pub fn address(number: u8) -> EthAddress {
    let mut bytes = [0xab; 20];
    bytes[19] = number;
    EthAddress::from_bytes(bytes)
}

/// A key that begins so and ends in this number.
pub fn key(beginning: &str, number: u32) -> BlockKey {
    let rest = 64 - beginning.len();
    format!("{beginning}{number:0rest$x}").parse().unwrap()
}
