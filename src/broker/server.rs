//! Start and stop: the library's runtime on one thread, the platform's link on another.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, SendTimeoutError, Sender, TrySendError, bounded};
use rumqttd::local::{LinkBuilder, LinkRx};
use rumqttd::{ConnectionSettings, Notification, Router, RouterConfig, Server, ServerSettings};
use tokio::sync::oneshot;

use super::complaints::Complaints;
use super::gate::Gate;
use super::publisher::Publisher;
use super::registry::{Clients, Registry};
use super::retained::Retained;
use super::{BrokerError, Config, Credentials, Inbound};
use crate::base::limits::{
    MQTT_CONNECT_TIME_MAX, MQTT_LIBRARY_CONNECTIONS_MAX, MQTT_PACKET_BYTES_MAX, MQTT_SLOWED_TIME,
    MQTT_SOCKETS_SPARE,
};
use crate::base::thread::{self, BoxError, Deathwatch};

/// How often a wait looks whether the broker is stopping.
const STOP_SEEN_WITHIN: Duration = Duration::from_millis(20);
/// Times that a free port is looked for when another process is quicker.
const PORT_TRIES: usize = 16;
/// The library keeps the last messages of each filter for its subscribers to fetch: so many bytes a
/// segment, so many segments. A subscriber that falls further behind misses messages.
const LOG_SEGMENT_BYTES: usize = 512 * 1024;
const LOG_SEGMENTS: usize = 4;
/// The most that a subscriber is sent in one go.
const OUTGOING_PACKETS_MAX: u64 = 200;

/// What all gates share.
pub(super) struct Shared {
    pub(super) registry: Arc<Registry>,
    pub(super) retained: Retained,
    pub(super) publisher: Publisher,
    /// `None` in the open mode.
    pub(super) credentials: Option<Arc<dyn Credentials>>,
    pub(super) rate_limited: bool,
    pub(super) sockets_max: usize,
    pub(super) complaints: Complaints,
    inbound: Sender<Inbound>,
    stopping: Arc<AtomicBool>,
    /// A bit for each wake-up topic that will be used within `MQTT_SLOWED_TIME`.
    waking: AtomicU64,
}

impl Shared {
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Wakes the connections of a group in a while, once for all that ask meanwhile: what a client sent
    /// over its rate is in the gate's buffer already, and the client may wait for the answer to it.
    pub(super) fn wake_later(self: &Arc<Self>, group: u32) {
        let bit = 1 << group;
        if self.waking.fetch_or(bit, Ordering::Relaxed) & bit != 0 {
            return;
        }
        let shared = self.clone();
        // Gates are only used on the library's runtime; when that ends, so does the wait.
        tokio::spawn(async move {
            tokio::time::sleep(MQTT_SLOWED_TIME).await;
            shared.waking.fetch_and(!bit, Ordering::Relaxed);
            shared.publisher.wake(group);
        });
    }

    /// Hands over to `ingest`, waiting while its queue is full: all clients wait with it. `None`
    /// when the platform is stopping.
    pub(super) fn hand(&self, inbound: Inbound) -> Option<()> {
        let mut inbound = match self.inbound.try_send(inbound) {
            Ok(()) => return Some(()),
            Err(TrySendError::Full(inbound)) => inbound,
            // `ingest` is gone: the process is ending.
            Err(TrySendError::Disconnected(_)) => return None,
        };
        while !self.is_stopping() {
            inbound = match self.inbound.send_timeout(inbound, STOP_SEEN_WITHIN) {
                Ok(()) => return Some(()),
                Err(SendTimeoutError::Timeout(inbound)) => inbound,
                // As above.
                Err(SendTimeoutError::Disconnected(_)) => return None,
            };
        }
        None
    }

    /// Whether the receipt was given in time.
    pub(super) fn wait(&self, committed: &Receiver<()>, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        while !self.is_stopping() && Instant::now() < deadline {
            match committed.recv_timeout(STOP_SEEN_WITHIN) {
                Ok(()) => return true,
                Err(RecvTimeoutError::Timeout) => {}
                // Dropped undone: the message was refused or its commit failed.
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
        false
    }
}

/// The running broker.
pub struct Broker {
    addr: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

impl Broker {
    /// Listens, and serves from then on. In the closed mode `credentials` are asked on every
    /// CONNECT. When a part of the broker dies, `watch` is told.
    pub fn start(
        config: Config,
        credentials: Arc<dyn Credentials>,
        inbound: Sender<Inbound>,
        watch: &Deathwatch,
    ) -> Result<Broker, BrokerError> {
        let sockets_max = config.connections_max.saturating_add(MQTT_SOCKETS_SPARE);
        let router = Router::new(0, router_config(sockets_max)).spawn();
        let (link_tx, link_rx, _) = LinkBuilder::new("platform", router.clone())
            .build()
            .map_err(|error| BrokerError::Router(error.to_string()))?;
        let stopping = Arc::new(AtomicBool::new(false));
        let shared = Arc::new(Shared {
            registry: Arc::new(Registry::new(config.connections_max)),
            retained: Retained::default(),
            publisher: Publisher::new(link_tx),
            credentials: (!config.open).then_some(credentials),
            rate_limited: config.rate_limited,
            sockets_max,
            complaints: Complaints::default(),
            inbound,
            stopping: stopping.clone(),
            waking: AtomicU64::new(0),
        });
        let link = thread::spawn("mqtt link", watch, move || drain(link_rx, &stopping))?;
        let mut broker = Broker { addr: config.addr, shared, stop: None, threads: vec![link] };
        let mut tries = if config.addr.port() == 0 { PORT_TRIES } else { 1 };
        loop {
            tries -= 1;
            let addr = concrete(config.addr)?;
            // The type of `router` has no public name, so it is named nowhere.
            let server = Server::new(server_settings(addr), router.clone(), Gate::new(broker.shared.clone()));
            let (stop, stopped) = oneshot::channel();
            let (bound, bound_rx) = bounded(1);
            let serve = move || serve(server, stopped, &bound);
            broker.threads.push(thread::spawn("mqtt", watch, serve)?);
            match bound_rx.recv() {
                Ok(Ok(())) => {
                    broker.addr = addr;
                    broker.stop = Some(stop);
                    return Ok(broker);
                }
                Ok(Err(_)) if tries > 0 => {}
                // The library puts what kind of error it is before the system's words.
                Ok(Err(cause)) => return Err(not_listening(addr, cause)),
                // The thread died before it could say so.
                Err(_) => return Err(BrokerError::Router("its runtime does not start".to_owned())),
            }
        }
    }

    /// Where it listens, with the real port.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// For messages from the platform.
    pub fn publisher(&self) -> Publisher {
        self.shared.publisher.clone()
    }

    /// Who is connected.
    pub fn clients(&self) -> Clients {
        Clients(self.shared.registry.clone())
    }

    /// Closes the listener and every connection, and waits for the threads; the port is free
    /// afterwards. Wills are not executed, and what `ingest` has no room for is dropped. The
    /// library's router thread cannot be ended: it sleeps until the process ends.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
        // Dropping the sender ends `serve`, and its runtime with all connections.
        self.stop.take();
        self.shared.publisher.close();
        for thread in self.threads.drain(..) {
            // A panic in it has been reported to the deathwatch.
            let _ = thread.join();
        }
    }
}

/// The address with a port: the library does not say which one it got for 0.
fn concrete(addr: SocketAddr) -> Result<SocketAddr, BrokerError> {
    if addr.port() != 0 {
        return Ok(addr);
    }
    let probe = TcpListener::bind(addr).and_then(|listener| listener.local_addr());
    probe.map_err(|error| refused_address(addr, &error))
}

/// Why the library could not listen: its own text says the system's error twice.
fn not_listening(addr: SocketAddr, library_text: String) -> BrokerError {
    match TcpListener::bind(addr) {
        Err(error) => refused_address(addr, &error),
        // Free again meanwhile.
        Ok(_) => BrokerError::Listen { addr, cause: library_text },
    }
}

fn refused_address(addr: SocketAddr, error: &io::Error) -> BrokerError {
    match error.kind() {
        io::ErrorKind::AddrInUse => BrokerError::Taken(addr),
        _ => BrokerError::Listen { addr, cause: error.to_string() },
    }
}

fn serve(
    mut server: Server<Gate>,
    stopped: oneshot::Receiver<()>,
    bound: &Sender<Result<(), String>>,
) -> Result<(), BoxError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        let mut serving = pin!(server.start(rumqttd::LinkType::Remote));
        // The first poll binds: from then on it waits for a client, or it has failed.
        let first = std::future::poll_fn(|context| Poll::Ready(serving.as_mut().poll(context))).await;
        if let Poll::Ready(end) = first {
            // The library's text holds the system's already.
            let cause = end.err().map_or_else(String::new, |error| error.to_string());
            // The starter waits for this.
            let _ = bound.send(Err(cause));
            return Ok(());
        }
        let _ = bound.send(Ok(()));
        let mut stopped = pin!(stopped);
        std::future::poll_fn(|context| match stopped.as_mut().poll(context) {
            // Sent or dropped, it says stop.
            Poll::Ready(_) => Poll::Ready(Ok(())),
            Poll::Pending => serving.as_mut().poll(context).map(|_| Err("the MQTT listener ended".into())),
        })
        .await
    });
    // Drops all connections, and their gates say who is gone.
    drop(runtime);
    outcome
}

/// Takes what the router tells the platform's link, which is nothing but signs of life.
fn drain(mut link: LinkRx, stopping: &AtomicBool) -> Result<(), BoxError> {
    loop {
        match link.recv() {
            // The router waits for this before it goes on.
            Ok(Some(Notification::Unschedule)) => link.ready()?,
            Ok(_) => {}
            // `stop` took the link down.
            Err(_) if stopping.load(Ordering::Relaxed) => return Ok(()),
            // The router is dead, and no message will ever be relayed again.
            Err(error) => return Err(format!("the MQTT router ended: {error}").into()),
        }
    }
}

fn router_config(sockets_max: usize) -> RouterConfig {
    RouterConfig {
        // Reaching this poisons the library: it is told more than the gate ever lets in.
        max_connections: MQTT_LIBRARY_CONNECTIONS_MAX.max(2 * sockets_max),
        max_outgoing_packet_count: OUTGOING_PACKETS_MAX,
        max_segment_size: LOG_SEGMENT_BYTES,
        max_segment_count: LOG_SEGMENTS,
        // What it takes for a wide filter is matched with every other: they are all of one size.
        custom_segment: None,
        // With one filter that matches, the library remembers a topic's filters instead of
        // comparing every message with all of them.
        initialized_filters: Some(vec!["#".to_owned()]),
        ..RouterConfig::default()
    }
}

fn server_settings(addr: SocketAddr) -> ServerSettings {
    let timeout = MQTT_CONNECT_TIME_MAX.as_millis();
    ServerSettings {
        name: "mqtt".to_owned(),
        listen: addr,
        tls: None,
        next_connection_delay_ms: 0,
        connections: ConnectionSettings {
            connection_timeout_ms: u16::try_from(timeout).unwrap_or(u16::MAX),
            max_payload_size: MQTT_PACKET_BYTES_MAX,
            // The gate must know when a batch ends: it ends when the buffer is empty, never earlier.
            max_inflight_count: usize::MAX,
            auth: None,
            external_auth: None,
            dynamic_filters: false,
        },
    }
}
