//! What goes to the client: the library's packets, corrected, and the gate's own answers.
//!
//! The gate cannot write when it likes. To answer a packet itself it gives the library a PINGREQ in
//! that packet's place; the PINGRESP comes back in order with the acknowledgements before and after
//! it, and is replaced by the answer noted here.

use std::collections::VecDeque;

use bytes::{BufMut, BytesMut};
use rumqttd::protocol::v4::{self, V4};
use rumqttd::protocol::{Error, Packet, Protocol, Publish};

use super::publisher::WAKE_TOPIC;

/// The bit of a repetition in a PUBLISH's first byte. No message that the gate passes on is one, and the
/// library forgets a message's QoS but keeps this bit: between the gate's two sides it marks QoS 0.
pub(super) const DUP: u8 = 0b1000;

/// A message to pass on that was sent with QoS 0.
pub(super) fn marked_qos_0(topic: &[u8], payload: &[u8], retain: bool) -> Publish {
    let topic_bytes = u16::try_from(topic.len()).expect("a topic has few bytes");
    let mut bytes = BytesMut::with_capacity(5 + topic.len() + payload.len());
    bytes.put_u8(0x30 | DUP | u8::from(retain));
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
}

/// What the library still owes, and what to make of it.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    /// Whether CONNACK is still to be written. It goes with the first SUBACK, that of the gate's
    /// own subscription: the library mishandles a socket that breaks while it writes CONNACK.
    greeting_due: bool,
    answers: VecDeque<Answer>,
    /// Return codes for the SUBACKs to come, refused filters included.
    suback_codes: VecDeque<Vec<u8>>,
    /// How many UNSUBACKs of the library make one of ours.
    unsubacks: VecDeque<usize>,
    /// Packet ids sent with QoS 1 and whether the client has acknowledged them; the library
    /// ends a connection itself, and with it perhaps everything, when they come out of order.
    unacked: VecDeque<(u16, bool)>,
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

    /// The library is about to be given a SUBSCRIBE; these are the codes of all filters asked for.
    pub(super) fn subscribing(&mut self, codes: Vec<u8>) {
        self.suback_codes.push_back(codes);
    }

    /// The library is about to be given an UNSUBSCRIBE of so many filters, one or more.
    pub(super) fn unsubscribing(&mut self, filters: usize) {
        self.unsubacks.push_back(filters);
    }

    /// The client acknowledged a message; whether it had been sent.
    pub(super) fn acknowledged(&mut self, packet_id: u16) -> bool {
        let sent = self.unacked.iter_mut().find(|(id, done)| *id == packet_id && !done);
        sent.map(|(_, done)| *done = true).is_some()
    }

    /// The next acknowledgement that the library may see, in the order of its sending.
    pub(super) fn acknowledged_in_order(&mut self) -> Option<u16> {
        let (id, _) = self.unacked.front().filter(|(_, done)| *done).copied()?;
        self.unacked.pop_front();
        Some(id)
    }

    /// Writes a packet of the library's, as it should be. `Err` when the connection must end.
    pub(super) fn write(
        &mut self,
        packet: Packet,
        evicted: bool,
        buffer: &mut BytesMut,
    ) -> Result<usize, Error> {
        let before = buffer.len();
        match packet {
            Packet::ConnAck(..) => {}
            Packet::PingResp(_) => match self.answers.pop_front() {
                Some(answer) => write_answer(&answer, buffer),
                None => return Err(ENDED),
            },
            Packet::SubAck(..) if self.greeting_due => {
                self.greeting_due = false;
                buffer.put_slice(&[0x20, 2, 0, 0]);
            }
            Packet::SubAck(ack, _) => {
                let codes = self.suback_codes.pop_front().ok_or(ENDED)?;
                write_answer(&Answer::SubAck(ack.pkid, codes), buffer);
            }
            Packet::UnsubAck(ack, _) => {
                let due = self.unsubacks.front_mut().ok_or(ENDED)?;
                *due -= 1;
                if *due == 0 {
                    self.unsubacks.pop_front();
                    write_answer(&Answer::UnsubAck(ack.pkid), buffer);
                }
            }
            Packet::Publish(publish, _) => {
                if evicted {
                    return Err(ENDED);
                }
                self.write_publish(publish, buffer)?;
            }
            Packet::PubAck(ack, _) => write_answer(&Answer::PubAck(ack.pkid), buffer),
            _ => return Err(ENDED),
        }
        Ok(buffer.len() - before)
    }

    /// Writes a message with the lower of the QoS it was sent with and that of the subscription, which
    /// the library has put into it.
    fn write_publish(&mut self, publish: Publish, buffer: &mut BytesMut) -> Result<(), Error> {
        let before = buffer.len();
        let is_wake = publish.topic.starts_with(WAKE_TOPIC.as_bytes());
        let plain = Publish::new(publish.topic.clone(), publish.payload.clone(), publish.retain);
        V4.write(Packet::Publish(publish, None), buffer)?;
        // The library keeps these to itself, so they are read from what it wrote.
        let (qos, packet_id) = delivery(&buffer[before..]).ok_or(ENDED)?;
        let was_qos_0 = buffer[before] & DUP != 0;
        if qos > 0 {
            // What the client does not see, or sees without its packet id, is as good as acknowledged.
            self.unacked.push_back((packet_id, is_wake || was_qos_0));
        }
        if is_wake || was_qos_0 {
            buffer.truncate(before);
        }
        if was_qos_0 && !is_wake {
            V4.write(Packet::Publish(plain, None), buffer)?;
        }
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
        Answer::Nothing => {}
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
    use rumqttd::protocol::PingResp;

    /// A PUBLISH as the library has it, QoS 1 when it has a packet id.
    fn publish(topic: &str, packet_id: u8) -> Packet {
        let qos = u8::from(packet_id > 0);
        let length = u8::try_from(topic.len()).unwrap();
        let mut raw = BytesMut::new();
        raw.put_slice(&[0x30 | qos << 1, length + 3 + 2 * qos, 0, length]);
        raw.put_slice(topic.as_bytes());
        if qos > 0 {
            raw.put_slice(&[0, packet_id]);
        }
        raw.put_slice(b"x");
        V4.read_mut(&mut raw, 1000).unwrap()
    }

    #[test]
    fn qos_and_packet_id_are_found_behind_long_lengths() {
        let mut packet = vec![0x32, 0x80, 0x01, 0, 1, b't', 0x12, 0x34];
        assert_eq!(delivery(&packet), Some((1, 0x1234)));
        packet.truncate(7);
        assert_eq!(delivery(&packet), None);
        assert_eq!(delivery(&[0x30]), Some((0, 0)));
        assert_eq!(delivery(&[0x32]), None);
        assert_eq!(delivery(&[]), None);
    }

    #[test]
    fn acknowledgements_reach_the_library_in_order_only() {
        let mut outgoing = Outgoing::default();
        let mut buffer = BytesMut::new();
        for id in 1..=3 {
            outgoing.write(publish("t", id), false, &mut buffer).unwrap();
        }
        assert!(!outgoing.acknowledged(9), "never sent");
        assert!(outgoing.acknowledged(2));
        assert_eq!(outgoing.acknowledged_in_order(), None);
        assert!(outgoing.acknowledged(1));
        assert!(!outgoing.acknowledged(1), "twice");
        assert_eq!(outgoing.acknowledged_in_order(), Some(1));
        assert_eq!(outgoing.acknowledged_in_order(), Some(2));
        assert_eq!(outgoing.acknowledged_in_order(), None);
    }

    #[test]
    fn wake_ups_are_never_seen_and_end_what_was_taken_over() {
        let mut outgoing = Outgoing::default();
        let mut buffer = BytesMut::new();
        assert_eq!(outgoing.write(publish("gate wake/3", 0), false, &mut buffer).unwrap(), 0);
        assert_eq!(outgoing.write(publish("gate wake/3", 1), false, &mut buffer).unwrap(), 0);
        assert_eq!(outgoing.acknowledged_in_order(), Some(1));
        assert!(buffer.is_empty());
        assert!(outgoing.write(publish("gate wake/3", 0), true, &mut buffer).is_err());
    }

    #[test]
    fn a_message_of_qos_0_is_written_as_one_and_acknowledged_by_the_gate() {
        let mut outgoing = Outgoing::default();
        let mut buffer = BytesMut::new();
        let mut raw = BytesMut::from(&[0x32 | DUP, 6, 0, 1, b't', 0, 7, b'x'][..]);
        outgoing.write(V4.read_mut(&mut raw, 1000).unwrap(), false, &mut buffer).unwrap();
        outgoing.write(Packet::Publish(marked_qos_0(b"t", b"x", true), None), false, &mut buffer).unwrap();
        assert_eq!(&buffer[..], [0x30, 4, 0, 1, b't', b'x', 0x31, 4, 0, 1, b't', b'x']);
        assert_eq!(outgoing.acknowledged_in_order(), Some(7));
        assert_eq!(outgoing.acknowledged_in_order(), None);
    }

    #[test]
    fn answers_take_the_place_of_pongs() {
        let mut outgoing = Outgoing::default();
        let mut buffer = BytesMut::new();
        outgoing.answer(Answer::PubRec(258));
        outgoing.answer(Answer::SubAck(1, vec![0x80, 1]));
        for _ in 0..2 {
            outgoing.write(Packet::PingResp(PingResp), false, &mut buffer).unwrap();
        }
        assert_eq!(&buffer[..], [0x50, 2, 1, 2, 0x90, 4, 0, 1, 0x80, 1]);
        assert!(outgoing.write(Packet::PingResp(PingResp), false, &mut buffer).is_err());
    }
}
