//! Retained messages, and messages with QoS 1 that are not acknowledged.

use std::collections::HashMap;

use super::mqtt_client::{Connect, Packet, RawClient, field, packet, publish, subscribe};
use super::{Harness, until};

/// How many topics there are.
const MANY: usize = 5000;

/// A house in which `kept/N/a` is retained for so many N, half of them with QoS 0.
fn house_with(topics: usize) -> Harness {
    let house = Harness::open();
    let mut writer = house.connect("writer");
    for n in 0..topics {
        let qos = u8::from(n % 2 == 0);
        writer.send(&publish(format!("kept/{n}/a").as_bytes(), format!("{n}").as_bytes(), qos, 1, true));
        if qos == 1 {
            assert_eq!(writer.read().unwrap().first, 0x40);
        }
    }
    assert!(writer.ping());
    house
}

/// Sends a SUBSCRIBE and returns the retained messages that follow its SUBACK and precede the answer to
/// a PINGREQ sent once there were `expected`. Acknowledges those with QoS 1.
fn retained(client: &mut RawClient, filter: &str, qos: u8, expected: usize) -> Vec<Packet> {
    client.send(&subscribe(7, filter.as_bytes(), qos));
    let suback = client.read().unwrap();
    assert_eq!((suback.first, suback.body), (0x90, vec![0, 7, qos]), "SUBACK comes first");
    let mut messages = Vec::new();
    while messages.len() < expected {
        messages.push(client.read().expect("the connection lasts"));
        acknowledge(client, &messages[messages.len() - 1]);
    }
    client.send(&[0xc0, 0]);
    loop {
        let next = client.read().expect("the connection lasts");
        if next.first == 0xd0 {
            return messages;
        }
        acknowledge(client, &next);
        messages.push(next);
    }
}

fn acknowledge(client: &mut RawClient, message: &Packet) {
    if message.first & 0b110 != 0 {
        client.send(&packet(0x40, &message.id().to_be_bytes()));
    }
}

#[test]
fn a_late_subscriber_gets_every_retained_message_once_after_its_suback() {
    let house = house_with(MANY);
    for (name, filter, qos) in [("all", "#", 0), ("plus", "kept/+/a", 1), ("both", "kept/#", 1)] {
        let mut late = house.connect(name);
        for round in ["new", "renewed"] {
            let messages = retained(&mut late, filter, qos, MANY);
            let mut seen = HashMap::new();
            for message in &messages {
                let (topic, payload) = message.publish();
                let n: usize = String::from_utf8(payload).unwrap().parse().unwrap();
                assert_eq!(topic, format!("kept/{n}/a"));
                let lower = if n.is_multiple_of(2) { qos } else { 0 };
                assert_eq!(message.first, 0x31 | lower << 1, "retained, with the lower QoS");
                *seen.entry(n).or_insert(0) += 1;
            }
            assert_eq!(seen.len(), MANY, "{filter} {round}");
            assert!(seen.values().all(|times| *times == 1), "{filter} {round}");
        }
    }
    house.assert_serves();
}

#[test]
fn only_what_was_there_before_the_subscription_has_the_flag() {
    let house = house_with(10);
    let mut reader = house.connect("reader");
    assert_eq!(retained(&mut reader, "kept/#", 1, 10).len(), 10);
    let mut writer = house.connect("writer");
    for topic in ["kept/0/a", "kept/new"] {
        writer.send(&publish(topic.as_bytes(), b"live", 1, 1, true));
        let message = reader.read().unwrap();
        assert_eq!((message.first, message.publish().1), (0x32, b"live".to_vec()));
        acknowledge(&mut reader, &message);
    }
    assert!(reader.ping());
    assert_eq!(retained(&mut reader, "kept/#", 1, 11).len(), 11);
}

#[test]
fn what_is_removed_is_not_sent() {
    let house = house_with(4);
    let mut writer = house.connect("writer");
    writer.send(&publish(b"kept/1/a", b"", 0, 0, true));
    writer.send(&publish(b"kept/2/a", b"", 0, 0, false));
    assert!(writer.ping());
    let mut late = house.connect("late");
    let mut topics: Vec<String> =
        retained(&mut late, "kept/#", 0, 3).iter().map(|message| message.publish().0).collect();
    topics.sort_unstable();
    assert_eq!(topics, ["kept/0/a", "kept/2/a", "kept/3/a"], "an empty one without the flag removes nothing");
}

#[test]
fn removing_what_a_worker_retained_is_no_message_of_the_workers() {
    let house = Harness::open();
    let mut writer = house.connect("writer");
    for (payload, retain) in [(&b"offline"[..], true), (b"", true), (b"", false)] {
        writer.send(&publish(b"xenminer/rig/status", payload, 1, 1, retain));
        assert_eq!(writer.read().unwrap().first, 0x40);
    }
    assert_eq!(house.published().1, b"offline");
    assert_eq!(house.published().1, b"", "the one without the flag, to be refused");
    assert!(house.inbound.try_iter().next().is_none());
    let mut late = house.connect("late");
    assert!(retained(&mut late, "xenminer/#", 1, 0).is_empty());
}

#[test]
fn each_of_two_overlapping_filters_brings_its_own() {
    let house = house_with(20);
    let mut late = house.connect("late");
    let filters = [&[0, 7][..], &field(b"kept/1/a"), &[0], &field(b"kept/#"), &[1]].concat();
    late.send(&packet(0x82, &filters));
    assert_eq!(late.read().unwrap().body, [0, 7, 0, 1]);
    let mut times = HashMap::new();
    for _ in 0..21 {
        let message = late.read().unwrap();
        assert_eq!(message.first & 1, 1);
        acknowledge(&mut late, &message);
        *times.entry(message.publish().0).or_insert(0) += 1;
    }
    assert!(late.ping(), "and no more");
    assert_eq!((times.len(), times["kept/1/a"]), (20, 2));
}

#[test]
fn a_subscription_that_ends_is_owed_nothing_more() {
    let house = house_with(MANY);
    let mut late = house.connect("late");
    let both =
        [subscribe(7, b"kept/#", 0), packet(0xa2, &[&[0, 8][..], &field(b"kept/#")].concat())].concat();
    late.send(&both);
    assert_eq!(late.read().unwrap().first, 0x90);
    let mut messages = 0;
    while late.read().unwrap().first != 0xb0 {
        messages += 1;
    }
    assert!(messages < MANY / 2, "{messages}");
    assert!(late.ping());
}

#[test]
fn a_renewed_subscription_changes_the_qos() {
    let house = Harness::open();
    let (mut reader, mut writer) = (house.connect("reader"), house.connect("writer"));
    for qos in [0, 1, 0, 2] {
        let granted = qos.min(1);
        assert_eq!(reader.subscribe("live/#", qos), Some(granted));
        writer.send(&publish(b"live/a", b"x", 1, 1, false));
        let message = reader.read().unwrap();
        assert_eq!(message.first, 0x30 | granted << 1);
        acknowledge(&mut reader, &message);
        assert!(reader.ping(), "it comes once");
    }
}

#[test]
fn a_subscriber_that_does_not_read_disturbs_nobody() {
    let house = Harness::open();
    let mut writer = house.connect("writer");
    let payload = vec![b'x'; 32 * 1024];
    for n in 0..600 {
        writer.send(&publish(format!("heavy/{n}").as_bytes(), &payload, 1, 1, true));
        assert_eq!(writer.read().unwrap().first, 0x40);
    }
    let mut idle = house.connect("idle");
    for _ in 0..3 {
        idle.send(&subscribe(7, b"heavy/#", 1));
    }
    house.assert_serves();
    let mut reader = house.connect("reader");
    assert_eq!(retained(&mut reader, "heavy/#", 0, 600).len(), 600, "another gets them all");
    writer.send(&publish(b"heavy/0", b"light", 1, 1, true));
    assert_eq!(writer.read().unwrap().first, 0x40, "the writer is not held up");
    let mut new = house.connect("idle");
    assert!(new.ping(), "its place can be taken");
    while idle.read().is_some() {}
    house.assert_serves();
}

#[test]
fn retained_messages_wait_for_acknowledgements_and_nothing_else_does() {
    let house = house_with(MANY);
    let mut late = house.connect("late");
    assert_eq!(late.subscribe("kept/#", 1), Some(1));
    let (mut messages, mut unacknowledged) = (0, Vec::new());
    while unacknowledged.len() < 1000 {
        let message = late.read().unwrap();
        messages += 1;
        if message.first == 0x33 {
            unacknowledged.push(message);
        }
    }
    assert!(late.ping(), "no more, and the answer comes");
    let mut writer = house.connect("writer");
    for n in 0..300_u16 {
        writer.send(&publish(b"kept/live", &n.to_be_bytes(), 1, 1, false));
        assert_eq!(writer.read().unwrap().first, 0x40);
        let message = late.read().unwrap();
        assert_eq!((message.first, message.publish().1), (0x32, n.to_be_bytes().to_vec()));
        unacknowledged.push(message);
    }
    assert_eq!(late.subscribe("else", 1), Some(1), "more than the library would bear");
    for message in &unacknowledged {
        acknowledge(&mut late, message);
    }
    while messages < MANY {
        let message = late.read().unwrap();
        acknowledge(&mut late, &message);
        messages += 1;
    }
    assert!(late.ping());
}

#[test]
fn who_acknowledges_nothing_is_dropped_in_the_end_and_alone() {
    let house = Harness::open();
    let (mut mute, mut reader) = (house.connect("mute"), house.connect("reader"));
    assert_eq!(mute.subscribe("flood/#", 1), Some(1));
    assert_eq!(reader.subscribe("flood/last", 1), Some(1));
    let mut writer = house.connect("writer");
    let mut read = 0;
    'open: loop {
        let messages: Vec<u8> = (1..=1000).flat_map(|id| publish(b"flood/a", b"x", 1, id, false)).collect();
        writer.send(&messages);
        for _ in 0..1000 {
            assert_eq!(writer.read().unwrap().first, 0x40);
        }
        // Read at once, so that none is missed.
        for _ in 0..1000 {
            match mute.read() {
                Some(message) => assert_eq!(message.first, 0x32),
                None => break 'open,
            }
            read += 1;
        }
    }
    assert!((32_500..=32_768).contains(&read), "those written together are lost together: {read}");
    writer.send(&publish(b"flood/last", b"x", 1, 1, false));
    assert_eq!(reader.read().unwrap().first, 0x32);
    house.assert_serves();
}

#[test]
fn in_closed_mode_nobody_reads_what_is_not_for_him() {
    let house = Harness::closed();
    let login = |id: &'static str, user: &'static str, password: &'static str| {
        RawClient::connect(house.addr(), &Connect { login: Some((user, password)), ..Connect::new(id) })
    };
    let mut rig = login("rig", "rig", "token-of-rig");
    rig.send(&publish(b"xenminer/rig/status", b"kept", 1, 1, true));
    assert_eq!(rig.read().unwrap().first, 0x40);
    let mut spy = login("spy", "spy", "token-of-spy");
    for filter in ["#", "xenminer/#", "xenminer/+/status", "xenminer/rig/status"] {
        assert_eq!(spy.subscribe(filter, 1), Some(0x80), "{filter}");
    }
    assert_eq!(spy.subscribe("xenminer/spy/task", 1), Some(1));
    assert!(spy.ping(), "nothing is sent");
    let mut admin = login("admin", "admin", "secret");
    let messages = retained(&mut admin, "xenminer/#", 1, 1);
    assert_eq!(messages[0].publish(), ("xenminer/rig/status".to_owned(), b"kept".to_vec()));
    house.broker.publisher().disconnect(&house.broker.clients(), &"rig".parse().unwrap(), None);
    until("the token is revoked", || !house.broker.clients().ids().contains(&"rig".to_owned()));
    assert_eq!(retained(&mut admin, "xenminer/#", 1, 1).len(), 1, "what it said stays");
}
