//! What ordinary clients get.

use std::collections::HashMap;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crossbeam_channel::bounded;
use xenblocks::base::WorkerId;
use xenblocks::base::thread::deathwatch;
use xenblocks::broker::{
    Admission, Broker, BrokerError, Clients, Config, Credentials, Identity, Inbound, Publisher,
};

use super::mqtt_client::{Connect, PATIENCE, Packet, RawClient, field, packet, publish, subscribe};
use super::{Harness, Tokens, until, worker_id};

#[test]
fn a_worker_talks_to_ingest_and_gets_its_commands() {
    let house = Harness::open();
    let mut rig = house.connect("xenminer_rig-1");
    assert_eq!(rig.subscribe("xenminer/rig-1/task", 1), Some(1));
    assert!(house.broker.clients().is_connected(&worker_id("rig-1")));
    rig.send(&publish(b"xenminer/rig-1/heartbeat", b"{}", 1, 9, false));
    assert_eq!(rig.read(), Some(Packet { first: 0x40, body: vec![0, 9] }));
    let (topic, payload, receipt) = house.published();
    assert_eq!((topic.as_str(), payload.as_slice()), ("xenminer/rig-1/heartbeat", b"{}".as_slice()));
    assert!(receipt.is_none());
    let task = "xenminer/rig-1/task".parse().unwrap();
    house.broker.publisher().publish(&task, b"go".to_vec());
    let command = rig.read().unwrap();
    assert_eq!(command.first & 0b110, 0b10, "QoS 1");
    assert_ne!(command.id(), 0);
    assert_eq!(command.publish(), ("xenminer/rig-1/task".to_owned(), b"go".to_vec()));
    assert_eq!(house.broker.clients().ids(), ["xenminer_rig-1"]);
    drop(rig);
    let gone = house.event(|event| match event {
        Inbound::Gone { worker, .. } => Some(worker.clone()),
        _ => None,
    });
    assert_eq!(gone, Some(worker_id("rig-1")));
    assert!(!house.broker.clients().is_connected(&worker_id("rig-1")));
}

#[test]
fn fault_37_the_receipt_is_the_acknowledgement() {
    let house = Harness::open();
    let mut rig = house.connect("rig");
    rig.send(&publish(b"xenminer/rig/block", b"{}", 1, 3, false));
    let (_, _, receipt) = house.published();
    rig.0.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    assert!(std::io::Read::read(&mut rig.0, &mut [0]).is_err(), "no PUBACK before the commit");
    rig.0.set_read_timeout(Some(PATIENCE)).unwrap();
    receipt.unwrap().done();
    assert_eq!(rig.read(), Some(Packet { first: 0x40, body: vec![0, 3] }));
    rig.send(&publish(b"xenminer/rig/register", b"{}", 1, 4, false));
    drop(house.published());
    assert_eq!(rig.read(), None, "a commit that failed closes without PUBACK");
    house.assert_serves();
}

#[test]
fn the_answer_to_a_registration_finds_the_subscription_sent_with_it() {
    let house = Harness::open();
    let mut rig = house.connect("rig");
    let mut burst = subscribe(1, b"xenminer/rig-1/task", 1);
    burst.extend(publish(b"xenminer/rig-1/register", b"{}", 1, 2, false));
    rig.send(&burst);
    let (_, _, receipt) = house.published();
    house.broker.publisher().publish(&"xenminer/rig-1/task".parse().unwrap(), b"ack".to_vec());
    receipt.expect("a registration waits").done();
    let mut answers = std::iter::from_fn(|| rig.read());
    assert!(answers.any(|packet| packet.first >> 4 == 3 && packet.publish().1 == b"ack"));
}

#[test]
fn a_client_that_does_not_read_is_taken_over_and_then_reads_all() {
    let house = Harness::open();
    let mut idle = house.connect("idle");
    assert_eq!(idle.subscribe("flood/#", 0), Some(0));
    let mut writer = house.connect("writer");
    let payload = vec![b'x'; 8 * 1024];
    let flood = |writer: &mut RawClient| {
        for id in 1..=600 {
            writer.send(&publish(b"flood/a", &payload, 1, id, false));
            assert_eq!(writer.read().unwrap().body, id.to_be_bytes(), "the writer is not held up");
        }
    };
    flood(&mut writer);
    // The library would end the old connection under a task that still has a wake-up to send.
    let mut new = house.connect("idle");
    assert!(new.ping());
    flood(&mut writer);
    while idle.read().is_some() {}
    house.assert_serves();
    assert!(new.ping());
    // The same with DISCONNECT, and with an acknowledgement of nothing, in the old one's backlog.
    for farewell in [&[0xe0, 0][..], &[0x40, 2, 77, 77], &[0x62, 2, 0, 1], &[0x50, 2, 0, 1], &[0x70, 2, 0, 1]]
    {
        let mut idle = house.connect("idle");
        assert_eq!(idle.subscribe("flood/#", 1), Some(1));
        let mut other = house.connect("idle-too");
        assert_eq!(other.subscribe("flood/#", 0), Some(0));
        flood(&mut writer);
        other.send(farewell);
        idle.send(farewell);
        if farewell[0] != 0x62 {
            while idle.read().is_some() {}
            while other.read().is_some() {}
        }
        house.assert_serves();
    }
}

#[test]
fn a_reconnect_takes_the_place_of_the_old_connection_for_good() {
    let house = Harness::open();
    let mut old = house.connect("rig");
    assert_eq!(old.subscribe("xenminer/rig/task", 1), Some(1));
    let mut new = house.connect("rig");
    assert_eq!(new.subscribe("xenminer/rig/task", 1), Some(1));
    assert_eq!(old.read(), None, "the old one is closed though it sends nothing");
    let clients = house.broker.clients();
    assert!(clients.is_connected(&worker_id("rig")) && clients.ids() == ["rig"]);
    let task = "xenminer/rig/task".parse().unwrap();
    house.broker.publisher().publish(&task, b"still there".to_vec());
    assert_eq!(new.read().unwrap().publish().1, b"still there");
    drop(new);
    let mut connected = 0;
    let gone = house.event(|event| match event {
        Inbound::Connected { worker: Some(_), .. } => {
            connected += 1;
            None
        }
        Inbound::Gone { worker, .. } => Some(worker.clone()),
        Inbound::Publish { .. } | Inbound::Connected { .. } => None,
    });
    assert_eq!(gone, Some(worker_id("rig")));
    assert_eq!(connected, 2, "each connection is announced, and gone only the last");
    assert!(!clients.is_connected(&worker_id("rig")));
}

#[test]
fn wills_reach_ingest_once_and_subscribers_and_new_subscribers_when_retained() {
    let house = Harness::open();
    let mut watcher = house.connect("watcher");
    assert_eq!(watcher.subscribe("xenminer/+/status", 1), Some(1));
    for retain in [false, true] {
        let will = Some((b"xenminer/rig/status".as_slice(), b"offline".as_slice(), retain));
        let with_will = Connect { will, ..Connect::new("rig") };
        let mut polite = RawClient::connect(house.addr(), &with_will);
        polite.send(&[0xe0, 0]);
        assert_eq!(polite.read(), None);
        drop(RawClient::connect(house.addr(), &with_will));
        let received = watcher.read().unwrap();
        assert_eq!(received.publish(), ("xenminer/rig/status".to_owned(), b"offline".to_vec()));
        watcher.send(&packet(0x40, &received.id().to_be_bytes()));
        assert_eq!(house.published().0, "xenminer/rig/status");
        let mut late = house.connect("late");
        assert_eq!(late.subscribe("xenminer/rig/status", 1), Some(1));
        if retain {
            let kept = late.read().unwrap();
            assert_eq!((kept.first & 1, kept.publish().1), (1, b"offline".to_vec()));
        } else {
            assert!(late.ping(), "nothing is retained");
        }
    }
    assert!(watcher.ping(), "each will once, and none for a polite client");
    let rest: Vec<Inbound> = house.inbound.try_iter().collect();
    assert!(!rest.iter().any(|event| matches!(event, Inbound::Publish { .. })), "{rest:?}");
}

#[test]
fn a_will_of_a_connection_taken_over_comes_before_the_new_one_speaks() {
    let house = Harness::open();
    let will = Some((b"xenminer/rig/status".as_slice(), b"offline".as_slice(), false));
    let _old = RawClient::connect(house.addr(), &Connect { will, ..Connect::new("rig") });
    let mut new = house.connect("rig");
    new.send(&publish(b"xenminer/rig/status", b"AVAILABLE", 0, 0, false));
    assert_eq!(house.published().1, b"offline");
    assert_eq!(house.published().1, b"AVAILABLE");
}

#[test]
fn retained_messages_are_kept_replaced_and_removed() {
    let house = Harness::open();
    let mut writer = house.connect("writer");
    let retained = |name: &str| {
        let mut reader = house.connect(name);
        assert_eq!(reader.subscribe("kept/#", 1), Some(1));
        reader.send(&[0xc0, 0]);
        let first = reader.read().unwrap();
        (first.first != 0xd0).then(|| (first.first & 1, first.publish().1))
    };
    for (payload, expected) in
        [(&b"one"[..], Some((1, b"one".to_vec()))), (b"two", Some((1, b"two".to_vec())))]
    {
        writer.send(&publish(b"kept/a", payload, 1, 1, true));
        writer.read().unwrap();
        until("retained", || retained("reader") == expected);
    }
    writer.send(&publish(b"kept/a", b"", 1, 1, false));
    writer.read().unwrap();
    until("an empty message without the flag removes nothing", || retained("reader").is_some());
    writer.send(&publish(b"kept/a", b"", 1, 1, true));
    writer.read().unwrap();
    until("removed", || retained("reader").is_none());
}

#[test]
fn every_acknowledgement_comes_in_order_and_once() {
    let house = Harness::open();
    let mut client = house.connect("mixed");
    let filters = [&[0, 2][..], &field(b"own/a"), &[2], &field(b"own/b"), &[0]].concat();
    let unsubscribe = [&[0, 3][..], &field(b"own/a"), &field(b"own/b")].concat();
    let batch = [
        packet(0x82, &filters),
        packet(0xa2, &unsubscribe),
        packet(0xa2, &[&[0, 4][..], &field(b"never/subscribed")].concat()),
        publish(b"own/a", b"1", 1, 5, false),
        publish(b"own/a", b"2", 2, 6, false),
        publish(b"own/a", b"2", 2, 6, false),
        vec![0x62, 2, 0, 6],
        vec![0x62, 2, 0, 6],
        vec![0xc0, 0],
    ];
    client.send(&batch.concat());
    let expected: [(u8, &[u8]); 9] = [
        (0x90, &[0, 2, 1, 0]),
        (0xb0, &[0, 3]),
        (0xb0, &[0, 4]),
        (0x40, &[0, 5]),
        (0x50, &[0, 6]),
        (0x50, &[0, 6]),
        (0x70, &[0, 6]),
        (0x70, &[0, 6]),
        (0xd0, &[]),
    ];
    for (first, body) in expected {
        assert_eq!(client.read(), Some(Packet { first, body: body.to_vec() }));
    }
}

#[test]
fn a_message_is_delivered_with_the_lower_of_the_two_qos() {
    let house = Harness::open();
    let mut writer = house.connect("writer");
    let mut readers = [0, 1].map(|qos| {
        let mut reader = house.connect(&format!("reader-{qos}"));
        assert_eq!(reader.subscribe("mixed/#", qos), Some(qos));
        reader
    });
    for sent in [0, 1, 2] {
        writer.send(&publish(b"mixed/a", &[b'0' + sent], sent, 1, false));
        for (granted, reader) in (0..).zip(&mut readers) {
            let received = reader.read().unwrap();
            assert_eq!(received.first, 0x30 | sent.min(granted) << 1, "sent {sent}, granted {granted}");
            assert_eq!(received.publish(), ("mixed/a".to_owned(), vec![b'0' + sent]));
            if received.first & 0b110 != 0 {
                reader.send(&packet(0x40, &received.id().to_be_bytes()));
            }
        }
        if sent > 0 {
            assert!(writer.read().is_some());
        }
    }
    let [_, reader] = &mut readers;
    // More than the library lets wait for an acknowledgement: none is due for these.
    for number in 0..300 {
        writer.send(&publish(b"mixed/many", format!("{number}").as_bytes(), 0, 0, false));
        let received = reader.read().unwrap();
        assert_eq!((received.first, received.publish().1), (0x30, format!("{number}").into_bytes()));
    }
    writer.send(&publish(b"mixed/kept", b"k", 0, 0, true));
    assert_eq!(reader.read().unwrap().first, 0x30);
    let mut late = house.connect("late");
    assert_eq!(late.subscribe("mixed/kept", 1), Some(1));
    assert_eq!(late.read().unwrap().first, 0x31, "retained");
}

#[test]
fn a_qos_2_message_reaches_ingest_once() {
    let house = Harness::open();
    let mut client = house.connect("rig");
    for _ in 0..3 {
        client.send(&publish(b"xenminer/rig/status", b"once", 2, 1, false));
        assert_eq!(client.read().unwrap().first, 0x50);
    }
    client.send(&[0x62, 2, 0, 1]);
    assert_eq!(client.read().unwrap().first, 0x70);
    client.send(&publish(b"xenminer/rig/status", b"twice", 2, 1, false));
    assert_eq!(client.read().unwrap().first, 0x50);
    assert_eq!(house.published().1, b"once");
    assert_eq!(house.published().1, b"twice");
}

#[test]
fn wildcards_get_what_they_match_and_nothing_of_the_gate() {
    let house = Harness::open();
    let mut all = house.connect("all");
    assert_eq!(all.subscribe("#", 1), Some(1));
    let mut plus = house.connect("plus");
    assert_eq!(plus.subscribe("+/b", 0), Some(0));
    // Takeovers wake connections through topics that nobody may see.
    for _ in 0..130 {
        let mut taken = house.connect("taken");
        assert!(taken.ping());
    }
    let mut writer = house.connect("writer");
    for (topic, in_plus) in [("a/b", true), ("a/b/c", false), ("/b", true)] {
        writer.send(&publish(topic.as_bytes(), b"x", 1, 1, false));
        writer.read().unwrap();
        let received = all.read().unwrap();
        assert_eq!(received.publish().0, topic);
        all.send(&packet(0x40, &received.id().to_be_bytes()));
        if in_plus {
            assert_eq!(plus.read().unwrap().publish().0, topic);
        }
    }
    assert!(all.ping() && plus.ping());
}

#[test]
fn a_taken_port_is_an_error_that_names_it() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let addr = taken.local_addr().unwrap();
    let (watch, _deaths) = deathwatch();
    let result = Broker::start(Config::open(addr), Arc::new(Tokens), bounded(1).0, &watch);
    let Err(error @ BrokerError::Taken(_)) = result else { panic!("the port is taken") };
    assert_eq!(error.to_string(), format!("{addr} is already taken by another program"));
}

#[test]
fn stop_under_load_frees_the_port() {
    let mut house = Harness::open();
    let addr = house.addr();
    for round in 0..3 {
        // Nobody takes from `inbound`: its queue is full, the gate waits, and still it stops.
        let mut clients: Vec<RawClient> = (0..20).map(|n| house.connect(&format!("load-{n}"))).collect();
        for client in &mut clients {
            client.0.set_write_timeout(Some(Duration::from_millis(50))).unwrap();
            for _ in 0..400 {
                client.send(&publish(b"xenminer/rig/heartbeat", b"{}", 0, 0, false));
            }
        }
        let begin = Instant::now();
        house.broker.stop();
        assert!(begin.elapsed() < Duration::from_secs(3), "round {round}: {:?}", begin.elapsed());
        for client in &mut clients {
            while client.read().is_some() {}
        }
        assert!(house.deaths.try_recv().is_err());
        house = Harness::with(Config::open(addr));
    }
    house.assert_serves();
}

#[test]
fn an_ordinary_client_library_is_content() {
    use rumqttc::{Client, Event, MqttOptions, Packet, QoS};
    let house = Harness::open();
    let mut options = MqttOptions::new("ordinary", "127.0.0.1", house.addr().port());
    options.set_keep_alive(Duration::from_secs(30));
    let (client, mut connection) = Client::new(options, 20);
    client.subscribe("chat/+", QoS::AtLeastOnce).unwrap();
    for (number, qos) in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce].into_iter().enumerate() {
        client.publish(format!("chat/{number}"), qos, false, "hello").unwrap();
    }
    let mut seen = HashMap::new();
    for event in connection.iter() {
        match event.expect("the connection lasts") {
            Event::Incoming(Packet::Publish(publish)) => {
                seen.insert(publish.topic.clone(), publish.payload.to_vec());
            }
            Event::Incoming(Packet::PubComp(_)) => {
                client.unsubscribe("chat/+").unwrap();
            }
            Event::Incoming(Packet::UnsubAck(_)) => client.disconnect().unwrap(),
            Event::Outgoing(rumqttc::Outgoing::Disconnect) => break,
            _ => {}
        }
    }
    assert_eq!(seen.len(), 3, "{seen:?}");
    assert!(seen.values().all(|payload| payload == b"hello"));
}

/// A worker whose token is revoked in the very moment in which it logs in.
#[derive(Default)]
struct RevokedMeanwhile(OnceLock<(Publisher, Clients)>);

impl Credentials for RevokedMeanwhile {
    fn check(&self, user: &str, _: &str) -> Option<Admission> {
        let worker: WorkerId = user.parse().unwrap();
        if let Some((publisher, clients)) = self.0.get() {
            publisher.disconnect(clients, &worker, Some(7));
        }
        Some(Admission { identity: Identity::Worker(worker), token: Some(7) })
    }
}

#[test]
fn a_token_that_is_revoked_while_it_is_looked_at_lets_nobody_stay() {
    let (sender, _inbound) = bounded(100);
    let (watch, _deaths) = deathwatch();
    let credentials = Arc::new(RevokedMeanwhile::default());
    let config = Config::closed((Ipv4Addr::LOCALHOST, 0).into());
    let broker = Broker::start(config, credentials.clone(), sender, &watch).unwrap();
    let login = Connect { login: Some(("rig", "token")), ..Connect::new("rig") };
    assert!(RawClient::connect(broker.local_addr(), &login).ping(), "nothing is revoked yet");
    credentials.0.set((broker.publisher(), broker.clients())).ok().unwrap();
    let mut late = RawClient::open(broker.local_addr());
    late.send(&login.bytes());
    // With or without a CONNACK, the connection ends by itself.
    while late.read().is_some() {}
    broker.stop();
}
