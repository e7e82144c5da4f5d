//! The gate: what stands between one socket and the library. See the head of the room.

use std::cell::RefCell;
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use crossbeam_channel::bounded;
use rumqttd::protocol::v4::{self, V4};
use rumqttd::protocol::{
    Connect, Error, Filter, LastWill, Login, Packet, PingReq, Protocol, PubAck, PubAckReason, Publish, QoS,
    RetainForwardRule, Subscribe, Unsubscribe,
};

use super::outgoing::{self, Answer, Outgoing};
use super::publisher::wake_topic;
use super::registry::{Client, Denied, Will};
use super::rules::{self, Route};
use super::server::Shared;
use super::subscriptions::Subscriptions;
use super::{Identity, Inbound, Receipt};
use crate::base::WorkerId;
use crate::base::limits::{
    MQTT_MESSAGES_PER_SECOND, MQTT_PACKET_BYTES_MAX, MQTT_RECEIPT_TIME_MAX, MQTT_UNRELEASED_MAX,
    MQTT_WORKERS_PER_CLIENT_MAX,
};
use crate::protocol::{Channel, Topic};

/// CONNACK codes of MQTT 3.1.1, section 3.2.2.3.
const BAD_PROTOCOL: u8 = 1;
const BAD_CLIENT_ID: u8 = 2;
const UNAVAILABLE: u8 = 3;
const NOT_AUTHORISED: u8 = 5;

/// First byte of a packet: its type, and a PUBLISH's bit of a repetition.
const CONNECT: u8 = 1;
const PUBLISH: u8 = 3;
const DUP: u8 = 0b1000;

/// Topics that a connection remembers having checked: a worker has four.
const ROUTES_KEPT: usize = 8;
/// Packets that may come at once from a client that was quiet, in seconds of its rate.
const BURST_SECONDS: f64 = 4.0;

/// Why the library may not be given anything more.
const ENDED: Error = Error::InvalidProtocol;

/// The library clones one gate for each socket that it accepts.
pub(super) struct Gate {
    shared: Arc<Shared>,
    /// `None` in the gate that is only there to be cloned.
    socket: Option<Socket>,
}

struct Socket {
    phase: Phase,
    /// The last call gave the library a packet, so that it is reading on into the same batch.
    in_batch: bool,
    /// The connection must end once the library has taken the batch.
    closing: bool,
    tokens: f64,
    tokens_at: Option<Instant>,
    /// `write` is given the gate by shared reference.
    outgoing: RefCell<Outgoing>,
}

enum Phase {
    /// Before CONNECT; true when there are too many sockets already.
    New {
        crowded: bool,
    },
    /// CONNECT was refused with this code.
    Refused(u8),
    Open(Box<Session>),
}

struct Session {
    client: Arc<Client>,
    /// Packets to give to the library before the next from the socket.
    queued: VecDeque<Packet>,
    routes: Vec<(Bytes, Known)>,
    route_next: usize,
    subscriptions: Subscriptions,
    /// Workers for whom `ingest` knows this connection to act.
    announced: HashSet<WorkerId>,
    /// QoS 2 ids received and not released.
    unreleased: Vec<u16>,
}

/// A topic that this connection may publish on.
#[derive(Clone)]
struct Known {
    route: Arc<Route>,
    /// Whether the library may be given it.
    relayed: bool,
}

impl Gate {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Gate { shared, socket: None }
    }
}

impl Clone for Gate {
    fn clone(&self) -> Self {
        let crowded = self.shared.registry.socket_opened() > self.shared.sockets_max;
        let socket = Socket {
            phase: Phase::New { crowded },
            in_batch: false,
            closing: false,
            tokens: f64::from(MQTT_MESSAGES_PER_SECOND) * BURST_SECONDS,
            tokens_at: None,
            outgoing: RefCell::default(),
        };
        Gate { shared: self.shared.clone(), socket: Some(socket) }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let Some(socket) = self.socket.take() else { return };
        self.shared.registry.socket_closed();
        if let Phase::Open(session) = socket.phase {
            session.end(&self.shared);
        }
    }
}

impl Protocol for Gate {
    fn read_mut(&mut self, stream: &mut BytesMut, _: usize) -> Result<Packet, Error> {
        let Some(socket) = &mut self.socket else { return Err(ENDED) };
        let result = socket.next(&self.shared, stream);
        socket.in_batch = result.is_ok();
        result
    }

    fn write(&self, packet: Packet, buffer: &mut BytesMut) -> Result<usize, Error> {
        let Some(socket) = &self.socket else { return Err(ENDED) };
        match &socket.phase {
            Phase::New { .. } => Err(ENDED),
            Phase::Refused(code) => {
                buffer.extend_from_slice(&[0x20, 2, 0, *code]);
                Ok(4)
            }
            Phase::Open(session) => {
                socket.outgoing.borrow_mut().write(packet, session.client.is_evicted(), buffer)
            }
        }
    }
}

/// Why a packet is not given to the library.
enum Stop {
    /// Not all there yet.
    Wait(usize),
    /// The connection ends, for this reason.
    Close(String),
}

impl From<&'static str> for Stop {
    fn from(why: &'static str) -> Self {
        Stop::Close(why.to_owned())
    }
}

impl Socket {
    fn next(&mut self, shared: &Shared, stream: &mut BytesMut) -> Result<Packet, Error> {
        if self.closing {
            return Err(ENDED);
        }
        let result = match &mut self.phase {
            Phase::New { crowded: true } | Phase::Refused(_) => return Err(ENDED),
            Phase::New { .. } => self.connect(shared, stream),
            Phase::Open(session) if session.client.is_evicted() => return Err(ENDED),
            Phase::Open(session) => {
                let outgoing = self.outgoing.get_mut();
                if let Some(packet) = session.queued.pop_front() {
                    return Ok(packet);
                }
                if let Some(pkid) = outgoing.acknowledged_in_order() {
                    return Ok(Packet::PubAck(PubAck { pkid, reason: PubAckReason::Success }, None));
                }
                if shared.rate_limited {
                    match pay(&mut self.tokens, &mut self.tokens_at, stream) {
                        Ok(()) => session.packet(shared, outgoing, stream),
                        Err(stop) => Err(stop),
                    }
                } else {
                    session.packet(shared, outgoing, stream)
                }
            }
        };
        result.map_err(|stop| self.stop(stop))
    }

    fn stop(&mut self, stop: Stop) -> Error {
        match stop {
            Stop::Wait(bytes) => Error::InsufficientBytes(bytes),
            Stop::Close(why) => {
                if let Phase::Open(session) = &self.phase {
                    log::debug!("client {}: {why}", session.client.id);
                }
                // An error in mid-batch would make the library forget the packets before it: end the
                // batch now and the connection at the next call, which comes at once.
                self.closing = true;
                if self.in_batch { Error::InsufficientBytes(1) } else { ENDED }
            }
        }
    }

    fn connect(&mut self, shared: &Shared, stream: &mut BytesMut) -> Result<Packet, Stop> {
        let is_connect = stream.first().is_some_and(|first| first >> 4 == CONNECT);
        let packet = match V4.read_mut(stream, MQTT_PACKET_BYTES_MAX) {
            Err(Error::InvalidProtocolLevel(_) | Error::InvalidProtocol) if is_connect => {
                return Ok(self.refuse(BAD_PROTOCOL));
            }
            read => read.map_err(unreadable)?,
        };
        let Packet::Connect(connect, _, will, _, login) = packet else {
            return Err("the first packet is not CONNECT".into());
        };
        let (client, keep_alive) = match admit(shared, connect, will, login) {
            Ok(admitted) => admitted,
            Err(code) => return Ok(self.refuse(code)),
        };
        self.outgoing.get_mut().greet();
        let for_library = Connect {
            // 0 means never; the library refuses it.
            keep_alive: if keep_alive == 0 { u16::MAX } else { keep_alive },
            client_id: format!("c{}", client.slot),
            clean_session: true,
        };
        let mut session = Session::new(client);
        session.begin(shared)?;
        self.phase = Phase::Open(Box::new(session));
        Ok(Packet::Connect(for_library, None, None, None, None))
    }

    /// The one CONNECT to which the library itself writes a CONNACK and then closes: an empty id
    /// with a persistent session. `write` puts the right code into it.
    fn refuse(&mut self, code: u8) -> Packet {
        self.phase = Phase::Refused(code);
        let connect = Connect { keep_alive: 1, client_id: String::new(), clean_session: false };
        Packet::Connect(connect, None, None, None, None)
    }
}

/// Takes one packet's worth from the client's allowance. Out of it, its packets wait in the buffer
/// until it sends again; when too many wait, it is dropped.
fn pay(tokens: &mut f64, at: &mut Option<Instant>, stream: &BytesMut) -> Result<(), Stop> {
    v4::check(stream.iter(), MQTT_PACKET_BYTES_MAX).map_err(unreadable)?;
    let rate = f64::from(MQTT_MESSAGES_PER_SECOND);
    let now = Instant::now();
    let passed = at.replace(now).map_or(Duration::ZERO, |before| now - before);
    *tokens = (*tokens + passed.as_secs_f64() * rate).min(rate * BURST_SECONDS);
    if *tokens < 1.0 {
        let too_many = stream.len() > 2 * MQTT_PACKET_BYTES_MAX;
        return Err(if too_many { "far over its rate".into() } else { Stop::Wait(1) });
    }
    *tokens -= 1.0;
    Ok(())
}

fn unreadable(error: Error) -> Stop {
    match error {
        Error::InsufficientBytes(bytes) => Stop::Wait(bytes),
        error => Stop::Close(error.to_string()),
    }
}

/// Lets a client in, or says with which code to refuse it. Also returns the keep-alive it asked for.
fn admit(
    shared: &Shared,
    connect: Connect,
    will: Option<LastWill>,
    login: Option<Login>,
) -> Result<(Arc<Client>, u16), u8> {
    let id = match connect.client_id {
        id if id.is_empty() && connect.clean_session => format!("auto-{}", uuid::Uuid::new_v4()),
        id => id,
    };
    if !rules::is_client_id(&id) {
        return Err(BAD_CLIENT_ID);
    }
    let identity = match &shared.credentials {
        None => Identity::Anyone,
        Some(credentials) => login
            .and_then(|login| credentials.check(&login.username, &login.password))
            .ok_or(NOT_AUTHORISED)?,
    };
    if let Some(will) = &will {
        rules::publish_route(&identity, &will.topic).map_err(|_| NOT_AUTHORISED)?;
    }
    let will = will.map(|will| Will {
        topic: Bytes::copy_from_slice(&will.topic),
        payload: Bytes::copy_from_slice(&will.message),
        retain: will.retain,
    });
    let (client, old) = shared.registry.connect(&id, identity, will).map_err(|denied| match denied {
        Denied::Full => UNAVAILABLE,
        Denied::Taken => BAD_CLIENT_ID,
    })?;
    if let Some(old) = old {
        // Before anything that the new connection says.
        if let Some(will) = old.take_will() {
            shared.execute(&old.identity, will);
        }
        shared.publisher.wake(old.wake_group());
    }
    Ok((client, connect.keep_alive))
}

impl Session {
    fn new(client: Arc<Client>) -> Self {
        let wake = Filter {
            path: wake_topic(client.wake_group()),
            qos: QoS::AtMostOnce,
            nolocal: false,
            preserve_retain: false,
            retain_forward_rule: RetainForwardRule::Never,
        };
        let subscribe = Packet::Subscribe(Subscribe { pkid: 1, filters: vec![wake] }, None);
        Session {
            client,
            queued: VecDeque::from([subscribe]),
            routes: Vec::new(),
            route_next: 0,
            subscriptions: Subscriptions::default(),
            announced: HashSet::new(),
            unreleased: Vec::new(),
        }
    }

    fn begin(&mut self, shared: &Shared) -> Result<(), Stop> {
        if let Identity::Worker(worker) = self.client.identity.clone() {
            return self.act_for(shared, &worker);
        }
        let connected = Inbound::Connected { client_id: self.client.id.clone(), worker: None };
        shared.hand(connected).ok_or(Stop::from("nobody takes messages any more"))
    }

    fn act_for(&mut self, shared: &Shared, worker: &WorkerId) -> Result<(), Stop> {
        if self.announced.len() >= MQTT_WORKERS_PER_CLIENT_MAX || !self.announced.insert(worker.clone()) {
            return Ok(());
        }
        shared.registry.act_for(&self.client, worker);
        let connected =
            Inbound::Connected { client_id: self.client.id.clone(), worker: Some(worker.clone()) };
        shared.hand(connected).ok_or(Stop::from("nobody takes messages any more"))
    }

    fn packet(
        &mut self,
        shared: &Shared,
        outgoing: &mut Outgoing,
        stream: &mut BytesMut,
    ) -> Result<Packet, Stop> {
        let frame = v4::check(stream.iter(), MQTT_PACKET_BYTES_MAX).map_err(unreadable)?;
        let (qos, pkid) = outgoing::delivery(&stream[..frame.frame_length()]).unwrap_or_default();
        if frame.byte1 >> 4 == PUBLISH {
            // A repetition is new to those that it is relayed to.
            stream[0] &= !DUP;
        }
        let answer = match V4.read_mut(stream, MQTT_PACKET_BYTES_MAX).map_err(unreadable)? {
            Packet::Publish(publish, _) => return self.publish(shared, outgoing, publish, qos, pkid),
            Packet::PubAck(ack, _) if outgoing.acknowledged(ack.pkid) => {
                match outgoing.acknowledged_in_order() {
                    Some(pkid) => {
                        return Ok(Packet::PubAck(PubAck { pkid, reason: PubAckReason::Success }, None));
                    }
                    // An earlier one is still due.
                    None => Answer::Nothing,
                }
            }
            Packet::PubAck(..) => return Err("an acknowledgement of nothing".into()),
            Packet::PubRel(release, _) => {
                self.unreleased.retain(|pkid| *pkid != release.pkid);
                Answer::PubComp(release.pkid)
            }
            Packet::Subscribe(subscribe, _) => return self.subscribe(shared, outgoing, subscribe),
            Packet::Unsubscribe(Unsubscribe { pkid, filters }, _) if !filters.is_empty() => {
                let filters = self.subscriptions.forget(filters);
                if !filters.is_empty() {
                    outgoing.unsubscribing(filters.len());
                    return Ok(Packet::Unsubscribe(Unsubscribe { pkid, filters }, None));
                }
                Answer::UnsubAck(pkid)
            }
            Packet::PingReq(_) => Answer::Pong,
            Packet::Disconnect(..) => {
                self.client.take_will();
                return Err("said DISCONNECT".into());
            }
            _ => return Err("a packet that no client sends here".into()),
        };
        outgoing.answer(answer);
        Ok(Packet::PingReq(PingReq))
    }

    fn subscribe(
        &mut self,
        shared: &Shared,
        outgoing: &mut Outgoing,
        subscribe: Subscribe,
    ) -> Result<Packet, Stop> {
        if subscribe.pkid == 0 {
            return Err("packet id 0".into());
        }
        let asked = self.subscriptions.ask(&self.client.identity, &shared.registry, subscribe.filters)?;
        for worker in &asked.workers {
            self.act_for(shared, worker)?;
        }
        if asked.filters.is_empty() {
            outgoing.answer(Answer::SubAck(subscribe.pkid, asked.codes));
            return Ok(Packet::PingReq(PingReq));
        }
        outgoing.subscribing(asked.codes);
        Ok(Packet::Subscribe(Subscribe { pkid: subscribe.pkid, filters: asked.filters }, None))
    }

    fn publish(
        &mut self,
        shared: &Shared,
        outgoing: &mut Outgoing,
        mut publish: Publish,
        qos: u8,
        pkid: u16,
    ) -> Result<Packet, Stop> {
        let (topic, known) = self.route(shared, &publish.topic)?;
        if qos == 2 && self.unreleased.contains(&pkid) {
            outgoing.answer(Answer::PubRec(pkid));
            return Ok(Packet::PingReq(PingReq));
        }
        if qos == 2 && self.unreleased.len() >= MQTT_UNRELEASED_MAX {
            return Err("too many QoS 2 messages not released".into());
        }
        let empty = publish.payload.is_empty();
        // The library forgets what is retained at any empty message: it may have those that mean it.
        let relayed = known.relayed && !(empty && !publish.retain && shared.registry.is_retained(&topic));
        if publish.retain && relayed && !shared.registry.retain(&topic, publish.payload.len()) {
            return Err("too much retained".into());
        }
        // A copy, so that what is kept of a message is its size and not that of a read buffer.
        publish.payload = Bytes::copy_from_slice(&publish.payload);
        publish.topic = topic;
        if let Route::Ingest(of_worker) = &*known.route {
            let precious = matches!(of_worker.channel, Channel::Register | Channel::Block);
            let receipt_time = (precious && qos > 0).then_some(MQTT_RECEIPT_TIME_MAX);
            shared.ingest(of_worker, publish.payload.clone(), receipt_time)?;
        }
        match (relayed, qos) {
            (true, 0 | 1) => return Ok(Packet::Publish(publish, None)),
            (true, _) => {
                self.unreleased.push(pkid);
                outgoing.answer(Answer::PubRec(pkid));
                self.queued.push_back(Packet::PingReq(PingReq));
                let message = Publish::new(publish.topic, publish.payload, publish.retain);
                return Ok(Packet::Publish(message, None));
            }
            (false, 0) => outgoing.answer(Answer::Nothing),
            (false, 1) => outgoing.answer(Answer::PubAck(pkid)),
            (false, _) => {
                self.unreleased.push(pkid);
                outgoing.answer(Answer::PubRec(pkid));
            }
        }
        Ok(Packet::PingReq(PingReq))
    }

    fn route(&mut self, shared: &Shared, topic: &Bytes) -> Result<(Bytes, Known), Stop> {
        if let Some((text, known)) = self.routes.iter().find(|(text, _)| text == topic) {
            return Ok((text.clone(), known.clone()));
        }
        let route = rules::publish_route(&self.client.identity, topic)?;
        if let Route::Ingest(of_worker) = &route {
            self.act_for(shared, &of_worker.worker)?;
        }
        let known = Known { route: Arc::new(route), relayed: shared.registry.admit_topic(topic) };
        let entry = (Bytes::copy_from_slice(topic), known);
        if self.routes.len() < ROUTES_KEPT {
            self.routes.push(entry.clone());
        } else {
            self.routes[self.route_next] = entry.clone();
            self.route_next = (self.route_next + 1) % ROUTES_KEPT;
        }
        Ok(entry)
    }

    fn end(self, shared: &Shared) {
        if let Some(will) = self.client.take_will() {
            shared.execute(&self.client.identity, will);
        }
        let gone = shared.registry.disconnect(&self.client);
        let client_id = || self.client.id.clone();
        // Nobody to tell: the platform is stopping.
        if self.announced.is_empty() && gone.is_empty() && !self.client.is_evicted() {
            let _ = shared.hand(Inbound::Gone { client_id: client_id(), worker: None });
        }
        for worker in gone {
            let _ = shared.hand(Inbound::Gone { client_id: client_id(), worker: Some(worker) });
        }
    }
}

impl Shared {
    /// Hands a worker's message to `ingest`; with a time, waits so long for its commit. Meanwhile
    /// no client is served, which is why only the rare and precious messages wait.
    fn ingest(&self, topic: &Topic, payload: Bytes, receipt_time: Option<Duration>) -> Result<(), Stop> {
        let (receipt, committed) = match receipt_time {
            Some(time) => {
                let (receipt, committed) = bounded(1);
                (Some(Receipt(receipt)), Some((committed, time)))
            }
            None => (None, None),
        };
        let message = Inbound::Publish { topic: topic.clone(), payload, receipt };
        self.hand(message).ok_or(Stop::from("nobody takes messages any more"))?;
        match committed {
            Some((committed, time)) if !self.wait(&committed, time) => {
                Err("a message that was not committed".into())
            }
            _ => Ok(()),
        }
    }

    /// Executes a will: exactly as if the client had published it.
    fn execute(&self, identity: &Identity, will: Will) {
        if self.is_stopping() {
            return;
        }
        if let Ok(Route::Ingest(topic)) = rules::publish_route(identity, &will.topic) {
            // Nobody takes messages any more: the platform is stopping.
            let _ = self.ingest(&topic, will.payload.clone(), None);
        }
        let may_retain = !will.retain || self.registry.retain(&will.topic, will.payload.len());
        if may_retain && self.registry.admit_topic(&will.topic) {
            self.publisher.relay(will.topic, will.payload, will.retain);
        }
    }
}
