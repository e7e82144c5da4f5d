//! A platform to run loops on: a store in a temporary folder and a clock moved by hand.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use rusqlite::Connection;

use super::House;
use crate::base::thread::{BoxError, Death, Deathwatch, deathwatch, spawn};
use crate::base::{Clock, LeaseId, Timestamp};
use crate::fleet::Fleet;
use crate::live::Hub;
use crate::market::blocks::Policy;
use crate::market::leases::{RentRequest, rent, stop};
use crate::market::{Actor, Event, Refusal, Store, accounts, ledger, testbed};
use crate::pow::Verifier;
use crate::protocol::Heartbeat;
use crate::store::blocks::Block;
use crate::store::leases::{self, LeaseState};
use crate::store::settlements::Settlement;

/// The wallet of every worker.
pub(super) const ADDRESS: &str = "0x24691e54afafe2416a8252097c9ca67557271475";

const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Platform {
    pub(super) store: Store,
    pub(super) fleet: Arc<Fleet>,
    pub(super) clock: Clock,
    pub(super) events: Receiver<Event>,
    watch: Deathwatch,
    _deaths: Receiver<Death>,
    _folder: tempfile::TempDir,
}

/// A loop that runs on a thread.
pub(super) struct Running {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Running {
    /// Stops it and waits for its end.
    pub(super) fn stop(self) {
        drop(self.stop);
        self.thread.join().unwrap();
    }
}

impl Platform {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (watch, deaths) = deathwatch();
        let (events, told) = bounded(10_000);
        let store = Store::open(&folder.path().join("t.db"), events, &watch).unwrap();
        // A quarter past an hour, so that what a test does stays within it.
        let clock = Clock::manual(Timestamp::from_seconds(1_790_000_100.0));
        let now = clock.now();
        store
            .write::<_, Refusal, _>(move |scope| {
                ledger::open_books(scope, now)?;
                accounts::open_demo_accounts(scope, now)
            })
            .unwrap();
        let fleet = Arc::new(Fleet::default());
        Platform { store, fleet, clock, events: told, watch, _deaths: deaths, _folder: folder }
    }

    /// As started again on a machine whose clock was put to `now` meanwhile. (A program that runs follows
    /// its machine's clock in steps of milliseconds.)
    pub(super) fn restart_at(&mut self, now: Timestamp) {
        let known = self.read(|connection| crate::store::workers::all(connection).unwrap());
        (self.clock, self.fleet) = (Clock::manual(now), Arc::default());
        self.fleet.load(&known, now);
    }

    /// What its loops work with. Blocks count when their hash recomputes and holds an `a`.
    pub(super) fn house(&self) -> House {
        House {
            store: self.store.clone(),
            fleet: self.fleet.clone(),
            clock: self.clock.clone(),
            live: Hub::start(self.clock.clone(), 1, &self.watch).unwrap(),
            policy: Policy { chain: false, require_pow: true, marker: "a".parse().unwrap() },
            verifier: Verifier::new(),
            keeps_addresses: false,
        }
    }

    pub(super) fn start(
        &self,
        run: impl FnOnce(&Receiver<()>) -> Result<(), BoxError> + Send + 'static,
    ) -> Running {
        let (stop, stopped) = bounded(0);
        Running { stop, thread: spawn("job", &self.watch, move || run(&stopped)).unwrap() }
    }

    pub(super) fn worker(&self, id: &str) {
        let address = Some(ADDRESS.parse().unwrap());
        testbed::worker(&self.store, &self.fleet, self.clock.now(), id, address);
    }

    pub(super) fn beat(&self, id: &str, hashrate: f64) {
        let beat = Heartbeat { worker_id: id.parse().unwrap(), hashrate, active_gpus: 1, mining: None };
        assert!(self.fleet.heartbeat(&beat, self.clock.now()).known);
    }

    /// A worker and a lease of it.
    pub(super) fn lease(&self, worker: &str, duration_sec: i64) -> LeaseId {
        self.worker(worker);
        let request = RentRequest {
            consumer: "consumer-1".parse().unwrap(),
            address: None,
            duration_sec,
            worker: Some(worker.parse().unwrap()),
            expected_price: None,
        };
        let (fleet, now) = (self.fleet.clone(), self.clock.now());
        let job = move |scope: &mut crate::market::Scope<'_>| rent(scope, &fleet, &request, now);
        self.store.write(job).unwrap().lease_id
    }

    /// Has a worker earn the price of so many seconds.
    pub(super) fn settle(&self, worker: &str, seconds: i64) {
        let id = self.lease(worker, seconds);
        let then = self.clock.now().plus(Duration::from_secs(seconds.unsigned_abs()));
        let fleet = self.fleet.clone();
        let job =
            move |scope: &mut crate::market::Scope<'_>| stop(scope, &fleet, &Actor::Unrestricted, &id, then);
        self.store.write(job).unwrap();
    }

    pub(super) fn execute(&self, sql: &str) {
        let sql = sql.to_owned();
        self.store.write::<_, Refusal, _>(move |scope| Ok(scope.execute_batch(&sql)?)).unwrap();
    }

    pub(super) fn read<T>(&self, query: impl FnOnce(&Connection) -> T) -> T {
        self.store.read::<_, Refusal, _>(|connection| Ok(query(connection))).unwrap()
    }

    pub(super) fn lease_state(&self, id: &LeaseId) -> LeaseState {
        self.read(|connection| leases::get(connection, id).unwrap().unwrap().state)
    }

    /// The next settlements that are told of.
    pub(super) fn await_ended(&self, count: usize) -> Vec<Settlement> {
        self.await_events(count, |event| match event {
            Event::LeaseEnded(settlement) => Some(settlement),
            _ => None,
        })
    }

    /// The next blocks that are told of.
    pub(super) fn await_blocks(&self, count: usize) -> Vec<Block> {
        self.await_events(count, |event| match event {
            Event::Block(block) => Some(block),
            _ => None,
        })
    }

    fn await_events<T>(&self, count: usize, wanted: impl Fn(Event) -> Option<T>) -> Vec<T> {
        let mut found = Vec::new();
        while found.len() < count {
            found.extend(wanted(self.events.recv_timeout(PATIENCE).unwrap()));
        }
        found
    }

    /// Waits for what no event tells of.
    pub(super) fn await_that(&self, holds: impl Fn(&Connection) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !self.read(&holds) {
            assert!(Instant::now() < deadline, "waited in vain");
            std::thread::yield_now();
        }
    }
}
