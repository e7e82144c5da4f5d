//! The listener: accepts, counts, refuses beyond the cap, and stops.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Type};
use thiserror::Error;

use super::Handler;
use super::connection;
use super::date::Date;
use super::refusal::Refusal;
use crate::base::Clock;
use crate::base::limits;
use crate::base::thread::{Deathwatch, spawn, spawn_connection};

/// What a server is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Names the threads and the log lines.
    pub name: &'static str,
    /// Where to listen; port 0 takes a free one.
    pub addr: SocketAddr,
    /// Connections at once, upgraded ones included. For a further one an idle connection is closed;
    /// when none is idle, it is answered 503.
    pub connections_max: usize,
    /// How long clients may take.
    pub timeouts: Timeouts,
    /// Before a request that breaks the rules of HTTP or the limits is refused, and its connection ends: so
    /// slowly do those come who open one after another for that.
    pub refusal_delay: Duration,
    /// What answers are dated by.
    pub clock: Clock,
}

impl Config {
    /// With the limits of [`limits`] and the system's clock; refuses at once.
    pub fn new(name: &'static str, addr: SocketAddr) -> Self {
        Config {
            name,
            addr,
            connections_max: limits::HTTP_CONNECTIONS_MAX,
            timeouts: Timeouts::default(),
            refusal_delay: Duration::ZERO,
            clock: Clock::system(),
        }
    }
}

/// How long a client may take for each part of the conversation.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// From a request's first byte to its head's last; then 408.
    pub head: Duration,
    /// From the head to the body's last byte; then 408.
    pub body: Duration,
    /// Between two requests; then the connection is closed.
    pub idle: Duration,
    /// For one piece of an answer; then the connection is closed.
    pub write: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            head: limits::HTTP_HEAD_TIME_MAX,
            body: limits::HTTP_BODY_TIME_MAX,
            idle: limits::HTTP_IDLE_TIME_MAX,
            write: limits::HTTP_WRITE_TIME_MAX,
        }
    }
}

/// Why a server did not start.
#[derive(Debug, Error)]
pub enum HttpError {
    /// Another program listens there.
    #[error("{0} is already taken by another program")]
    Taken(SocketAddr),
    /// The address cannot be listened on.
    #[error("cannot listen on {addr}")]
    Listen {
        /// The address that was asked for.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The thread that accepts did not start.
    #[error("cannot start the thread that accepts connections")]
    Thread(#[source] io::Error),
}

/// A socket that listens and is not served yet: who connects waits.
pub struct Listener {
    socket: TcpListener,
    addr: SocketAddr,
    config: Config,
}

impl Listener {
    /// Takes the port.
    pub fn bind(config: Config) -> Result<Self, HttpError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => HttpError::Taken(config.addr),
            _ => HttpError::Listen { addr: config.addr, source },
        };
        let socket = listen(config.addr).map_err(failed)?;
        let addr = socket.local_addr().map_err(failed)?;
        Ok(Listener { socket, addr, config })
    }

    /// The address that it listens on, with the port that was really taken.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// Answers from now on.
    pub fn serve(self, watch: &Deathwatch, handler: Arc<Handler>) -> Result<Server, HttpError> {
        let Listener { socket, addr, config } = self;
        let listener = Arc::new(socket);
        let name = config.name;
        let shared = Arc::new(Shared {
            config,
            handler,
            stopping: AtomicBool::new(false),
            connections: Mutex::default(),
            gone: Condvar::new(),
        });
        let (accepting, accepted) = (Arc::clone(&listener), Arc::clone(&shared));
        let acceptor = spawn(name, watch, move || {
            accept_all(&accepting, &accepted);
            Ok(())
        })
        .map_err(HttpError::Thread)?;
        Ok(Server { listener, addr, acceptor, shared })
    }
}

/// A running server.
pub struct Server {
    listener: Arc<TcpListener>,
    addr: SocketAddr,
    acceptor: JoinHandle<()>,
    shared: Arc<Shared>,
}

impl Server {
    /// Listens, and answers from now on.
    pub fn start(config: Config, watch: &Deathwatch, handler: Arc<Handler>) -> Result<Self, HttpError> {
        Listener::bind(config)?.serve(watch, handler)
    }

    /// The address that it listens on, with the port that was really taken.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// Connections at this moment.
    pub fn connections(&self) -> usize {
        self.shared.lock().open.len()
    }

    /// Stops accepting and closes idle connections at once, waits for requests in flight and
    /// upgraded connections (stop what serves those first), and cuts off what is left after
    /// [`limits::HTTP_STOP_TIME_MAX`].
    pub fn stop(self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // Wakes `accept`, and frees the port.
        if let Err(error) = SockRef::from(&*self.listener).shutdown(Shutdown::Both) {
            log::warn!("{}: the listener did not shut down: {error}", self.shared.config.name);
        }
        if self.acceptor.join().is_err() {
            log::error!("{}: the thread that accepts had panicked", self.shared.config.name);
        }
        let idle = |connection: &Connection| !connection.busy.load(Ordering::SeqCst);
        self.shared.shutdown(Shutdown::Read, idle);
        if !self.shared.wait_until_empty(limits::HTTP_STOP_TIME_MAX) {
            self.shared.shutdown(Shutdown::Both, |_| true);
            if !self.shared.wait_until_empty(AFTER_CUT) {
                log::warn!("{}: stopped with a handler still running", self.shared.config.name);
            }
        }
    }
}

/// What the server's threads share.
pub(super) struct Shared {
    pub(super) config: Config,
    pub(super) handler: Arc<Handler>,
    stopping: AtomicBool,
    connections: Mutex<Connections>,
    gone: Condvar,
}

#[derive(Default)]
struct Connections {
    /// By age: ids only grow.
    open: BTreeMap<u64, Arc<Connection>>,
    next_id: u64,
}

impl Connections {
    /// Closes the oldest idle connection: its client can come again, and browsers keep several that
    /// they do not use. Those that are closed and not gone yet are bounded too.
    fn make_room(&self, config: &Config) -> bool {
        let idle = self.open.values().find(|connection| !connection.busy.load(Ordering::SeqCst));
        match idle {
            Some(connection) if self.open.len() < config.connections_max + LEAVING_MAX => {
                // Not to be chosen again.
                connection.busy.store(true, Ordering::SeqCst);
                // An error is a client that is already gone.
                let _ = connection.stream.shutdown(Shutdown::Both);
                true
            }
            _ => false,
        }
    }
}

/// One connection, as the listener sees it.
pub(super) struct Connection {
    pub(super) stream: Arc<TcpStream>,
    /// A request has begun to arrive and is not answered yet, or the connection is upgraded.
    pub(super) busy: AtomicBool,
}

/// For threads to notice that their sockets were cut off.
const AFTER_CUT: Duration = Duration::from_millis(400);
/// Until descriptors or threads may be free again.
const BACK_OFF: Duration = Duration::from_millis(50);
/// Connections that are being closed to make room; their threads need moments to notice.
const LEAVING_MAX: usize = 64;
/// Refused clients whose sockets are kept open while they read why.
const REFUSED_KEPT_MAX: usize = 16;

impl Shared {
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    fn lock(&self) -> MutexGuard<'_, Connections> {
        // Nothing between lock and unlock panics half-way.
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shutdown(&self, how: Shutdown, which: impl Fn(&Connection) -> bool) {
        for connection in self.lock().open.values().filter(|connection| which(connection)) {
            // An error is a client that is already gone.
            let _ = connection.stream.shutdown(how);
        }
    }

    fn wait_until_empty(&self, time: Duration) -> bool {
        let connections = self.lock();
        let waited =
            self.gone.wait_timeout_while(connections, time, |connections| !connections.open.is_empty());
        waited.unwrap_or_else(PoisonError::into_inner).0.open.is_empty()
    }
}

/// Counts a connection for as long as it lives, whatever way its thread ends.
struct Membership {
    shared: Arc<Shared>,
    connection: Arc<Connection>,
    id: u64,
}

impl Membership {
    /// `None` when the server is full.
    fn new(shared: &Arc<Shared>, stream: &Arc<TcpStream>) -> Option<Self> {
        let mut connections = shared.lock();
        if connections.open.len() >= shared.config.connections_max && !connections.make_room(&shared.config) {
            return None;
        }
        let id = connections.next_id;
        connections.next_id += 1;
        let connection = Arc::new(Connection { stream: Arc::clone(stream), busy: AtomicBool::new(false) });
        connections.open.insert(id, Arc::clone(&connection));
        Some(Membership { shared: Arc::clone(shared), connection, id })
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.shared.lock().open.remove(&self.id);
        self.shared.gone.notify_all();
    }
}

fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    // A restart does not wait for the old connections' last packets.
    socket.set_reuse_address(true)?;
    socket.bind(&addr.into())?;
    socket.listen(limits::HTTP_BACKLOG)?;
    Ok(socket.into())
}

fn accept_all(listener: &TcpListener, shared: &Arc<Shared>) {
    let mut refused = VecDeque::with_capacity(REFUSED_KEPT_MAX);
    let mut failing = false;
    while !shared.is_stopping() {
        match listener.accept() {
            Ok((stream, peer)) => {
                failing = false;
                // An IPv4 client of an IPv6 listener is an IPv4 client.
                let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
                if let Err(stream) = admit(shared, Arc::new(stream), peer) {
                    if refused.len() == REFUSED_KEPT_MAX {
                        refused.pop_front();
                    }
                    refuse(&stream, &shared.config.clock);
                    refused.push_back(stream);
                }
            }
            Err(_) if shared.is_stopping() => return,
            Err(error) => {
                // Out of descriptors, mostly: existing connections go on, and free some.
                if !failing {
                    log::warn!("{}: cannot accept connections: {error}", shared.config.name);
                }
                failing = true;
                refused.clear();
                std::thread::sleep(BACK_OFF);
            }
        }
    }
}

/// Starts a connection's thread, or gives the stream back when there is no room.
fn admit(shared: &Arc<Shared>, stream: Arc<TcpStream>, peer: SocketAddr) -> Result<(), Arc<TcpStream>> {
    let Some(membership) = Membership::new(shared, &stream) else {
        return Err(stream);
    };
    let started = spawn_connection(shared.config.name, move || {
        connection::serve(&membership.shared, &membership.connection, peer);
    });
    started.map(drop).map_err(|error| {
        log::warn!("{}: cannot start a connection's thread: {error}", shared.config.name);
        stream
    })
}

/// Says 503 without waiting: the answer fits any socket's empty buffer.
fn refuse(stream: &TcpStream, clock: &Clock) {
    let text = serde_json::json!({ "detail": Refusal::Overloaded.to_string() }).to_string();
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\nDate: {}\r\nContent-Type: application/json\r\nRetry-After: 1\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{text}",
        Date::new(clock.clone()).text(),
        text.len()
    );
    let told = stream.set_nonblocking(true).and_then(|()| {
        let mut stream = stream;
        stream.write_all(answer.as_bytes())?;
        stream.shutdown(Shutdown::Write)
    });
    // An error is a client that is already gone.
    let _ = told;
}
