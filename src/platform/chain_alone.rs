//! The simulated chain without a marketplace around it: `xenblocks chain`.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, bounded};

use super::{ChainConfig, StartError};
use crate::api::{self, Api, Pages, WorkerLink};
use crate::auth::{Auth, JwtSecret, Mode};
use crate::base::limits::EVENTS_QUEUED_MAX;
use crate::base::thread::{Death, deathwatch, spawn};
use crate::base::{Clock, WorkerId};
use crate::chain::simulator;
use crate::fleet::Fleet;
use crate::http;
use crate::live::Hub;
use crate::market::blocks::Policy;
use crate::market::{Refusal, Store};
use crate::pow::Verifier;
use crate::protocol::Control;

/// A chain that runs.
pub struct ChainAlone {
    http: http::Server,
    live: Hub,
    store: Store,
    told: JoinHandle<()>,
    deaths: Receiver<Death>,
}

impl ChainAlone {
    /// Starts it; when it returns, the port answers.
    pub fn start(
        addr: SocketAddr,
        db_path: &Path,
        chain: ChainConfig,
        clock: Clock,
    ) -> Result<Self, StartError> {
        let (watch, deaths) = deathwatch();
        let (events, committed) = bounded(EVENTS_QUEUED_MAX);
        let store = Store::open(db_path, events, &watch)?;
        store.write::<_, Refusal, _>(move |scope| Ok(simulator::open(scope, chain.difficulty)?))?;
        // Nobody is told of anything here, but the writer must never wait for that.
        let told = spawn("events", &watch, move || {
            committed.iter().for_each(drop);
            Ok(())
        })?;
        let live = Hub::start(clock.clone(), 0, &watch)?;
        let config = http::Config { clock: clock.clone(), ..http::Config::new("http", addr) };
        let listener = http::Listener::bind(config).map_err(StartError::Http)?;
        let api = Api {
            store: store.clone(),
            fleet: Arc::new(Fleet::default()),
            auth: Arc::new(Auth::new(Mode::Open, JwtSecret::random(), None, clock.clone())),
            started_at: clock.now(),
            clock,
            live: live.clone(),
            link: Arc::new(NoWorkers),
            policy: Policy {
                chain: true,
                require_pow: chain.rules.require_pow,
                marker: chain.rules.marker.clone(),
            },
            chain: Some(chain.rules),
            verifier: Verifier::default(),
            mqtt_port: 0,
            api_port: listener.local_addr().port(),
            sign_in_domain: None,
            pages: Pages::Embedded,
            state: api::State::default(),
        };
        let http = listener.serve(&watch, api::chain_handler(Arc::new(api)))?;
        Ok(ChainAlone { http, live, store, told, deaths })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.http.local_addr()
    }

    /// Deaths of threads: after one the process must end.
    pub fn deaths(&self) -> &Receiver<Death> {
        &self.deaths
    }

    /// Stops it; what was accepted is stored.
    pub fn stop(self) {
        self.live.stop();
        self.http.stop();
        self.store.stop();
        // Err: it died of a panic, which the deathwatch has reported.
        let _ = self.told.join();
    }
}

/// A chain has no workers.
struct NoWorkers;

impl WorkerLink for NoWorkers {
    fn client_ids(&self) -> Vec<String> {
        Vec::new()
    }

    fn client_count(&self) -> usize {
        0
    }

    fn is_up(&self) -> bool {
        false
    }

    fn is_connected(&self, _: &WorkerId) -> bool {
        false
    }

    fn disconnect(&self, _: &WorkerId, _: Option<i64>) {}

    fn control(&self, _: &WorkerId, _: &Control) {}
}
