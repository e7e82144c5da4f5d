//! The composition root: builds every part, wires the channels, starts the threads in order and
//! stops them in reverse.
//!
//! ```text
//! workers ─mqtt─▶ broker ─inbound─▶ ingest ──jobs──▶ store ─events─▶ dispatch ─▶ broker, live
//! programs ─http─▶ api ───────────────────jobs──▶ store (reads: its pool)
//! ```

mod chain_alone;
mod config;
mod dispatch;
pub mod doctor;
mod edge;
mod error;
mod health;
mod ingest;
mod loops;
mod running;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded};

pub use chain_alone::ChainAlone;
pub use config::{AuthMode, ChainConfig, Config};
pub use error::StartError;

use crate::api::{self, Api, Pages};
use crate::auth::{Auth, Mode};
use crate::base::limits::{
    EVENTS_QUEUED_MAX, HTTP_SLOWED_TIME, INGEST_QUEUED_MAX, PENDING_BLOCKS_QUEUED_MAX,
};
use crate::base::thread::{Death, deathwatch};
use crate::base::{Clock, Timestamp};
use crate::broker::{self, Broker};
use crate::chain::simulator;
use crate::fleet::Fleet;
use crate::http;
use crate::jobs::House;
use crate::live::Hub;
use crate::market::{Refusal, Scope, Store, accounts, leases, ledger};
use crate::pow::Verifier;
use crate::store;

/// A platform that runs.
pub struct Platform {
    http: http::Server,
    live: Hub,
    broker: Broker,
    loops: loops::Loops,
    store: Store,
    dispatch: dispatch::Dispatch,
    deaths: Receiver<Death>,
    mqtt_addr: SocketAddr,
}

impl Platform {
    /// Starts everything; when it returns, both ports answer.
    pub fn start(config: Config, clock: Clock) -> Result<Self, StartError> {
        config.check()?;
        let (watch, deaths) = deathwatch();
        let (events, committed) = bounded(EVENTS_QUEUED_MAX);
        let store = Store::open(&config.db_path, events, &watch)?;
        let fleet = Arc::new(Fleet::default());
        prepare(&store, &fleet, &config, clock.now())?;

        let mode = config.mode();
        let secret = config.jwt_secret(mode)?;
        let administrator = config.administrator(mode)?;
        let auth = Arc::new(Auth::new(mode, secret, administrator, clock.clone()));
        let verifier = Verifier::default();
        let policy = config.policy(mode);
        let live = Hub::start(clock.clone(), config.live_clients_max, &watch)?;

        let (inbound, arrivals) = bounded(INGEST_QUEUED_MAX);
        let credentials = Arc::new(edge::Credentials { auth: auth.clone(), store: store.clone() });
        let broker = Broker::start(broker_config(&config, mode), credentials, inbound, &watch)?;
        let mqtt_addr = broker.local_addr();
        let link = Arc::new(edge::Link {
            publisher: broker.publisher(),
            clients: broker.clients(),
            addr: reachable(mqtt_addr),
        });

        let listener = http::Listener::bind(http_config(&config, mode, &clock))?;
        let api = Arc::new(Api {
            store: store.clone(),
            fleet: fleet.clone(),
            auth,
            clock: clock.clone(),
            live: live.clone(),
            link: link.clone(),
            policy: policy.clone(),
            chain: config.chain_rules(mode),
            verifier: verifier.clone(),
            started_at: clock.now(),
            mqtt_port: mqtt_addr.port(),
            api_port: listener.local_addr().port(),
            sign_in_domain: config.sign_in_domain.clone(),
            pages: Pages::of(config.static_dir.clone()),
            state: api::State::default(),
        });

        let (pending, to_verify) = bounded(PENDING_BLOCKS_QUEUED_MAX);
        let dispatch = dispatch::Dispatch::start(
            dispatch::Parts {
                committed,
                publisher: link.publisher.clone(),
                live: live.clone(),
                fleet: fleet.clone(),
                api: api.clone(),
                pending,
                clock: clock.clone(),
            },
            &watch,
        )?;
        let loops = loops::Loops::start(
            House {
                store: store.clone(),
                fleet: fleet.clone(),
                clock,
                live: live.clone(),
                policy,
                verifier,
                keeps_addresses: mode == Mode::Closed,
            },
            arrivals,
            to_verify,
            &watch,
        )?;
        let http = listener.serve(&watch, api::handler(api))?;
        running::Holder::new(http.local_addr(), mqtt_addr).sign(&config.db_path);
        Ok(Platform { http, live, broker, loops, store, dispatch, deaths, mqtt_addr })
    }

    /// Where MQTT listens.
    pub fn mqtt_addr(&self) -> SocketAddr {
        self.mqtt_addr
    }

    /// Where REST and the web app listen.
    pub fn api_addr(&self) -> SocketAddr {
        self.http.local_addr()
    }

    /// Deaths of threads: after one the process must end.
    pub fn deaths(&self) -> &Receiver<Death> {
        &self.deaths
    }

    /// Whether it works, asked over its own port; some milliseconds, and some seconds when it does not.
    pub fn works(&self) -> bool {
        health::works(reachable(self.api_addr()))
    }

    /// Stops everything in the reverse order of start. What was acknowledged is stored; what waits
    /// in the store's queue is finished.
    pub fn stop(self) {
        self.live.stop();
        self.http.stop();
        self.broker.stop();
        self.loops.stop();
        self.store.stop();
        self.dispatch.stop();
    }
}

/// An address that listens on all of them is reached by loopback.
fn reachable(mut addr: SocketAddr) -> SocketAddr {
    if addr.ip().is_unspecified() {
        addr.set_ip(if addr.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    addr
}

fn http_config(config: &Config, mode: Mode, clock: &Clock) -> http::Config {
    http::Config {
        connections_max: config.http_connections_max,
        // In open mode there are no strangers.
        refusal_delay: if mode == Mode::Closed { HTTP_SLOWED_TIME } else { Duration::ZERO },
        clock: clock.clone(),
        ..http::Config::new("http", SocketAddr::new(config.bind, config.api_port))
    }
}

fn broker_config(config: &Config, mode: Mode) -> broker::Config {
    let addr = SocketAddr::new(config.bind, config.mqtt_port);
    let base = match mode {
        Mode::Open => broker::Config::open(addr),
        Mode::Closed => broker::Config::closed(addr),
    };
    broker::Config { connections_max: config.mqtt_connections_max, ..base }
}

/// What must be true before the first request: the books are open, and blocks that got lost are found
/// again on the chain. What ran out while the platform was down, the watchdog ends at once.
fn prepare(store: &Store, fleet: &Arc<Fleet>, config: &Config, now: Timestamp) -> Result<(), StartError> {
    let workers = store.read::<_, Refusal, _>(|connection| Ok(store::workers::all(connection)?))?;
    fleet.load(&workers, now);
    let (demo_accounts, start_difficulty) = (config.mode() == Mode::Open, config.start_difficulty());
    let active = store.write::<_, Refusal, _>(move |scope: &mut Scope<'_>| {
        ledger::open_books(scope, now)?;
        if demo_accounts {
            accounts::open_demo_accounts(scope, now)?;
        }
        simulator::open(scope, start_difficulty)?;
        leases::recover(scope, now)
    })?;
    for lease in active {
        fleet.expect_prefix(&lease.worker_id, Some(lease.prefix), now);
        fleet.set_paused(&lease.worker_id, lease.paused.is_some());
    }
    Ok(())
}

/// How long a stop may take in all (the issue's promise is 10 s).
pub const STOP_TIME_MAX: Duration = Duration::from_secs(10);
