//! The live feed over real sockets: order, bounds, and clients that misbehave.

#[path = "support/http_client.rs"]
mod http_client;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use http_client::Client;
use rouille::Response;
use serde_json::{Value, json};
use tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tungstenite::protocol::frame::{Frame, FrameHeader};
use tungstenite::protocol::{CloseFrame, Role};
use tungstenite::{Message, WebSocket};
use xenblocks::base::thread::deathwatch;
use xenblocks::base::{Clock, Timestamp};
use xenblocks::http::{Config, Reply, Server, handler};
use xenblocks::live::{HEARTBEAT, Hub, Resume};

const WAIT: Duration = Duration::from_secs(10);

struct House {
    hub: Hub,
    addr: SocketAddr,
    server: Server,
}

impl House {
    fn new(clients_max: usize) -> Self {
        let (watch, _deaths) = deathwatch();
        let clock = Clock::manual(Timestamp::from_seconds(1000.5));
        let hub = Hub::start(clock, clients_max, &watch).unwrap();
        let serving = hub.clone();
        let routes = handler(move |request| match request.url().as_str() {
            "/ws" => {
                let hub = serving.clone();
                Reply::WebSocket(Box::new(move |socket| {
                    hub.serve(socket, || {
                        // Published after the client was registered: it comes after the snapshot.
                        hub.publish("worker", &"while the snapshot was made");
                        r#"{"workers":[]}"#.to_owned()
                    });
                }))
            }
            "/large" => {
                let hub = serving.clone();
                Reply::WebSocket(Box::new(move |socket| {
                    hub.serve(socket, || {
                        hub.publish("block", &1);
                        format!("\"{}\"", "s".repeat(5_000_000))
                    });
                }))
            }
            "/v2" => {
                let (hub, feed) = (serving.clone(), request.get_param("feed"));
                let seq = request.get_param("seq").and_then(|seq| seq.parse().ok());
                let resume = feed.zip(seq).map(|(feed, seq)| Resume { feed, seq });
                Reply::WebSocket(Box::new(move |socket| {
                    hub.serve_deltas(socket, resume.as_ref(), || r#"{"rows":[]}"#);
                }))
            }
            _ => Response::empty_404().into(),
        });
        let config = Config::new("http", "127.0.0.1:0".parse().unwrap());
        let server = Server::start(config, &watch, routes).unwrap();
        House { hub, addr: server.local_addr(), server }
    }

    fn join(&self) -> WebSocket<TcpStream> {
        self.join_at("/ws")
    }

    fn join_at(&self, path: &str) -> WebSocket<TcpStream> {
        let stream = TcpStream::connect(self.addr).unwrap();
        stream.set_read_timeout(Some(WAIT)).unwrap();
        tungstenite::client(format!("ws://{}{path}", self.addr), stream).unwrap().0
    }

    /// A client that has had its snapshot and what came with it.
    fn joined(&self) -> WebSocket<TcpStream> {
        let mut client = self.join();
        assert_eq!(event(&mut client)["type"], "snapshot");
        assert_eq!(event(&mut client)["type"], "worker");
        client
    }

    fn await_clients(&self, count: usize) {
        let started = Instant::now();
        while self.hub.clients() != count {
            assert!(started.elapsed() < WAIT, "{} clients, not {count}", self.hub.clients());
            std::thread::yield_now();
        }
    }
}

fn event(client: &mut WebSocket<TcpStream>) -> Value {
    serde_json::from_str(client.read().unwrap().to_text().unwrap()).unwrap()
}

fn close_of(client: &mut WebSocket<TcpStream>) -> CloseFrame {
    loop {
        match client.read().unwrap() {
            Message::Close(Some(frame)) => return frame,
            Message::Close(None) => panic!("a close without a code"),
            _ => {}
        }
    }
}

#[test]
fn a_client_gets_the_snapshot_then_every_event_in_order() {
    let house = House::new(10);
    let mut first = house.join();
    assert_eq!(event(&mut first), json!({"type": "snapshot", "data": {"workers": []}, "ts": 1000.5}));
    assert_eq!(event(&mut first)["data"], "while the snapshot was made");
    let mut second = house.joined();
    // The arrival of another client is an event of its own here.
    assert_eq!(event(&mut first)["type"], "worker");
    for number in 0..2000 {
        let kind = if number % 3 == 0 { "block" } else { HEARTBEAT };
        house.hub.publish(kind, &json!({ "number": number }));
    }
    for client in [&mut first, &mut second] {
        for number in 0..2000 {
            assert_eq!(event(client)["data"]["number"], number);
        }
    }
}

#[test]
fn an_event_is_encoded_once_and_only_for_listeners() {
    struct Counted<'a>(&'a std::cell::Cell<u32>);
    impl serde::Serialize for Counted<'_> {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            self.0.set(self.0.get() + 1);
            serializer.serialize_u32(self.0.get())
        }
    }
    let house = House::new(10);
    let encoded = std::cell::Cell::new(0);
    house.hub.publish("block", &Counted(&encoded));
    assert_eq!(encoded.get(), 0, "nobody listens");
    let mut clients: Vec<_> = (0..5).map(|_| house.joined()).collect();
    house.hub.publish("block", &Counted(&encoded));
    for client in &mut clients {
        let block = std::iter::repeat_with(|| event(client)).find(|event| event["type"] == "block");
        assert_eq!(block.unwrap()["data"], 1);
    }
    assert_eq!(encoded.get(), 1);
}

#[test]
fn a_large_snapshot_comes_whole_before_the_events() {
    let house = House::new(10);
    let mut client = house.join_at("/large");
    let snapshot = event(&mut client);
    assert_eq!(snapshot["data"].as_str().unwrap().len(), 5_000_000);
    assert_eq!(event(&mut client)["data"], 1);
}

#[test]
fn a_client_that_does_not_read_is_dropped_and_nobody_else_notices() {
    let house = House::new(10);
    let mut good = house.joined();
    let stuck = house.join();
    assert_eq!(event(&mut good)["type"], "worker");
    house.await_clients(2);
    let payload = "x".repeat(512 * 1024);
    let mut published = 0;
    let started = Instant::now();
    while house.hub.clients() == 2 {
        house.hub.publish("block", &json!({ "number": published, "payload": payload }));
        assert_eq!(event(&mut good)["data"]["number"], published);
        published += 1;
        assert!(started.elapsed() < WAIT, "still there after {published} events");
    }
    house.hub.publish("block", &json!({ "number": published }));
    assert_eq!(event(&mut good)["data"]["number"], published);
    drop(stuck);
}

#[test]
fn one_client_too_many_is_told_so() {
    let house = House::new(2);
    let first = house.joined();
    let _second = house.joined();
    let mut third = house.join();
    let close = close_of(&mut third);
    assert_eq!((close.code, close.reason.as_str()), (CloseCode::Again, "Server overloaded"));
    assert!(third.read().is_err(), "and the connection ends");
    assert_eq!(house.hub.clients(), 2);
    drop(first);
    house.await_clients(1);
    drop(house.joined());
}

#[test]
fn pings_are_answered_and_messages_ignored() {
    let house = House::new(10);
    let mut client = house.joined();
    client.send(Message::text("hello?")).unwrap();
    for (opcode, is_final) in [(Data::Text, false), (Data::Continue, false), (Data::Continue, true)] {
        let frame = Frame::message("part", OpCode::Data(opcode), is_final);
        client.send(Message::Frame(frame)).unwrap();
    }
    client.send(Message::Ping("payload".into())).unwrap();
    assert_eq!(client.read().unwrap(), Message::Pong("payload".into()));
    house.hub.publish("block", &7);
    assert_eq!(event(&mut client)["data"], 7);
}

#[test]
fn a_close_is_answered_and_an_abrupt_end_noticed() {
    let house = House::new(10);
    let mut polite = house.joined();
    polite.close(Some(CloseFrame { code: CloseCode::Normal, reason: "bye".into() })).unwrap();
    assert_eq!(close_of(&mut polite).code, CloseCode::Normal);
    assert!(matches!(polite.read(), Err(tungstenite::Error::ConnectionClosed)));
    house.await_clients(0);
    let rude = house.joined();
    house.await_clients(1);
    drop(rude);
    house.await_clients(0);
}

/// What clients must not send, and the code they are closed with (RFC 6455, section 7.4.1).
#[test]
fn broken_rules_are_answered_with_their_code() {
    let house = House::new(10);
    let masked = |first: u8, payload: &[u8]| {
        let mut frame = vec![first, 0xfe];
        frame.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
        frame.extend([0; 4]);
        frame.extend(payload);
        frame
    };
    let mut unmasked = Vec::new();
    Frame::message("no mask", OpCode::Data(Data::Text), true).format(&mut unmasked).unwrap();
    let endless =
        FrameHeader { opcode: OpCode::Data(Data::Binary), mask: Some([0; 4]), ..FrameHeader::default() };
    let mut claims_much = Vec::new();
    endless.format(u64::MAX / 2, &mut claims_much).unwrap();
    let fragments = [masked(0x02, &[0; 3000]), masked(0x80, &[0; 3000])].concat();
    for (what, bytes, code) in [
        ("a large message", masked(0x82, &[0; 5000]), CloseCode::Size),
        ("a large message in fragments", fragments, CloseCode::Size),
        ("a frame of exabytes", claims_much, CloseCode::Size),
        ("no UTF-8", masked(0x81, b"\xff\xfe"), CloseCode::Invalid),
        ("no mask", unmasked, CloseCode::Protocol),
        ("a reserved opcode", masked(0x83, b"x"), CloseCode::Protocol),
        ("a reserved bit", masked(0xc1, b"x"), CloseCode::Protocol),
        ("a continuation of nothing", masked(0x80, b"x"), CloseCode::Protocol),
        ("a fragmented ping", masked(0x09, b"x"), CloseCode::Protocol),
        ("a large ping", masked(0x89, &[0; 126]), CloseCode::Protocol),
        ("a close with half a code", masked(0x88, b"x"), CloseCode::Protocol),
    ] {
        let mut client = house.joined();
        client.get_mut().write_all(&bytes).unwrap();
        assert_eq!(close_of(&mut client).code, code, "{what}");
        drop(client);
        house.await_clients(0);
    }
}

#[test]
fn what_is_sent_right_behind_the_handshake_is_read() {
    let house = House::new(10);
    let mut client = Client::connect(house.addr);
    let mut bytes = b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        .to_vec();
    bytes.extend([0x89, 0x82, 0, 0, 0, 0, b'h', b'i']);
    assert_eq!(client.send(bytes).answer().status, 101);
    let mut seen = Vec::new();
    while !seen.ends_with(b"\x8a\x02hi") {
        seen.extend(client.bytes(1));
        assert!(seen.len() < 1000, "no pong in {seen:?}");
    }
}

#[test]
fn clients_that_break_off_in_a_frame_leave_nothing_behind() {
    let house = House::new(10);
    for cut in 1..14 {
        let mut client = house.joined();
        let frame = [0x81, 0xfe, 0, 126, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
        client.get_mut().write_all(&frame[..cut]).unwrap();
        drop(client);
        house.await_clients(0);
    }
}

#[test]
fn stopping_says_goodbye_and_cuts_off_the_deaf() {
    let house = House::new(10);
    let mut polite = house.joined();
    let deaf = house.joined();
    let started = Instant::now();
    let (watch, _deaths) = deathwatch();
    let stopping = house.hub.clone();
    let stopper = xenblocks::base::thread::spawn("stopper", &watch, move || {
        stopping.stop();
        Ok(())
    });
    let close = close_of(&mut polite);
    assert_eq!((close.code, close.reason.as_str()), (CloseCode::Away, "Server is stopping"));
    assert!(polite.read().is_err());
    stopper.unwrap().join().unwrap();
    house.await_clients(0);
    assert!(started.elapsed() < Duration::from_secs(3), "took {:?}", started.elapsed());
    let mut rest = Vec::new();
    deaf.get_ref().read_to_end(&mut rest).unwrap();
    let mut late = house.join();
    assert_eq!(close_of(&mut late).code, CloseCode::Away);
    house.hub.publish("block", &1);
    house.hub.stop();
    drop(late);
    house.server.stop();
}

#[test]
fn the_server_stops_even_when_nobody_stopped_the_hub() {
    let house = House::new(10);
    let client = house.joined();
    let started = Instant::now();
    house.server.stop();
    assert!(started.elapsed() < Duration::from_secs(3), "took {:?}", started.elapsed());
    let mut cut = WebSocket::from_raw_socket(client.get_ref().try_clone().unwrap(), Role::Client, None);
    assert!(cut.read().is_err());
    let started = Instant::now();
    while house.hub.clients() > 0 {
        assert!(started.elapsed() < WAIT);
        std::thread::yield_now();
    }
}

#[test]
fn followers_get_deltas_and_the_others_what_they_always_got() {
    let house = House::new(10);
    let mut plain = house.joined();
    let mut follower = house.join_at("/v2");
    let first = event(&mut follower);
    let keys: Vec<&str> = first.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["type", "v", "feed", "seq", "data", "ts"]);
    assert_eq!((&first["type"], &first["data"]), (&json!("snapshot"), &json!({"rows": []})));
    house.hub.publish_event("worker", &json!({"worker_id": "a"}));
    house.hub.publish_change("worker", "a", &json!({"worker_id": "a", "row": 1}));
    house.hub.publish_newest(HEARTBEAT, "a", &json!({"worker_id": "a", "hashrate": 1}));
    house.hub.publish_newest(HEARTBEAT, "a", &json!({"worker_id": "a", "hashrate": 2}));
    house.hub.publish("block", &7);
    for expected in [
        json!({"type": "worker", "data": {"worker_id": "a"}, "ts": 1000.5}),
        json!({"type": "heartbeat", "data": {"worker_id": "a", "hashrate": 1}, "ts": 1000.5}),
        json!({"type": "heartbeat", "data": {"worker_id": "a", "hashrate": 2}, "ts": 1000.5}),
        json!({"type": "block", "data": 7, "ts": 1000.5}),
    ] {
        assert_eq!(event(&mut plain), expected);
    }
    let (mut values, mut blocks, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    let mut seq = first["seq"].clone();
    while blocks.is_empty() {
        let delta = event(&mut follower);
        assert_eq!(delta["since"], seq);
        seq = delta["seq"].clone();
        values.extend(delta["data"]["heartbeat"].as_array().into_iter().flatten().cloned());
        rows.extend(delta["data"]["worker"].as_array().into_iter().flatten().cloned());
        blocks.extend(delta["data"]["block"].as_array().into_iter().flatten().cloned());
    }
    assert_eq!(values.last().unwrap(), &json!({"worker_id": "a", "hashrate": 2}));
    assert_eq!((rows, blocks), (vec![json!({"worker_id": "a", "row": 1})], vec![json!(7)]));
}

#[test]
fn a_follower_that_reads_late_gets_the_newest_of_all_and_misses_nothing_else() {
    let house = House::new(10);
    let mut late = house.join_at("/v2");
    let mut quick = house.join_at("/v2");
    let mut seq = event(&mut late)["seq"].as_u64().unwrap();
    event(&mut quick);
    let text = "x".repeat(300);
    let started = Instant::now();
    let mut newest = 0;
    // Far more than the sockets hold, in more deltas than a client's queue has places.
    while started.elapsed() < Duration::from_millis(1500) {
        for worker in 0..100 {
            let beat = json!({"worker_id": worker, "number": newest, "text": text});
            house.hub.publish_newest(HEARTBEAT, &worker.to_string(), &beat);
        }
        house.hub.publish("block", &newest);
        newest += 1;
        while event(&mut quick)["data"]["block"].as_array().is_none_or(|b| *b.last().unwrap() != newest - 1) {
        }
    }
    let (mut blocks, mut numbers) = (Vec::new(), std::collections::HashMap::new());
    while blocks.last() != Some(&(newest - 1)) {
        let delta = event(&mut late);
        assert_eq!(delta["since"], seq);
        seq = delta["seq"].as_u64().unwrap();
        blocks.extend(delta["data"]["block"].as_array().unwrap().iter().map(|b| b.as_u64().unwrap()));
        for beat in delta["data"]["heartbeat"].as_array().unwrap() {
            numbers.insert(beat["worker_id"].as_u64(), beat["number"].as_u64().unwrap());
        }
    }
    assert_eq!(blocks, (0..newest).collect::<Vec<_>>(), "every block, in order");
    assert_eq!(numbers.len(), 100);
    assert!(numbers.values().all(|number| *number == newest - 1));
}

#[test]
fn a_follower_that_does_not_read_is_dropped_and_may_come_back() {
    let house = House::new(10);
    let mut stuck = house.join_at("/v2");
    let mut good = house.join_at("/v2");
    let first = event(&mut stuck);
    event(&mut good);
    let text = "x".repeat(200 * 1024);
    let started = Instant::now();
    let mut published = 0;
    while house.hub.clients() == 2 {
        house.hub.publish("block", &json!({"number": published, "text": text}));
        loop {
            let delta = event(&mut good);
            let blocks = delta["data"]["block"].as_array().unwrap();
            if blocks.last().unwrap()["number"] == published {
                break;
            }
        }
        published += 1;
        assert!(started.elapsed() < WAIT, "still there after {published}");
    }
    assert!(started.elapsed() >= Duration::from_secs(2));
    let (feed, seq) = (first["feed"].as_str().unwrap(), &first["seq"]);
    let mut back = house.join_at(&format!("/v2?feed={feed}&seq={seq}"));
    assert_eq!(event(&mut back)["type"], "resumed");
    let missed = event(&mut back);
    assert_eq!((&missed["since"], missed["data"]["block"].as_array().unwrap().len()), (seq, published));
}
