//! A worker's MQTT session, shared by the miner and the simulated workers.
//!
//! Promises: it comes back by itself, with back-off; after every connect it subscribes and
//! registers before anything else is said; nothing said on one connection is repeated on the next
//! (who wants a receipt says it again); it leaves with `offline` and a DISCONNECT.
//!
//! All sessions of a process share one thread. The library's synchronous client would take a
//! thread, a runtime and four descriptors for each: with 1000 workers 1001 threads, 99 MiB and
//! 4006 descriptors, where this takes 2 threads, 27 MiB and 1009. The library's runtime lives and
//! dies on that thread.

mod connection;

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use rumqttc::{AsyncClient, QoS};
use serde::Serialize;
use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;

use super::wire;
use crate::base::limits::WORKER_EVENTS_QUEUED_MAX;
use crate::base::thread::{self, Deathwatch};
use crate::base::{Clock, LeaseId, Secret, WorkerId};
use crate::protocol::{Channel, Command, Control, Register, ReportedState, Topic};
use connection::Line;

/// Where the broker is and how to log in.
#[derive(Clone, Debug)]
pub struct Broker {
    /// Host name or address, an IPv6 address in brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Credentials, when the broker asks for them.
    pub login: Option<Login>,
}

/// Credentials: the worker's id and its token.
#[derive(Clone, Debug)]
pub struct Login {
    /// The user name.
    pub user: String,
    /// The password.
    pub password: Secret,
}

/// What a session tells its owner.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Connected; subscription and registration are on their way.
    Connected,
    /// The connection ended or could not be made; it will be tried again unless it was to end.
    Disconnected,
    /// From the `task` topic.
    Command(Command),
    /// From either topic.
    Control(Control),
    /// A task that could not be understood, and why.
    BadTask(String),
    /// The broker acknowledged a message that asked for a receipt.
    Receipt(Ticket),
}

/// Names a message that asked for a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket(u64);

/// An event and the index that its session was opened with.
pub type Tagged = (usize, Event);

/// The thread that all sessions of a process live on.
pub struct Sessions {
    runtime: Handle,
    clock: Clock,
    events: Sender<Tagged>,
    alive: watch::Receiver<()>,
    open: watch::Sender<()>,
    thread: JoinHandle<()>,
}

/// A session that has left has this long for its goodbye.
const GOODBYE_TIME_MAX: Duration = Duration::from_secs(2);

impl Sessions {
    /// Starts the thread. Events arrive on the receiver, which must be drained; when it is full
    /// all sessions wait (back-pressure down to the sockets).
    pub fn start(clock: Clock, watch: &Deathwatch) -> io::Result<(Self, Receiver<Tagged>)> {
        let (events, inbox) = bounded(WORKER_EVENTS_QUEUED_MAX);
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (all_ended, alive) = watch::channel(());
        let (open, mut closed) = watch::channel(());
        let thread = thread::spawn("mqtt-sessions", watch, move || {
            runtime.block_on(async {
                // An error: the owner let go of `open`. There are no other messages on it.
                while closed.changed().await.is_ok() {}
                let _ = tokio::time::timeout(GOODBYE_TIME_MAX, all_ended.closed()).await;
            });
            Ok(())
        })?;
        Ok((Sessions { runtime: handle, clock, events, alive, open, thread }, inbox))
    }

    /// Opens the session of one worker; `seed` is for the jitter of its back-off.
    pub fn open(&self, index: usize, broker: &Broker, register: Register, seed: u64) -> Session {
        let outbox = Arc::new(Mutex::new(Outbox::default()));
        let (wanted, watched) = watch::channel(true);
        let worker = register.worker_id.clone();
        let line = Line {
            index,
            broker: broker.clone(),
            register: register.clone(),
            clock: self.clock.clone(),
            outbox: outbox.clone(),
            wanted: watched,
            events: self.events.clone(),
        };
        let alive = self.alive.clone();
        self.runtime.spawn(async move {
            line.drive(seed).await;
            drop(alive);
        });
        Session { worker, register, clock: self.clock.clone(), outbox, wanted }
    }

    /// Waits until the sessions have said goodbye, two seconds at most. Drop the [`Session`]s
    /// first: those still held end without a goodbye.
    pub fn stop(self, events: Receiver<Tagged>) {
        // Nobody reads any more, so nobody may wait for a reader.
        drop(events);
        drop(self.alive);
        drop(self.open);
        // A panic of the thread has been reported to the deathwatch.
        let _ = self.thread.join();
    }
}

/// The owner's end of one session. Dropping it ends the session with a goodbye.
pub struct Session {
    worker: WorkerId,
    register: Register,
    clock: Clock,
    outbox: Arc<Mutex<Outbox>>,
    wanted: watch::Sender<bool>,
}

impl Session {
    /// Goes offline with a goodbye, or comes back.
    pub fn set_online(&self, online: bool) {
        self.wanted.send_if_modified(|wanted| std::mem::replace(wanted, online) != online);
    }

    /// Whose session it is.
    pub fn worker(&self) -> &WorkerId {
        &self.worker
    }

    /// Sends the registration again. False when it could not be queued.
    pub fn register(&self) -> bool {
        self.publish(Channel::Register, wire::stamped(&self.register, self.clock.now()), false).is_some()
    }

    /// Sends a change of state. False when it could not be queued.
    pub fn status(&self, state: ReportedState, lease: Option<&LeaseId>, detail: Option<&str>) -> bool {
        let payload = wire::status(&self.worker, state, lease, detail, self.clock.now());
        self.publish(Channel::Status, payload, false).is_some()
    }

    /// Sends a heartbeat. False when it could not be queued; the next one says it better.
    pub fn heartbeat(&self, pulse: &wire::Pulse) -> bool {
        self.publish(Channel::Heartbeat, wire::stamped(pulse, self.clock.now()), false).is_some()
    }

    /// Sends a message that wants a receipt ([`Event::Receipt`]). `None` when it could not be
    /// queued; when the connection ends before the receipt, it must be sent again.
    pub fn publish_for_receipt<T: Serialize>(&self, channel: Channel, body: &T) -> Option<Ticket> {
        self.publish(channel, wire::stamped(body, self.clock.now()), true)
    }

    fn publish(&self, channel: Channel, payload: Vec<u8>, receipt: bool) -> Option<Ticket> {
        let topic = Topic { worker: self.worker.clone(), channel };
        locked(&self.outbox).publish(&topic, payload, receipt)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.set_online(false);
    }
}

/// What is on its way to the broker, in order. Nothing is queued while there is no connection.
#[derive(Default)]
struct Outbox {
    client: Option<AsyncClient>,
    awaiting: VecDeque<Option<Ticket>>,
    tickets: u64,
}

impl Outbox {
    fn publish(&mut self, topic: &Topic, payload: Vec<u8>, receipt: bool) -> Option<Ticket> {
        let client = self.client.as_ref()?;
        // Full or closed: the caller decides whether to say it again.
        // A state is retained: it takes the place of the will that the connection before left behind.
        let retain = topic.channel == Channel::Status;
        client.try_publish(topic.to_string(), QoS::AtLeastOnce, retain, payload).ok()?;
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.awaiting.push_back(receipt.then_some(ticket));
        Some(ticket)
    }
}

fn locked(outbox: &Mutex<Outbox>) -> MutexGuard<'_, Outbox> {
    outbox.lock().unwrap_or_else(PoisonError::into_inner)
}
