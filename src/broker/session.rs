//! One connected client: what becomes of each of its packets.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use crossbeam_channel::bounded;
use rumqttd::protocol::v4::{self, V4};
use rumqttd::protocol::{
    Error, Filter, Packet, PingReq, Protocol, Publish, QoS, RetainForwardRule, Subscribe, Unsubscribe,
};

use super::complaints::{Kind, Shown};
use super::outgoing::{self, Answer, DUP, Outgoing};
use super::publisher::wake_topic;
use super::registry::{Client, Will};
use super::rules::{self, Route};
use super::server::Shared;
use super::strict;
use super::subscriptions::Subscriptions;
use super::{Identity, Inbound, Receipt};
use crate::base::WorkerId;
use crate::base::ids::IdError;
use crate::base::limits::{
    MQTT_PACKET_BYTES_MAX, MQTT_RECEIPT_TIME_MAX, MQTT_UNRELEASED_MAX, MQTT_WORKERS_PER_CLIENT_MAX,
};
use crate::protocol::{Channel, Command, RegisterAck, Topic};

/// The type of a PUBLISH, in the high half of its first byte.
const PUBLISH: u8 = 3;

/// Topics that a connection remembers having checked: a worker has four.
const ROUTES_KEPT: usize = 8;
/// Why a packet is not given to the library.
pub(super) enum Stop {
    /// Not all there yet.
    Wait(usize),
    /// There, but more than the client may send now.
    Slow,
    /// The connection ends, for this reason.
    Close(String),
}

impl From<&'static str> for Stop {
    fn from(why: &'static str) -> Self {
        Stop::Close(why.to_owned())
    }
}

/// What the codec could not read.
pub(super) fn unreadable(error: Error) -> Stop {
    match error {
        Error::InsufficientBytes(bytes) => Stop::Wait(bytes),
        error => Stop::Close(error.to_string()),
    }
}

/// What the gate knows of its client.
pub(super) struct Session {
    pub(super) client: Arc<Client>,
    /// Packets to give to the library before the next from the socket.
    pub(super) queued: VecDeque<Packet>,
    routes: Vec<(Bytes, Known)>,
    route_next: usize,
    pub(super) subscriptions: Subscriptions,
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

impl Session {
    /// A session whose first packet is the gate's own subscription.
    pub(super) fn new(client: Arc<Client>) -> Self {
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

    pub(super) fn begin(&mut self, shared: &Shared) -> Result<(), Stop> {
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

    /// Reads the client's next packet: what the library is to be given for it, if anything.
    pub(super) fn packet(
        &mut self,
        shared: &Shared,
        outgoing: &mut Outgoing,
        stream: &mut BytesMut,
    ) -> Result<Option<Packet>, Stop> {
        let frame = v4::check(stream.iter(), MQTT_PACKET_BYTES_MAX).map_err(unreadable)?;
        strict::check(frame.byte1, &stream[frame.fixed_header_len..frame.frame_length()])?;
        let (qos, pkid) = outgoing::delivery(&stream[..frame.frame_length()]).unwrap_or_default();
        if frame.byte1 >> 4 == PUBLISH {
            if qos == 0 && frame.byte1 & DUP != 0 {
                return Err("a repetition with QoS 0".into());
            }
            // A repetition is new to those that it is relayed to; from here on the bit says QoS 0.
            stream[0] = if qos == 0 { frame.byte1 | DUP } else { frame.byte1 & !DUP };
        }
        let answer = match V4.read_mut(stream, MQTT_PACKET_BYTES_MAX).map_err(unreadable)? {
            Packet::Publish(publish, _) => {
                return self.publish(shared, outgoing, publish, qos, pkid).map(Some);
            }
            Packet::PubAck(ack, _) if outgoing.acknowledged(ack.pkid) => return Ok(None),
            Packet::PubAck(..) => return Err("an acknowledgement of nothing".into()),
            Packet::PubRel(release, _) => {
                self.unreleased.retain(|pkid| *pkid != release.pkid);
                Answer::PubComp(release.pkid)
            }
            Packet::Subscribe(subscribe, _) => {
                return self.subscribe(shared, outgoing, subscribe).map(Some);
            }
            Packet::Unsubscribe(Unsubscribe { pkid, filters }, _) if !filters.is_empty() => {
                filters.iter().try_for_each(|filter| rules::check_filter(filter))?;
                let filters = self.subscriptions.forget(filters);
                if !filters.is_empty() {
                    outgoing.unsubscribing(&filters);
                    return Ok(Some(Packet::Unsubscribe(Unsubscribe { pkid, filters }, None)));
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
        Ok(Some(Packet::PingReq(PingReq)))
    }

    fn subscribe(
        &mut self,
        shared: &Shared,
        outgoing: &mut Outgoing,
        subscribe: Subscribe,
    ) -> Result<Packet, Stop> {
        let asked = self.subscriptions.ask(&self.client.identity, shared, subscribe.filters)?;
        if let Some((filter, why)) = &asked.refused {
            let client = Shown(self.client.id.as_bytes());
            let filter = Shown(filter.as_bytes());
            let what = format_args!("client {client}: may not subscribe to {filter}: {why}");
            shared.complaints.say(Kind::Subscribe, what);
        }
        for worker in &asked.workers {
            self.act_for(shared, worker)?;
        }
        if asked.filters.is_empty() {
            outgoing.answer(Answer::SubAck(subscribe.pkid, asked.codes));
            return Ok(Packet::PingReq(PingReq));
        }
        outgoing.subscribing(asked.codes, asked.owed);
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
        let relayed = known.relayed;
        // A copy, so that what is kept of a message is its size and not that of a read buffer.
        publish.payload = Bytes::copy_from_slice(&publish.payload);
        publish.topic = topic;
        // Only removes what is retained: a worker says nothing with it.
        let is_removal = publish.retain && publish.payload.is_empty();
        if publish.retain {
            if relayed && !shared.retained.retain(&publish.topic, &publish.payload, qos == 0) {
                return Err("too much retained".into());
            }
            // The library need not know: those who are subscribed already get it as any other message.
            publish.retain = false;
        }
        match &*known.route {
            _ if is_removal => {}
            Route::Ingest(of_worker) => {
                let precious = matches!(of_worker.channel, Channel::Register | Channel::Block);
                let receipt_time = (precious && qos > 0).then_some(MQTT_RECEIPT_TIME_MAX);
                shared.ingest(of_worker, publish.payload.clone(), receipt_time)?;
            }
            Route::Misnamed(answer) => shared.refuse_registration(answer),
            Route::Relay => {}
        }
        match (relayed, qos) {
            (true, 0 | 1) => return Ok(Packet::Publish(publish, None)),
            (true, _) => {
                self.unreleased.push(pkid);
                outgoing.answer(Answer::PubRec(pkid));
                self.queued.push_back(Packet::PingReq(PingReq));
                let message = Publish::new(publish.topic, publish.payload, false);
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
        let complain = |kind, why: &str| {
            let (client, topic) = (Shown(self.client.id.as_bytes()), Shown(topic));
            shared.complaints.say(kind, format_args!("client {client}: publish on {topic}: {why}"));
        };
        let route = match rules::publish_route(&self.client.identity, topic) {
            Ok(route) => route,
            Err(why) => {
                complain(Kind::Publish, why);
                return Err(why.into());
            }
        };
        match &route {
            Route::Ingest(of_worker) => self.act_for(shared, &of_worker.worker)?,
            Route::Relay if !topic.starts_with(b"xenminer/") => {}
            Route::Relay | Route::Misnamed(_) => {
                complain(Kind::Id, "only relayed, for it holds no valid worker id and channel");
            }
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

    pub(super) fn end(self, shared: &Shared) {
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

    /// Tells whoever registers under what is no worker's id why there will be no other answer.
    fn refuse_registration(&self, answer: &str) {
        let reason = Some(format!("worker_id: {}", IdError::Name));
        let refusal = Command::RegisterAck(RegisterAck { accepted: false, reason });
        let payload = serde_json::to_vec(&refusal).expect("a command is JSON");
        // Full: as with every topic beyond that budget, no subscriber hears of it; the log tells.
        if self.registry.admit_topic(answer.as_bytes()) {
            let topic = Bytes::copy_from_slice(answer.as_bytes());
            self.publisher.relay(Publish::new(topic, payload.into(), false));
        }
    }

    /// Executes a will: exactly as if the client had published it.
    pub(super) fn execute(&self, identity: &Identity, will: Will) {
        if self.is_stopping() {
            return;
        }
        if let Ok(Route::Ingest(topic)) = rules::publish_route(identity, &will.topic) {
            // Nobody takes messages any more: the platform is stopping.
            let _ = self.ingest(&topic, will.payload.clone(), None);
        }
        if self.registry.admit_topic(&will.topic) {
            // Beyond the budget it is only passed on: its client is gone and cannot be told.
            let _ = will.retain && self.retained.retain(&will.topic, &will.payload, will.is_qos_0);
            self.publisher.relay(will.message());
        }
    }
}
