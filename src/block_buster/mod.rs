//! Block Buster: the dashboard gateway to a The Block node (contract: block-buster.md).
//!
//! One thread, the [`poller`], makes every call to the node and keeps the [`facts`]; the [`herald`]
//! encodes each answer when something has changed, and hands frames to WebSocket clients; requests
//! copy what lies ready. So no client can make the node busier or wait for it, with two exceptions
//! that go through the poller and its budget too: a full check, and a call that is passed on.

mod board;
mod demo;
mod facts;
mod features;
mod herald;
mod method;
mod metrics;
mod node;
mod pages;
mod poller;
mod query;
mod routes;
mod settings;
mod shared;
mod sockets;
mod streams;
mod views;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};
use thiserror::Error;

pub use settings::{FileSettings, RPC_URL, Settings, WS_URL, check_ws_url};

use crate::base::Clock;
use crate::base::limits::{GATEWAY_CONNECTIONS_MAX, GATEWAY_JOBS_QUEUED_MAX};
use crate::base::thread::{Death, Deathwatch, deathwatch, spawn};
use crate::http::{Config, HttpError, Listener, Server};
use crate::web;
use herald::Herald;
use node::Node;
use poller::Poller;
use routes::Gateway;
use shared::Shared;
use sockets::Hub;

/// Why a gateway does not start.
#[derive(Debug, Error)]
pub enum BlockBusterError {
    /// Not an address of a node.
    #[error("a node's address has the form http://host:port, not {0:?}")]
    Url(String),
    /// Not a WebSocket's address.
    #[error("a node's WebSocket address begins with ws://, not {0:?}")]
    WsUrl(String),
    /// The configuration file cannot be used.
    #[error("{}: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// A port is taken, or its address not ours.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// A thread does not start.
    #[error("cannot start a thread")]
    Thread(#[from] io::Error),
}

/// A gateway that runs.
pub struct BlockBuster {
    http: Server,
    ws: Server,
    features: Server,
    demo: Option<Server>,
    hub: Arc<Hub>,
    stop: Sender<()>,
    threads: Vec<JoinHandle<()>>,
    deaths: Receiver<Death>,
}

impl BlockBuster {
    /// Starts it. When it returns the ports answer; what the node says follows as soon as it says it.
    pub fn start(settings: Settings, clock: Clock) -> Result<Self, BlockBusterError> {
        web::prepare();
        let (watch, deaths) = deathwatch();
        let bind = |name, host, port| {
            let config = Config::new(name, SocketAddr::new(host, port));
            Listener::bind(Config { connections_max: GATEWAY_CONNECTIONS_MAX, ..config })
        };
        let http = bind("gateway", settings.http_host, settings.http_port)?;
        let ws = bind("gateway-ws", settings.ws_host, settings.ws_port)?;
        let features = bind("gateway-features", settings.ws_host, settings.feature_ws_port)?;
        let demo = settings.demo_node.then(|| demo::start(clock.clone(), &watch)).transpose()?;
        let rpc_url = demo.as_ref().map(|demo| format!("http://{}", demo.local_addr()));
        let rpc_url = rpc_url.unwrap_or_else(|| settings.rpc_url.clone());
        let node = Node::new(&rpc_url, settings.auth_token.clone().filter(|_| !settings.demo_node))?;

        let (shared, bell) = Shared::new(clock);
        let (shared, hub) = (Arc::new(shared), Arc::new(Hub::default()));
        let (jobs, asked) = bounded(GATEWAY_JOBS_QUEUED_MAX);
        let (stop, stopped) = bounded(0);
        let poller = Poller::new(Arc::clone(&shared), node, settings.call_time(), asked);
        let herald = Herald::new(Arc::clone(&shared), Arc::clone(&hub));
        let threads = start_threads(&watch, poller, herald, &stopped, bell)?;

        let (cors, allow_rpc) = (settings.cors, settings.allow_rpc);
        let gateway = Arc::new(Gateway { shared, hub: Arc::clone(&hub), jobs, cors, allow_rpc });
        let http = http.serve(&watch, routes::main(Arc::clone(&gateway)))?;
        let ws = ws.serve(&watch, routes::sockets(Arc::clone(&gateway), false))?;
        let features = features.serve(&watch, routes::sockets(gateway, true))?;
        Ok(BlockBuster { http, ws, features, demo, hub, stop, threads, deaths })
    }

    /// Where it answers HTTP.
    pub fn http_addr(&self) -> SocketAddr {
        self.http.local_addr()
    }

    /// Where it takes WebSocket clients.
    pub fn ws_addr(&self) -> SocketAddr {
        self.ws.local_addr()
    }

    /// Where it hands out features.
    pub fn features_addr(&self) -> SocketAddr {
        self.features.local_addr()
    }

    /// Deaths of threads: after one the process must end.
    pub fn deaths(&self) -> &Receiver<Death> {
        &self.deaths
    }

    /// Closes every client, then stops.
    pub fn stop(self) {
        self.hub.stop();
        drop(self.stop);
        self.http.stop();
        self.ws.stop();
        self.features.stop();
        for thread in self.threads {
            // Err: it died of a panic, which the deathwatch has reported.
            let _ = thread.join();
        }
        if let Some(demo) = self.demo {
            demo.stop();
        }
    }
}

fn start_threads(
    watch: &Deathwatch,
    poller: Poller,
    herald: Herald,
    stopped: &Receiver<()>,
    bell: Receiver<()>,
) -> io::Result<Vec<JoinHandle<()>>> {
    let (for_poller, for_herald) = (stopped.clone(), stopped.clone());
    let poller = spawn("poller", watch, move || {
        poller.run(&for_poller);
        Ok(())
    })?;
    let herald = spawn("herald", watch, move || {
        herald.run(&for_herald, &bell);
        Ok(())
    })?;
    Ok(vec![poller, herald])
}
