//! What MQTT 3.1.1 forbids and the library's codec lets pass. Numbers in brackets are those of the
//! standard's own statements.

/// Types of packets, in the high half of the first byte.
const CONNECT: u8 = 1;
const PUBLISH: u8 = 3;
const PUBREL: u8 = 6;
const SUBSCRIBE: u8 = 8;
const UNSUBSCRIBE: u8 = 10;
const PINGREQ: u8 = 12;

/// Bits of CONNECT's flags (section 3.1.2.3).
const RESERVED: u8 = 0x01;
const WILL: u8 = 0x04;
const PASSWORD: u8 = 0x40;
const USER: u8 = 0x80;

/// Whether a packet, given by its first byte and what follows the length, is one that a client may
/// send; or why it ends the connection.
pub(super) fn check(first: u8, body: &[u8]) -> Result<(), &'static str> {
    if !has_the_flags_of_its_type(first) {
        return Err("the flags of a packet are not those of its type");
    }
    match first >> 4 {
        CONNECT => connect(body).unwrap_or(Err("a CONNECT that is too short")),
        PUBREL if body.len() != 2 => Err("a PUBREL that is not two bytes long"),
        // [MQTT-2.3.1-1]
        PUBREL | SUBSCRIBE | UNSUBSCRIBE if body.starts_with(&[0, 0]) => Err("packet id 0"),
        SUBSCRIBE => subscribe(body.get(2..).unwrap_or_default()),
        PINGREQ if !body.is_empty() => Err("a PINGREQ with something in it"),
        _ => Ok(()),
    }
}

/// The low half of the first byte (table 2.2) [MQTT-2.2.2-2].
fn has_the_flags_of_its_type(first: u8) -> bool {
    match (first >> 4, first & 0x0f) {
        (PUBLISH, _) => true,
        (PUBREL | SUBSCRIBE | UNSUBSCRIBE, flags) => flags == 0b0010,
        (_, flags) => flags == 0,
    }
}

/// `None` when it ends too early.
fn connect(body: &[u8]) -> Option<Result<(), &'static str>> {
    let (_protocol, rest) = field(body)?;
    let (_level, rest) = rest.split_first()?;
    let (&flags, rest) = rest.split_first()?;
    let (_client_id, mut rest) = field(rest.get(2..)?)?;
    // [MQTT-3.1.2-3], [MQTT-3.1.2-22]
    if flags & RESERVED != 0 {
        return Some(Err("the reserved flag of CONNECT is set"));
    }
    if flags & PASSWORD != 0 && flags & USER == 0 {
        return Some(Err("a password without a user name"));
    }
    if flags & WILL != 0 {
        let (_topic, message) = field(rest)?;
        rest = field(message)?.1;
    }
    if flags & USER != 0 {
        let (user, after) = field(rest)?;
        // [MQTT-1.5.3-2]
        if user.contains(&0) {
            return Some(Err("a user name with a null character"));
        }
        rest = after;
    }
    if flags & PASSWORD != 0 {
        rest = field(rest)?.1;
    }
    Some(rest.is_empty().then_some(()).ok_or("more in a CONNECT than its flags say"))
}

/// The bits above a filter's QoS must be 0 [MQTT-3.8.3-4]. What is malformed otherwise the codec finds.
fn subscribe(mut filters: &[u8]) -> Result<(), &'static str> {
    while let Some((options, rest)) = field(filters).and_then(|(_, rest)| rest.split_first()) {
        if *options > 2 {
            return Err("a QoS that is none");
        }
        filters = rest;
    }
    Ok(())
}

/// A length of two bytes and so many bytes, and what follows.
fn field(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}
