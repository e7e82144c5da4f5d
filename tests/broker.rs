//! The broker over real sockets: ordinary clients are served, hostile ones harm nobody.

#[path = "support/mqtt_client.rs"]
mod mqtt_client;

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded};
use mqtt_client::{Connect, PATIENCE, Packet, RawClient, packet, publish, subscribe};
use xenblocks::base::WorkerId;
use xenblocks::base::thread::{Death, deathwatch};
use xenblocks::broker::{Broker, BrokerError, Config, Credentials, Identity, Inbound, Receipt};

/// Logins `worker id` / `token-of-<worker id>`, and `admin` / `secret`.
struct Tokens;

impl Credentials for Tokens {
    fn check(&self, user: &str, password: &str) -> Option<Identity> {
        if (user, password) == ("admin", "secret") {
            return Some(Identity::Administrator);
        }
        (password == format!("token-of-{user}")).then(|| Identity::Worker(user.parse().unwrap()))
    }
}

struct Harness {
    broker: Broker,
    inbound: Receiver<Inbound>,
    deaths: Receiver<Death>,
}

impl Harness {
    fn open() -> Self {
        Self::with(Config::open((Ipv4Addr::LOCALHOST, 0).into()))
    }

    fn closed() -> Self {
        Self::with(Config { rate_limited: false, ..Config::closed((Ipv4Addr::LOCALHOST, 0).into()) })
    }

    fn with(config: Config) -> Self {
        let (sender, inbound) = bounded(4096);
        let (watch, deaths) = deathwatch();
        let broker = Broker::start(config, Arc::new(Tokens), sender, &watch).unwrap();
        Harness { broker, inbound, deaths }
    }

    fn addr(&self) -> SocketAddr {
        self.broker.local_addr()
    }

    fn connect(&self, id: &str) -> RawClient {
        RawClient::connect(self.addr(), &Connect::new(id))
    }

    /// The next message to `ingest` that is not about who comes and goes.
    fn published(&self) -> (String, Vec<u8>, Option<Receipt>) {
        loop {
            match self.inbound.recv_timeout(PATIENCE).expect("a message to ingest") {
                Inbound::Publish { topic, payload, receipt } => {
                    return (topic.to_string(), payload.to_vec(), receipt);
                }
                Inbound::Connected { .. } | Inbound::Gone { .. } => {}
            }
        }
    }

    /// Waits for the event that `wanted` picks.
    fn event<T>(&self, mut wanted: impl FnMut(&Inbound) -> Option<T>) -> T {
        loop {
            let event = self.inbound.recv_timeout(PATIENCE).expect("an event");
            if let Some(found) = wanted(&event) {
                return found;
            }
        }
    }

    /// A fresh pair of clients is served from end to end, and nothing has died.
    fn assert_serves(&self) {
        let mut reader = self.connect("probe-reader");
        assert_eq!(reader.subscribe("probe/topic", 1), Some(1));
        let mut writer = self.connect("probe-writer");
        writer.send(&publish(b"probe/topic", b"alive", 1, 5, false));
        assert_eq!(writer.read(), Some(Packet { first: 0x40, body: vec![0, 5] }));
        let received = reader.read().expect("the reader is not closed");
        assert_eq!(received.publish(), ("probe/topic".to_owned(), b"alive".to_vec()));
        if let Ok(death) = self.deaths.try_recv() {
            panic!("a thread died: {death:?}");
        }
    }
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::yield_now();
    }
}

fn worker_id(id: &str) -> WorkerId {
    id.parse().unwrap()
}

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
    house.broker.publisher().publish(&task, b"go".to_vec(), false);
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
fn the_receipt_is_the_acknowledgement() {
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
    house.broker.publisher().publish(&"xenminer/rig-1/task".parse().unwrap(), b"ack".to_vec(), false);
    receipt.expect("a registration waits").done();
    let mut answers = std::iter::from_fn(|| rig.read());
    assert!(answers.any(|packet| packet.first >> 4 == 3 && packet.publish().1 == b"ack"));
}

#[test]
fn what_kills_the_library_alone_harms_nobody_behind_the_gate() {
    let house = Harness::open();
    // A topic and a will that begin with a non-ASCII character.
    for topic in ["é/x".as_bytes(), b"\xff/x", "\u{1f525}".as_bytes(), b""] {
        let mut client = house.connect("odd-topic");
        client.send(&publish(topic, b"x", 0, 0, false));
        assert_eq!(client.read(), None, "{topic:?}");
        let will = Connect { will: Some((topic, b"x", true)), ..Connect::new("odd-will") };
        assert_eq!(RawClient::try_connect(house.addr(), &will), Some(5));
    }
    house.assert_serves();
    // Ids that the library refuses after it has begun to remember them, twice each.
    for id in ["a+b", "$x", "a#", "a/b"] {
        for _ in 0..3 {
            drop(house.connect(id));
        }
    }
    for id in ["é", "a b", "a\0b"] {
        for _ in 0..2 {
            assert_eq!(RawClient::try_connect(house.addr(), &Connect::new(id)), Some(2), "{id:?}");
        }
    }
    house.assert_serves();
    // Shared groups, persistent sessions, and dropping with a message unacknowledged.
    let lasting = Connect { clean: false, ..Connect::new("lasting") };
    for filter in ["$share/g/probe/topic", "$SYS/#", "$queue/x"] {
        let mut member = RawClient::connect(house.addr(), &lasting);
        assert_eq!(member.subscribe(filter, 1), None, "{filter}");
    }
    let mut member = RawClient::connect(house.addr(), &lasting);
    assert_eq!(member.subscribe("probe/#", 1), Some(1));
    house.assert_serves();
    drop(member);
    house.assert_serves();
    drop(RawClient::connect(house.addr(), &lasting));
    house.assert_serves();
}

#[test]
fn connections_that_break_off_at_once_leave_nothing_behind() {
    let house = Harness::open();
    for round in 0..200 {
        let mut client = RawClient::open(house.addr());
        socket2::SockRef::from(&client.0).set_linger(Some(Duration::ZERO)).unwrap();
        client.send(&Connect::new("breaker").bytes());
        if round % 3 == 0 {
            client.send(&subscribe(1, b"#", 1));
        }
        // Dropped: a reset, sometimes before CONNACK is written.
    }
    house.assert_serves();
    until("all gone", || house.broker.clients().count() == 0);
}

#[test]
fn over_the_cap_clients_are_told_so_and_come_back_later() {
    let config = Config { connections_max: 2, ..Config::open((Ipv4Addr::LOCALHOST, 0).into()) };
    let house = Harness::with(config);
    let first = house.connect("a");
    let _second = house.connect("b");
    for _ in 0..20 {
        assert_eq!(RawClient::try_connect(house.addr(), &Connect::new("late")), Some(3));
    }
    let mut again = house.connect("b");
    assert!(again.ping(), "a takeover needs no new place");
    drop(first);
    until("a place is free", || house.broker.clients().count() == 1);
    assert!(house.connect("late").ping());
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
    house.broker.publisher().publish(&task, b"still there".to_vec(), false);
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
fn nobody_but_the_platform_commands_workers() {
    for (house, login) in [(Harness::open(), None), (Harness::closed(), Some(("rig", "token-of-rig")))] {
        for topic in ["xenminer/rig/task", "xenminer/rig/control", "xenminer/other/task"] {
            let mut thief = RawClient::connect(house.addr(), &Connect { login, ..Connect::new("thief") });
            thief.send(&publish(topic.as_bytes(), b"{}", 1, 1, false));
            assert_eq!(thief.read(), None, "{topic}");
            let will = Some((topic.as_bytes(), b"{}".as_slice(), false));
            let connect = Connect { will, login, ..Connect::new("thief") };
            assert_eq!(RawClient::try_connect(house.addr(), &connect), Some(5));
        }
    }
}

#[test]
fn the_closed_mode_knows_who_may_do_what() {
    let house = Harness::closed();
    let addr = house.addr();
    let connect = |id: &'static str, login| Connect { login, ..Connect::new(id) };
    let rig = Some(("rig", "token-of-rig"));
    let admin = Some(("admin", "secret"));
    for login in [None, Some(("rig", "wrong")), Some(("", "")), Some(("admin", "token-of-admin2"))] {
        assert_eq!(RawClient::try_connect(addr, &connect("x", login)), Some(5), "{login:?}");
    }
    let mut client = RawClient::connect(addr, &connect("rig-client", rig));
    assert!(house.broker.clients().is_connected(&worker_id("rig")));
    let thief = connect("rig-client", Some(("other", "token-of-other")));
    assert_eq!(RawClient::try_connect(addr, &thief), Some(2), "an id is not given up to another login");
    for filter in ["xenminer/rig/task", "xenminer/rig/control"] {
        assert_eq!(client.subscribe(filter, 1), Some(1));
    }
    for suffix in ["heartbeat", "status"] {
        client.send(&publish(format!("xenminer/rig/{suffix}").as_bytes(), b"{}", 1, 2, false));
        assert_eq!(client.read().unwrap().first, 0x40);
        assert_eq!(house.published().0, format!("xenminer/rig/{suffix}"));
    }
    for filter in ["#", "xenminer/#", "xenminer/other/task", "xenminer/+/task", "xenminer/rig/heartbeat"] {
        let mut client = RawClient::connect(addr, &connect("spy", rig));
        assert_eq!(client.subscribe(filter, 1), None, "{filter}");
    }
    for topic in ["xenminer/other/heartbeat", "xenminer/rig/task", "free/topic", "xenminer/rig/else"] {
        let mut client = RawClient::connect(addr, &connect("spy", rig));
        client.send(&publish(topic.as_bytes(), b"{}", 1, 2, false));
        assert_eq!(client.read(), None, "{topic}");
    }
    let mut reader = RawClient::connect(addr, &connect("console", admin));
    assert_eq!(reader.subscribe("xenminer/#", 1), Some(1));
    client.send(&publish(b"xenminer/rig/heartbeat", b"seen", 1, 2, false));
    assert_eq!(reader.read().unwrap().publish().1, b"seen");
    reader.send(&publish(b"xenminer/rig/heartbeat", b"{}", 1, 2, false));
    assert_eq!(reader.read(), None, "administrators publish nothing");
    let mut reader = RawClient::connect(addr, &connect("console", admin));
    assert_eq!(reader.subscribe("#", 1), None);
}

#[test]
fn other_protocols_are_told_so() {
    let house = Harness::open();
    for level in [3, 5, 0, 255] {
        let connect = Connect { level, ..Connect::new("x") };
        assert_eq!(RawClient::try_connect(house.addr(), &connect), Some(1), "level {level}");
    }
    let old = Connect { name: b"MQIsdp", level: 3, ..Connect::new("x") };
    assert_eq!(RawClient::try_connect(house.addr(), &old), Some(1));
    let nameless = Connect { clean: false, ..Connect::new("") };
    assert_eq!(RawClient::try_connect(house.addr(), &nameless), Some(2));
    let never = Connect { keep_alive: 0, ..Connect::new("") };
    assert!(RawClient::connect(house.addr(), &never).ping());
    assert!(house.connect("").ping());
}

#[test]
fn packets_over_the_limit_end_the_connection_before_they_are_sent() {
    let house = Harness::open();
    let largest = vec![b'x'; 64 * 1024 - 9];
    let mut client = house.connect("large");
    client.send(&publish(b"big/a", &largest, 1, 1, false));
    assert_eq!(client.read().unwrap().first, 0x40, "64 KiB pass");
    client.send(&[0x32, 0x81, 0x80, 0x04]);
    assert_eq!(client.read(), None, "the declared length is enough");
    let mut client = house.connect("endless");
    client.send(&[0x30, 0xff, 0xff, 0xff, 0xff, 0x7f]);
    assert_eq!(client.read(), None);
    let mut client = RawClient::open(house.addr());
    client.send(&[0x10, 0xff, 0xff, 0xff, 0x7f]);
    assert_eq!(client.read(), None);
    house.assert_serves();
}

#[test]
fn malformed_packets_end_only_their_own_connection() {
    let house = Harness::open();
    let second_connect = Connect::new("again").bytes();
    let malformed: [&[u8]; 16] = [
        &[0x00, 0x00],
        &[0xf0, 0x00],
        &[0x20, 0x02, 0x00, 0x00],
        &[0x30, 0x00],
        &[0x30, 0x02, 0xff, 0xff],
        &[0x36, 0x05, 0, 1, b'a', 0, 1],
        &[0x32, 0x05, 0, 1, b'a', 0, 0],
        &[0x82, 0x02, 0, 1],
        &[0x82, 0x06, 0, 1, 0, 1, b'a', 3],
        &[0x82, 0x06, 0, 0, 0, 1, b'a', 1],
        &[0xa2, 0x02, 0, 1],
        &[0xa2, 0x01, 0],
        &[0x40, 0x01, 0],
        &[0x62, 0x01, 0],
        &[0xe0, 0x01, 0],
        &second_connect,
    ];
    for bytes in malformed {
        let mut client = house.connect("odd");
        client.send(bytes);
        assert_eq!(client.read(), None, "{bytes:02x?}");
        let mut client = RawClient::open(house.addr());
        client.send(bytes);
        if bytes != second_connect {
            assert_eq!(client.read(), None, "{bytes:02x?} before CONNECT");
        }
    }
    house.assert_serves();
}

#[test]
fn what_comes_before_a_violation_or_disconnect_is_served() {
    let house = Harness::open();
    let mut reader = house.connect("reader");
    assert_eq!(reader.subscribe("batch/#", 0), Some(0));
    for (round, end) in [&[0xe0, 0][..], &[0xf0, 0]].into_iter().enumerate() {
        let mut client = house.connect("batch");
        let text = format!("round {round}");
        client.send(&[publish(b"batch/a", text.as_bytes(), 0, 0, false), end.to_vec()].concat());
        assert_eq!(reader.read().unwrap().publish().1, text.as_bytes());
        while client.read().is_some() {}
    }
}

#[test]
fn every_acknowledgement_comes_in_order_and_once() {
    let house = Harness::open();
    let mut client = house.connect("mixed");
    let filters =
        [&[0, 2][..], &mqtt_client::field(b"own/a"), &[2], &mqtt_client::field(b"own/b"), &[0]].concat();
    let unsubscribe = [&[0, 3][..], &mqtt_client::field(b"own/a"), &mqtt_client::field(b"own/b")].concat();
    let batch = [
        packet(0x82, &filters),
        packet(0xa2, &unsubscribe),
        packet(0xa2, &[&[0, 4][..], &mqtt_client::field(b"never/subscribed")].concat()),
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
fn a_silent_socket_is_closed_and_does_not_hold_up_others() {
    let house = Harness::open();
    let silent: Vec<RawClient> = (0..50).map(|_| RawClient::open(house.addr())).collect();
    let mut half = RawClient::open(house.addr());
    half.send(&Connect::new("half").bytes()[..9]);
    half.0.set_read_timeout(Some(2 * PATIENCE)).unwrap();
    house.assert_serves();
    let begin = Instant::now();
    assert_eq!(half.read(), None);
    assert!(begin.elapsed() < Duration::from_secs(13));
    drop(silent);
}

#[test]
fn a_taken_port_is_an_error_that_names_it() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let addr = taken.local_addr().unwrap();
    let (watch, _deaths) = deathwatch();
    let result = Broker::start(Config::open(addr), Arc::new(Tokens), bounded(1).0, &watch);
    let Err(error @ BrokerError::Listen { .. }) = result else { panic!("the port is taken") };
    assert!(error.to_string().contains(&addr.to_string()), "{error}");
    assert!(error.to_string().contains("in use"), "{error}");
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
fn a_client_over_its_rate_is_slowed_and_at_last_dropped() {
    let config = Config { rate_limited: true, ..Config::open((Ipv4Addr::LOCALHOST, 0).into()) };
    let house = Harness::with(config);
    let mut modest = house.connect("modest");
    let mut greedy = house.connect("greedy");
    let payload = vec![b'x'; 1024];
    for _ in 0..2000 {
        greedy.send(&publish(b"flood/a", &payload, 0, 0, false));
    }
    while greedy.read().is_some() {}
    assert!(modest.ping());
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

/// A small random generator (xorshift), so that a failing seed can be run again.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(sides).unwrap()).unwrap()
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.roll(from.len())]
    }

    fn packet(&mut self) -> Vec<u8> {
        let topics: [&[u8]; 6] =
            [b"a/b", b"a", b"xenminer/r/heartbeat", b"xenminer/r/status", "\u{e9}/x".as_bytes(), b"big/x"];
        let filters: [&[u8]; 7] = [b"#", b"a/+", b"a", b"+/+", b"big/#", b"$share/g/a", b"xenminer/r/task"];
        let id = u16::try_from(1 + self.roll(120)).unwrap();
        let acknowledge = |first: u8| packet(first, &id.to_be_bytes());
        let mut bytes = match self.roll(12) {
            0..=3 => {
                let topic = self.pick(&topics);
                let payload = vec![b'x'; self.roll(3) * self.roll(3000)];
                let qos = u8::try_from(self.roll(3)).unwrap();
                publish(topic, &payload, qos, id, self.roll(4) == 0)
            }
            4 | 5 => subscribe(id, self.pick(&filters), u8::try_from(self.roll(3)).unwrap()),
            6 => packet(0xa2, &[&id.to_be_bytes()[..], &mqtt_client::field(self.pick(&filters))].concat()),
            7 => acknowledge(0x40),
            8 => acknowledge(0x62),
            9 => acknowledge([0x50, 0x70, 0x40][self.roll(3)]),
            10 => vec![0xc0, 0],
            _ => vec![0xe0, 0],
        };
        if self.roll(30) == 0 {
            let place = self.roll(bytes.len());
            bytes[place] = u8::try_from(self.roll(256)).unwrap();
        }
        bytes
    }
}

#[test]
fn no_random_conversation_stops_the_service() {
    let rounds = std::env::var("BROKER_FUZZ_ROUNDS").map_or(300, |rounds| rounds.parse().unwrap());
    let seed = std::env::var("BROKER_FUZZ_SEED").map_or(0x5eed, |seed| seed.parse().unwrap());
    let house = Harness::open();
    let (inbound, addr) = (house.inbound.clone(), house.addr());
    let mut dice = Dice(seed);
    let mut kept: Vec<RawClient> = Vec::new();
    for round in 0..rounds {
        let id = ["one", "two", "three", "four", "five"][dice.roll(5)];
        let will = (dice.roll(3) == 0).then_some((&b"a/will"[..], &b"gone"[..], dice.roll(2) == 0));
        let mut client = RawClient::open(addr);
        client.0.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
        client.send(&Connect { will, clean: dice.roll(2) == 0, ..Connect::new(id) }.bytes());
        for _ in 0..dice.roll(60) {
            client.send(&dice.packet());
        }
        match dice.roll(3) {
            0 => kept.push(client),
            1 => socket2::SockRef::from(&client.0).set_linger(Some(Duration::ZERO)).unwrap(),
            _ => {}
        }
        if kept.len() > 8 {
            let index = dice.roll(kept.len());
            kept.swap_remove(index);
        }
        inbound.try_iter().for_each(drop);
        assert!(house.deaths.try_recv().is_err(), "dead after round {round} of seed {seed}");
    }
    house.assert_serves();
}
