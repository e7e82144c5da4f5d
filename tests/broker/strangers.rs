//! What hostile and broken clients get, and that nobody else notices.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use xenblocks::broker::Config;

use super::mqtt_client::{Connect, PATIENCE, RawClient, field, packet, publish, subscribe};
use super::{Harness, until, worker_id};

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
        assert_eq!(member.subscribe(filter, 1), Some(0x80), "{filter}");
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
fn a_registration_under_no_workers_id_is_refused_where_its_answer_is_awaited() {
    let house = Harness::open();
    let long = "w".repeat(129);
    for id in [long.as_str(), "rig@home", "farm/rig"] {
        let mut client = house.connect("rig");
        assert_eq!(client.subscribe(&format!("xenminer/{id}/task"), 1), Some(1));
        let topic = format!("xenminer/{id}/register");
        for qos in [0, 1] {
            client.send(&publish(topic.as_bytes(), b"{}", qos, 7, false));
            let mut seen: Vec<_> = (0..=qos).map(|_| client.read().expect("it stays connected")).collect();
            seen.sort_by_key(|packet| packet.first);
            let (topic, answer) = seen[0].publish();
            assert_eq!(topic, format!("xenminer/{id}/task"));
            let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
            assert_eq!((&answer["command"], &answer["accepted"]), (&"register_ack".into(), &false.into()));
            assert!(answer["reason"].as_str().unwrap().contains("1 to 128 characters of A-Z"), "{answer}");
            assert_eq!(seen.get(1).map(|packet| packet.first), (qos == 1).then_some(0x40));
        }
        // What is retained is removed, and nothing is said with that.
        client.send(&publish(topic.as_bytes(), b"", 0, 0, true));
        assert!(client.ping());
    }
    let mut client = house.connect("rig");
    client.send(&publish(format!("xenminer/{}/register", "w".repeat(200)).as_bytes(), b"{}", 1, 7, false));
    assert_eq!(client.read(), None, "beyond a topic's limit");
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
        assert_eq!(client.subscribe(filter, 1), Some(0x80), "{filter}");
        assert!(client.ping(), "{filter} is refused alone");
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
    assert_eq!(reader.subscribe("#", 1), Some(0x80));
}

#[test]
fn a_refused_filter_is_refused_alone() {
    let house = Harness::closed();
    let login = Some(("rig", "token-of-rig"));
    let mut rig = RawClient::connect(house.addr(), &Connect { login, ..Connect::new("rig") });
    let filters = ["xenminer/rig/task", "xenminer/other/task", "$share/g/x", "é", "xenminer/rig/control"];
    let wanted: Vec<u8> =
        filters.iter().flat_map(|filter| [field(filter.as_bytes()), vec![1]].concat()).collect();
    rig.send(&packet(0x82, &[&[0, 3][..], &wanted].concat()));
    let answer = rig.read().expect("an answer");
    assert_eq!((answer.first, answer.body), (0x90, vec![0, 3, 1, 0x80, 0x80, 0x80, 1]));
    house.broker.publisher().publish(&"xenminer/rig/control".parse().unwrap(), b"go".to_vec());
    assert_eq!(rig.read().unwrap().publish().1, b"go");
}

#[test]
fn filters_beyond_the_limit_are_refused_one_by_one() {
    let house = Harness::open();
    let mut client = house.connect("greedy");
    let filters: Vec<u8> =
        (0..200).flat_map(|n| [field(format!("f/{n}").as_bytes()), vec![0]].concat()).collect();
    client.send(&packet(0x82, &[&[0, 3][..], &filters].concat()));
    let answer = client.read().expect("an answer");
    let codes = &answer.body[2..];
    assert_eq!(codes.len(), 200);
    assert!(codes[..32].iter().all(|code| *code == 0) && codes[32..].iter().all(|code| *code == 0x80));
    assert_eq!(client.subscribe("one/more", 0), Some(0x80));
    assert_eq!(client.subscribe("f/0", 1), Some(1), "one that it has");
    assert!(client.ping());
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
fn what_the_standard_forbids_ends_the_connection() {
    let house = Harness::open();
    let topic = |topic: &[u8]| publish(topic, b"x", 0, 0, false);
    let unsubscribe = |id: u8, filter: &[u8]| packet(0xa2, &[&[0, id][..], &field(filter)].concat());
    let forbidden = [
        ("a repetition with QoS 0", [&[0x38], &topic(b"t")[1..]].concat()),
        ("no topic", topic(b"")),
        ("a wildcard in a topic", topic(b"a/+")),
        ("a null character in a topic", topic(b"a\0")),
        ("a topic that is not UTF-8", topic(b"\xc3\x28")),
        ("QoS 3 in a filter", subscribe(1, b"a", 3)),
        ("reserved bits in a filter's QoS", subscribe(1, b"a", 0xfd)),
        ("an empty filter", subscribe(1, b"", 0)),
        ("a null character in a filter", subscribe(1, b"a\0", 0)),
        ("a filter that is not UTF-8", subscribe(1, b"\xc3\x28", 0)),
        ("a wildcard out of place", subscribe(1, b"a#", 0)),
        ("SUBSCRIBE with id 0", subscribe(0, b"a", 0)),
        ("SUBSCRIBE of nothing", packet(0x82, &[0, 1])),
        ("UNSUBSCRIBE with id 0", unsubscribe(0, b"a")),
        ("UNSUBSCRIBE of an empty filter", unsubscribe(1, b"")),
        ("PUBREL with id 0", packet(0x62, &[0, 0])),
        ("PUBREL that is too long", packet(0x62, &[0, 1, 0, 0])),
        ("PINGREQ that is too long", packet(0xc0, &[0])),
        ("DISCONNECT that is too long", packet(0xe0, &[0])),
        ("flags of SUBSCRIBE", packet(0x80, &[0, 1, 0, 1, b'a', 0])),
        ("flags of PINGREQ", packet(0xc1, &[])),
        ("a length of five bytes", vec![0x30, 0x80, 0x80, 0x80, 0x80, 0x01]),
        ("CONNECT again", Connect::new("odd").bytes()),
    ];
    for (what, bytes) in forbidden {
        let mut client = house.connect("odd");
        client.send(&bytes);
        assert_eq!(client.read(), None, "{what}");
    }
    house.assert_serves();
}

#[test]
fn what_the_standard_forbids_of_connect_gets_no_answer() {
    let house = Harness::open();
    let connect = |flags: u8, fields: &[&[u8]]| {
        let fields: Vec<u8> = fields.iter().flat_map(|text| field(text)).collect();
        packet(0x10, &[&field(b"MQTT")[..], &[4, flags, 0, 60], &fields].concat())
    };
    let sound = connect(0x02 | 0xc4, &[b"odd", b"t", b"m", b"user", b"word"]);
    let forbidden = [
        ("flags of its type", [&[0x11], &sound[1..]].concat()),
        ("the reserved flag", connect(0x03, &[b"odd"])),
        ("a will's QoS without a will", connect(0x0a, &[b"odd"])),
        ("a will's retain without a will", connect(0x22, &[b"odd"])),
        ("a will with QoS 3", connect(0x1e, &[b"odd", b"t", b"m"])),
        ("a will without its message", connect(0x06, &[b"odd", b"t"])),
        ("a password without a user", connect(0x42, &[b"odd", b"word"])),
        ("a user that is not there", connect(0x82, &[b"odd"])),
        ("a user without the flag", connect(0x02, &[b"odd", b"user"])),
        ("a null character in the user", connect(0xc2, &[b"odd", b"us\0er", b"word"])),
        ("a user that is not UTF-8", connect(0xc2, &[b"odd", b"\xc3\x28", b"word"])),
    ];
    for (what, bytes) in forbidden {
        let mut client = RawClient::open(house.addr());
        client.send(&bytes);
        assert_eq!(client.read(), None, "{what}");
    }
    let mut client = RawClient::open(house.addr());
    client.send(&sound);
    assert!(client.read().is_some_and(|answer| answer.body == [0, 0]) && client.ping());
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
fn a_client_over_its_rate_that_waits_for_its_acknowledgements_gets_them() {
    let config = Config { rate_limited: true, ..Config::open((Ipv4Addr::LOCALHOST, 0).into()) };
    let house = Harness::with(config);
    let mut client = house.connect("windowed");
    let send = |client: &mut RawClient, id: u16| client.send(&publish(b"batch/a", b"x", 1, id, false));
    for id in 1..=20 {
        send(&mut client, id);
    }
    for id in 1..=300_u16 {
        assert_eq!(client.read().expect("an acknowledgement").body, id.to_be_bytes());
        if id <= 280 {
            send(&mut client, id + 20);
        }
    }
    assert!(client.ping());
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
            6 => packet(0xa2, &[&id.to_be_bytes()[..], &field(self.pick(&filters))].concat()),
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
