//! The gate: what stands between one socket and the library. See the head of the room.

use std::cell::RefCell;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use rumqttd::protocol::v4::{self, V4};
use rumqttd::protocol::{Connect, Error, LastWill, Login, Packet, PingReq, Protocol, QoS};

use super::Identity;
use super::allowance::Allowance;
use super::complaints::{Kind, Shown};
use super::outgoing::{self, Outgoing, Reader};
use super::registry::{Client, Denied, Will};
use super::rules;
use super::server::Shared;
use super::session::{Session, Stop, unreadable};
use super::strict;
use crate::base::WorkerId;
use crate::base::limits::MQTT_PACKET_BYTES_MAX;

/// CONNACK codes of MQTT 3.1.1, section 3.2.2.3.
const BAD_PROTOCOL: u8 = 1;
const BAD_CLIENT_ID: u8 = 2;
const UNAVAILABLE: u8 = 3;
const NOT_AUTHORISED: u8 = 5;

/// A packet's type, in the high half of its first byte.
const CONNECT: u8 = 1;

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
    allowance: Allowance,
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
            allowance: Allowance::default(),
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
                let to = Reader {
                    client: &session.client,
                    subscriptions: &session.subscriptions,
                    retained: &self.shared.retained,
                };
                let mut outgoing = socket.outgoing.borrow_mut();
                let written = outgoing.write(packet, &to, buffer);
                if written.is_err() && outgoing.is_full() {
                    let client = Shown(session.client.id.as_bytes());
                    let what = format_args!("client {client}: dropped: it acknowledges nothing");
                    self.shared.complaints.say(Kind::Acknowledge, what);
                }
                written
            }
        }
    }
}

impl Socket {
    fn next(&mut self, shared: &Arc<Shared>, stream: &mut BytesMut) -> Result<Packet, Error> {
        if self.closing {
            return Err(ENDED);
        }
        let result = match &mut self.phase {
            Phase::New { crowded: true } | Phase::Refused(_) => return Err(ENDED),
            Phase::New { .. } => self.connect(shared, stream),
            Phase::Open(session) if session.client.is_evicted() => return Err(ENDED),
            Phase::Open(session) => {
                let outgoing = self.outgoing.get_mut();
                loop {
                    if let Some(packet) = session.queued.pop_front() {
                        return Ok(packet);
                    }
                    if outgoing.asks_for_a_piece() {
                        return Ok(Packet::PingReq(PingReq));
                    }
                    // The library takes a batch when it ends. What came before a message that waits for its
                    // commit, such as the subscription that its answer needs, must not wait with it.
                    if self.in_batch && outgoing::waits_for_commit(stream) {
                        return Err(Error::InsufficientBytes(1));
                    }
                    let paid = if shared.rate_limited { self.allowance.pay(stream) } else { Ok(()) };
                    match paid.and_then(|()| session.packet(shared, outgoing, stream)) {
                        Ok(Some(packet)) => return Ok(packet),
                        // An acknowledgement, which is the gate's.
                        Ok(None) => {}
                        Err(stop) => break Err(stop),
                    }
                }
            }
        };
        result.map_err(|stop| self.stop(shared, stop))
    }

    fn stop(&mut self, shared: &Arc<Shared>, stop: Stop) -> Error {
        match stop {
            Stop::Wait(bytes) => Error::InsufficientBytes(bytes),
            Stop::Slow => {
                if let Phase::Open(session) = &self.phase {
                    shared.wake_later(session.client.wake_group());
                }
                Error::InsufficientBytes(1)
            }
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
        let frame = v4::check(stream.iter(), MQTT_PACKET_BYTES_MAX).map_err(unreadable)?;
        // Another protocol's CONNECT is told so, whatever else it holds.
        let strictly = strict::check(frame.byte1, &stream[frame.fixed_header_len..frame.frame_length()]);
        let packet = match V4.read_mut(stream, MQTT_PACKET_BYTES_MAX) {
            Err(Error::InvalidProtocolLevel(_) | Error::InvalidProtocol) if is_connect => {
                return Ok(self.refuse(BAD_PROTOCOL));
            }
            read => read.map_err(unreadable)?,
        };
        strictly?;
        let Packet::Connect(connect, _, will, _, login) = packet else {
            return Err("the first packet is not CONNECT".into());
        };
        let voidings = shared.registry.voidings();
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
        // Revoked between the look at its token and its place in the table, where it would have been found.
        if shared.registry.voidings() != voidings {
            session.client.doubt();
        }
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
    let refused = |kind, why: &str| {
        shared.complaints.say(kind, format_args!("client {}: refused: {why}", Shown(id.as_bytes())));
    };
    if !rules::is_client_id(&id) {
        refused(Kind::Id, "not a client id: 1 to 160 visible ASCII characters");
        return Err(BAD_CLIENT_ID);
    }
    let admission = match &shared.credentials {
        None => Identity::Anyone.into(),
        Some(credentials) => {
            let known = login.as_ref().map(|login| credentials.check(&login.username, &login.password));
            known.flatten().ok_or_else(|| {
                refused(Kind::Login, &unknown_login(login.as_ref()));
                NOT_AUTHORISED
            })?
        }
    };
    if let Some(will) = &will {
        rules::publish_route(&admission.identity, &will.topic).map_err(|why| {
            refused(Kind::Publish, &format!("its will on {}: {why}", Shown(&will.topic)));
            NOT_AUTHORISED
        })?;
    }
    let will = will.map(|will| Will {
        topic: Bytes::copy_from_slice(&will.topic),
        payload: Bytes::copy_from_slice(&will.message),
        retain: will.retain,
        is_qos_0: will.qos == QoS::AtMostOnce,
    });
    let (client, old) = shared.registry.connect(&id, admission, will).map_err(|denied| match denied {
        Denied::Full => UNAVAILABLE,
        Denied::Taken => {
            refused(Kind::Id, "the client id is in use by another login");
            BAD_CLIENT_ID
        }
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

/// Why a login is refused. The user's name is only told where it cannot be a secret in the wrong place.
fn unknown_login(login: Option<&Login>) -> String {
    match login {
        None => "it gave no user name and password".to_owned(),
        Some(login) => match login.username.parse::<WorkerId>() {
            Ok(worker) if !login.password.is_empty() && !rules::may_be_secret(worker.as_str()) => {
                format!("no valid token of worker {worker}")
            }
            Ok(_) => "no valid token of the worker that it names".to_owned(),
            Err(_) => "its user name is no worker's id".to_owned(),
        },
    }
}
