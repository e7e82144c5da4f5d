//! What goes to the client: the library's packets, corrected, and the gate's own answers.
//!
//! The gate cannot write when it likes. To answer a packet itself it gives the library a PINGREQ in
//! that packet's place; the PINGRESP comes back in order with the acknowledgements before and after
//! it, and is replaced by the answer noted here.

use std::collections::VecDeque;

use bytes::{BufMut, BytesMut};
use rumqttd::protocol::v4::{self, V4};
use rumqttd::protocol::{Error, Packet, Protocol, Publish};

use super::in_flight::InFlight;
use super::publisher::WAKE_TOPIC;
use super::registry::Client;
use super::retained::{Backlog, Message, Owed, Retained};
use super::subscriptions::Subscriptions;

/// The bit of a repetition in a PUBLISH's first byte. No message that the gate passes on is one, and the
/// library forgets a message's QoS but keeps this bit: between the gate's two sides it marks QoS 0.
pub(super) const DUP: u8 = 0b1000;

/// A message to pass on that was sent with QoS 0.
pub(super) fn marked_qos_0(topic: &[u8], payload: &[u8]) -> Publish {
    let topic_bytes = u16::try_from(topic.len()).expect("a topic has few bytes");
    let mut bytes = BytesMut::with_capacity(5 + topic.len() + payload.len());
    bytes.put_u8(0x30 | DUP);
    bytes.put_u16(0);
    bytes.put_u16(topic_bytes);
    bytes.put_slice(topic);
    bytes.put_slice(payload);
    Publish::deserialize(bytes.freeze())
}

/// An answer of the gate's own.
#[derive(Debug)]
pub(super) enum Answer {
    Nothing,
    Pong,
    PubAck(u16),
    PubRec(u16),
    PubComp(u16),
    SubAck(u16, Vec<u8>),
    UnsubAck(u16),
    /// Retained messages.
    Piece,
}

/// What the library still owes, and what to make of it.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    /// Whether CONNACK is still to be written. It goes with the first SUBACK, that of the gate's
    /// own subscription: the library mishandles a socket that breaks while it writes CONNACK.
    greeting_due: bool,
    answers: VecDeque<Answer>,
    /// For the SUBACKs to come: return codes, refused filters included, and what follows.
    subacks: VecDeque<(Vec<u8>, Vec<Owed>)>,
    /// How many UNSUBACKs of the library make one of ours.
    unsubacks: VecDeque<usize>,
    in_flight: InFlight,
    backlog: Backlog,
}

/// To whom it goes.
pub(super) struct Reader<'a> {
    pub(super) client: &'a Client,
    pub(super) subscriptions: &'a Subscriptions,
    pub(super) retained: &'a Retained,
}

/// What the library says when its connection has been taken over.
const ENDED: Error = Error::InvalidProtocol;

impl Outgoing {
    /// CONNACK is to be written in place of the next SUBACK.
    pub(super) fn greet(&mut self) {
        self.greeting_due = true;
    }

    /// The library is about to be given a PINGREQ for this.
    pub(super) fn answer(&mut self, answer: Answer) {
        self.answers.push_back(answer);
    }

    /// The library is about to be given a SUBSCRIBE; these are the codes of all filters asked for, and
    /// the retained messages that those granted bring.
    pub(super) fn subscribing(&mut self, codes: Vec<u8>, owed: Vec<Owed>) {
        self.subacks.push_back((codes, owed));
    }

    /// The library is about to be given an UNSUBSCRIBE of these filters, one or more.
    pub(super) fn unsubscribing(&mut self, filters: &[String]) {
        self.unsubacks.push_back(filters.len());
        self.backlog.forget(filters);
        // What a SUBACK still to come would bring is owed no more either.
        for (_, owed) in &mut self.subacks {
            owed.retain(|owed| !filters.contains(&owed.filter));
        }
    }

    /// The client acknowledged a message; whether it had been sent.
    pub(super) fn acknowledged(&mut self, packet_id: u16) -> bool {
        self.in_flight.acknowledge(packet_id)
    }

    /// Whether the client leaves too many messages unacknowledged.
    pub(super) fn is_full(&self) -> bool {
        self.in_flight.is_full()
    }

    /// Whether the library is to be given a PINGREQ now, in whose answer's place retained messages go:
    /// the next piece is asked for when the socket has taken the one before.
    pub(super) fn asks_for_a_piece(&mut self) -> bool {
        let asks = self.backlog.ask(self.in_flight.len());
        if asks {
            self.answer(Answer::Piece);
        }
        asks
    }

    /// Writes a packet of the library's, as it should be. `Err` when the connection must end.
    pub(super) fn write(
        &mut self,
        packet: Packet,
        to: &Reader<'_>,
        buffer: &mut BytesMut,
    ) -> Result<usize, Error> {
        let before = buffer.len();
        match packet {
            Packet::ConnAck(..) => {}
            Packet::PingResp(_) => match self.answers.pop_front() {
                Some(Answer::Piece) => self.write_piece(to, buffer)?,
                Some(answer) => write_answer(&answer, buffer),
                None => return Err(ENDED),
            },
            Packet::SubAck(..) if self.greeting_due => {
                self.greeting_due = false;
                buffer.put_slice(&[0x20, 2, 0, 0]);
            }
            Packet::SubAck(ack, _) => {
                let (codes, owed) = self.subacks.pop_front().ok_or(ENDED)?;
                write_answer(&Answer::SubAck(ack.pkid, codes), buffer);
                for owed in owed {
                    self.backlog.begin(owed);
                }
            }
            Packet::UnsubAck(ack, _) => {
                let due = self.unsubacks.front_mut().ok_or(ENDED)?;
                *due -= 1;
                if *due == 0 {
                    self.unsubacks.pop_front();
                    write_answer(&Answer::UnsubAck(ack.pkid), buffer);
                }
            }
            Packet::Publish(publish, _) => self.write_publish(publish, to, buffer)?,
            Packet::PubAck(ack, _) => write_answer(&Answer::PubAck(ack.pkid), buffer),
            _ => return Err(ENDED),
        }
        Ok(buffer.len() - before)
    }

    /// Writes a message with the lower of the QoS it was sent with and that of the subscription.
    fn write_publish(
        &mut self,
        publish: Publish,
        to: &Reader<'_>,
        buffer: &mut BytesMut,
    ) -> Result<(), Error> {
        if to.client.is_evicted() {
            return Err(ENDED);
        }
        if publish.topic.starts_with(WAKE_TOPIC.as_bytes()) {
            return Ok(());
        }
        let before = buffer.len();
        let (topic, payload) = (publish.topic.clone(), publish.payload.clone());
        V4.write(Packet::Publish(publish, None), buffer)?;
        // The library keeps this to itself, so it is read from what it wrote.
        let was_qos_0 = buffer[before] & DUP != 0;
        buffer[before] &= !DUP;
        if !was_qos_0 && to.subscriptions.qos(&topic) > 0 {
            buffer.truncate(before);
            self.write_message(&Message { topic, payload, qos: 1 }, false, buffer)?;
        }
        Ok(())
    }

    /// Writes retained messages, if there are any and the client keeps up with its acknowledgements.
    fn write_piece(&mut self, to: &Reader<'_>, buffer: &mut BytesMut) -> Result<(), Error> {
        if to.client.is_evicted() {
            return Err(ENDED);
        }
        let messages = self.backlog.read(to.retained, &to.client.identity, self.in_flight.len());
        messages.iter().try_for_each(|message| self.write_message(message, true, buffer))
    }

    fn write_message(
        &mut self,
        message: &Message,
        is_retained: bool,
        buffer: &mut BytesMut,
    ) -> Result<(), Error> {
        let Message { topic, payload, qos } = message;
        let packet_id = if *qos > 0 { Some(self.in_flight.next().ok_or(ENDED)?) } else { None };
        buffer.put_u8(0x30 | u8::from(packet_id.is_some()) << 1 | u8::from(is_retained));
        let length = 2 + topic.len() + packet_id.map_or(0, |_| 2) + payload.len();
        v4::write_remaining_length(buffer, length)?;
        buffer.put_u16(u16::try_from(topic.len()).map_err(|_| ENDED)?);
        buffer.put_slice(topic);
        if let Some(packet_id) = packet_id {
            buffer.put_u16(packet_id);
        }
        buffer.put_slice(payload);
        Ok(())
    }
}

/// QoS and packet id (0 for QoS 0) of a whole PUBLISH packet; `None` when it is malformed.
pub(super) fn delivery(packet: &[u8]) -> Option<(u8, u16)> {
    let qos = packet.first()? >> 1 & 0b11;
    if qos == 0 {
        return Some((0, 0));
    }
    let (_, rest) = topic_of(packet)?;
    Some((qos, u16::from_be_bytes(rest.first_chunk().copied()?)))
}

/// Whether a packet, as far as it is there, is a PUBLISH that is acknowledged only after a commit.
pub(super) fn waits_for_commit(packet: &[u8]) -> bool {
    let is_publish = packet.first().is_some_and(|first| first >> 4 == 3);
    let topic = topic_of(packet).filter(|_| is_publish).map(|(topic, _)| topic).unwrap_or_default();
    topic.ends_with(b"/register") || topic.ends_with(b"/block")
}

/// The topic of a PUBLISH packet, and what follows it.
fn topic_of(packet: &[u8]) -> Option<(&[u8], &[u8])> {
    let length_bytes = 1 + packet.get(1..)?.iter().take(3).take_while(|byte| **byte >= 0x80).count();
    let body = packet.get(1 + length_bytes..)?;
    let topic_bytes = usize::from(u16::from_be_bytes(body.first_chunk().copied()?));
    body[2..].split_at_checked(topic_bytes)
}

fn write_answer(answer: &Answer, buffer: &mut BytesMut) {
    let short = |first: u8, id: u16, buffer: &mut BytesMut| {
        buffer.put_slice(&[first, 2]);
        buffer.put_u16(id);
    };
    match answer {
        Answer::Nothing | Answer::Piece => {}
        Answer::Pong => buffer.put_slice(&[0xd0, 0]),
        Answer::PubAck(id) => short(0x40, *id, buffer),
        Answer::PubRec(id) => short(0x50, *id, buffer),
        Answer::PubComp(id) => short(0x70, *id, buffer),
        Answer::UnsubAck(id) => short(0xb0, *id, buffer),
        Answer::SubAck(id, codes) => {
            buffer.put_u8(0x90);
            v4::write_remaining_length(buffer, 2 + codes.len()).expect("a code is less than its filter");
            buffer.put_u16(*id);
            buffer.put_slice(codes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::Identity;
    use crate::broker::registry::Registry;
    use rumqttd::protocol::{PingResp, SubAck};

    /// A client with one filter, and what has been written to it.
    struct Wire {
        outgoing: Outgoing,
        registry: Registry,
        client: std::sync::Arc<Client>,
        subscriptions: Subscriptions,
        retained: Retained,
        buffer: BytesMut,
    }

    impl Wire {
        fn new(filter: &str, qos: u8) -> Self {
            let registry = Registry::new(9);
            let (client, _) = registry.connect("client", Identity::Anyone, None).unwrap();
            Wire {
                outgoing: Outgoing::default(),
                registry,
                client,
                subscriptions: Subscriptions::from_iter([(filter, qos)]),
                retained: Retained::default(),
                buffer: BytesMut::new(),
            }
        }

        fn write(&mut self, packet: Packet) -> Result<usize, Error> {
            let to =
                Reader { client: &self.client, subscriptions: &self.subscriptions, retained: &self.retained };
            self.outgoing.write(packet, &to, &mut self.buffer)
        }

        fn publish(&mut self, topic: &'static str) -> Result<usize, Error> {
            self.write(Packet::Publish(Publish::new(topic, "x", false), None))
        }
    }

    #[test]
    fn the_packet_id_is_found_behind_a_long_length() {
        let mut packet = vec![0x32, 0x80, 0x01, 0, 1, b't', 0x12, 0x34];
        assert_eq!(delivery(&packet), Some((1, 0x1234)));
        packet.truncate(7);
        assert_eq!(delivery(&packet), None);
        assert_eq!(delivery(&[0x30]), Some((0, 0)));
        assert_eq!(delivery(&[0x32]), None);
        assert_eq!(delivery(&[]), None);
    }

    #[test]
    fn messages_get_ids_of_the_gates_own() {
        let mut wire = Wire::new("#", 1);
        for _ in 0..2 {
            wire.publish("t").unwrap();
        }
        assert_eq!(&wire.buffer[..], [0x32, 6, 0, 1, b't', 0, 1, b'x', 0x32, 6, 0, 1, b't', 0, 2, b'x']);
        assert!(!wire.outgoing.acknowledged(9), "never sent");
        assert!(wire.outgoing.acknowledged(2) && wire.outgoing.acknowledged(1));
        assert!(!wire.outgoing.acknowledged(1), "twice");
    }

    #[test]
    fn wake_ups_are_never_seen_and_end_what_was_taken_over() {
        let mut wire = Wire::new("#", 1);
        assert_eq!(wire.publish("gate wake/3").unwrap(), 0);
        assert!(wire.buffer.is_empty());
        let _successor = wire.registry.connect("client", Identity::Anyone, None).unwrap();
        assert!(wire.publish("gate wake/3").is_err());
    }

    #[test]
    fn a_message_of_qos_0_is_written_as_one() {
        let mut wire = Wire::new("t", 1);
        wire.write(Packet::Publish(marked_qos_0(b"t", b"x"), None)).unwrap();
        assert_eq!(&wire.buffer[..], [0x30, 4, 0, 1, b't', b'x']);
    }

    #[test]
    fn who_acknowledges_nothing_is_dropped_in_the_end() {
        let mut wire = Wire::new("t", 1);
        while wire.publish("t").is_ok() {
            wire.buffer.clear();
        }
        assert!(wire.outgoing.is_full());
    }

    #[test]
    fn answers_take_the_place_of_pongs() {
        let mut wire = Wire::new("t", 1);
        wire.outgoing.answer(Answer::PubRec(258));
        wire.outgoing.answer(Answer::SubAck(1, vec![0x80, 1]));
        for _ in 0..2 {
            wire.write(Packet::PingResp(PingResp)).unwrap();
        }
        assert_eq!(&wire.buffer[..], [0x50, 2, 1, 2, 0x90, 4, 0, 1, 0x80, 1]);
        assert!(wire.write(Packet::PingResp(PingResp)).is_err());
    }

    #[test]
    fn retained_messages_follow_the_suback_one_piece_at_a_time() {
        let mut wire = Wire::new("t", 1);
        assert!(wire.retained.retain(&"t".into(), &"x".into(), false));
        let owed = wire.retained.owed("t".to_owned(), 1);
        wire.outgoing.subscribing(vec![1], vec![owed]);
        assert!(!wire.outgoing.asks_for_a_piece(), "not before the SUBACK");
        wire.write(Packet::SubAck(SubAck { pkid: 5, return_codes: vec![] }, None)).unwrap();
        assert!(wire.outgoing.asks_for_a_piece() && !wire.outgoing.asks_for_a_piece());
        wire.write(Packet::PingResp(PingResp)).unwrap();
        assert_eq!(&wire.buffer[..], [0x90, 3, 0, 5, 1, 0x33, 6, 0, 1, b't', 0, 1, b'x']);
        assert!(!wire.outgoing.asks_for_a_piece(), "all is sent");
    }
}
