//! Both WebSocket ports, as their clients see them.

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tungstenite::{Message, WebSocket};
use xenblocks::base::limits::GATEWAY_SOCKETS_MAX;

use crate::House;
use crate::support::await_until;
use crate::the_block::Mode;

const WAIT: Duration = Duration::from_secs(15);

struct Listener(WebSocket<TcpStream>);

impl Listener {
    fn connect(addr: SocketAddr, path: &str) -> Self {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_read_timeout(Some(WAIT)).unwrap();
        Listener(tungstenite::client(format!("ws://{addr}{path}"), stream).unwrap().0)
    }

    fn say(&mut self, message: &Value) {
        self.0.send(Message::text(message.to_string())).unwrap();
    }

    fn next(&mut self) -> Value {
        loop {
            let message = self.0.read().unwrap();
            if message.is_text() {
                return serde_json::from_str(message.to_text().unwrap()).unwrap();
            }
        }
    }

    fn next_of(&mut self, kind: &str) -> Value {
        let started = Instant::now();
        loop {
            let message = self.next();
            if message["type"] == kind {
                return message;
            }
            assert!(started.elapsed() < WAIT, "no {kind}");
        }
    }
}

#[test]
fn a_client_is_welcomed_subscribes_and_is_told() {
    let house = House::ready();
    let mut client = Listener::connect(house.ws, "/");
    let welcome = client.next();
    assert_eq!(welcome["type"], "welcome");
    let streams = json!(["network_metrics", "markets_health", "receipts", "operations", "peers"]);
    assert_eq!(welcome["available_streams"], streams);
    assert!(welcome["timestamp"].is_i64());

    client.say(&json!({"type": "subscribe", "stream": "network_metrics"}));
    assert_eq!(client.next(), json!({"type": "subscribed", "stream": "network_metrics"}));
    for _ in 0..2 {
        let frame = client.next();
        assert_eq!(
            (&frame["type"], &frame["data"]["network_strength"]),
            (&json!("network_metrics"), &json!(49))
        );
        assert!(frame["timestamp"].is_i64());
    }
    client.say(&json!({"type": "unsubscribe", "stream": "network_metrics"}));
    client.next_of("unsubscribed");
    client.say(&json!({"type": "ping", "timestamp": 12.5}));
    assert_eq!(client.next_of("pong"), json!({"type": "pong", "timestamp": 12.5}));
    client.0.send(Message::text("{")).unwrap();
    assert_eq!(client.next(), json!({"type": "error", "message": "Invalid JSON"}));
    client.say(&json!({"type": "subscribe", "stream": "gold"}));
    assert!(client.next()["message"].as_str().unwrap().starts_with("Unknown stream"));
}

#[test]
fn who_comes_by_the_other_path_gets_everything() {
    let house = House::ready();
    for addr in [house.ws, house.http] {
        let mut client = Listener::connect(addr, "/theblock/ws");
        assert_eq!(client.next()["type"], "welcome");
        for kind in ["network_metrics", "operations"] {
            client.next_of(kind);
        }
        house.node.add_receipt();
        let new = client.next_of("receipts")["data"].clone();
        assert_eq!((&new["total"], new["receipts"].as_array().unwrap().len()), (&json!(1), 1));
    }
}

#[test]
fn large_messages_are_refused_and_fragments_understood() {
    let house = House::ready();
    let mut client = Listener::connect(house.ws, "/");
    client.next();
    let part = |text: &str, opcode, last| {
        Message::Frame(Frame::message(text.as_bytes().to_vec(), OpCode::Data(opcode), last))
    };
    client.0.send(part(r#"{"type":"pi"#, Data::Text, false)).unwrap();
    client.0.send(part(r#"ng","timestamp":7}"#, Data::Continue, true)).unwrap();
    assert_eq!(client.next_of("pong")["timestamp"], 7);
    client.0.send(Message::text("x".repeat(64 * 1024 + 1))).unwrap();
    let end = loop {
        match client.0.read() {
            Ok(Message::Close(frame)) => break frame.unwrap().code,
            Ok(_) => {}
            Err(error) => panic!("no close: {error}"),
        }
    };
    assert_eq!(end, CloseCode::Size);
    let plain =
        crate::http_client::Client::connect(house.ws).send("GET / HTTP/1.1\r\nHost: g\r\n\r\n").answer();
    assert_eq!(plain.status, 426);
}

#[test]
fn a_node_that_is_gone_is_said_and_its_return_is_heard() {
    let mut house = House::ready();
    let mut client = Listener::connect(house.ws, "/theblock/ws");
    client.next_of("network_metrics");
    house.node.down();
    let notice = client.next_of("stale");
    assert!(notice["message"].is_string() && notice["age_seconds"].is_number());
    client.next_of("stale");
    house.node.up();
    assert!(client.next_of("network_metrics")["data"].get("stale").is_none());
}

#[test]
fn features_are_256_numbers_about_every_two_seconds() {
    let house = House::ready();
    let mut client = Listener::connect(house.features, "/");
    for _ in 0..2 {
        let frame = client.next();
        assert_eq!((&frame["topic"], frame["data"].as_array().unwrap().len()), (&json!("features"), 256));
        assert!(frame["data"].as_array().unwrap().iter().all(Value::is_number));
        assert!(frame["feature_lag_seconds"].is_number() || frame["feature_lag_seconds"].is_null());
        assert_eq!(frame["simple_db"]["backend"], "memory");
        assert!(frame["recent_errors"]["total"].is_u64());
    }
}

#[test]
fn two_hundred_clients_of_whom_some_do_not_read() {
    let house = House::ready();
    let mut readers: Vec<_> = (0..150).map(|_| Listener::connect(house.ws, "/theblock/ws")).collect();
    let silent: Vec<_> = (0..50).map(|_| Listener::connect(house.ws, "/theblock/ws")).collect();
    for reader in &mut readers {
        reader.next_of("network_metrics");
    }
    for reader in &mut readers {
        reader.next_of("network_metrics");
    }
    let text = house.ask("GET /metrics");
    assert!(text.text().contains("block_buster_websocket_clients 200"));
    drop((readers, silent));
    await_until("everybody's leave", || {
        house.ask("GET /metrics").text().contains("block_buster_websocket_clients 0")
    });
}

#[test]
fn strangers_may_not_listen_where_origins_are_named() {
    let house = House::with(Mode::Spec, xenblocks::base::Clock::system(), |settings| {
        settings.cors = vec!["https://a.example".to_owned()];
    });
    let status = |origin: &str| {
        let request = format!(
            "GET /theblock/ws HTTP/1.1\r\nHost: 127.0.0.1:1\r\nOrigin: {origin}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        crate::http_client::Client::connect(house.ws).send(request).head().status
    };
    assert_eq!((status("https://a.example"), status("https://b.example")), (101, 403));
    assert_eq!(status("http://127.0.0.1:5000"), 101, "the gateway's own page");
}

#[test]
fn one_client_too_many_is_told_so_and_gets_in_when_another_leaves() {
    let house = House::ready();
    let mut clients: Vec<Listener> =
        (0..GATEWAY_SOCKETS_MAX).map(|_| Listener::connect(house.ws, "/")).collect();
    let last = clients.last_mut().unwrap();
    assert_eq!(last.next()["type"], "welcome");
    let refused = loop {
        match Listener::connect(house.ws, "/").0.read().unwrap() {
            Message::Close(frame) => break frame.expect("a code"),
            other => assert!(!other.is_text(), "let in: {other}"),
        }
    };
    assert_eq!(u16::from(refused.code), 1013);
    clients.truncate(GATEWAY_SOCKETS_MAX / 2);
    await_until("a place", || {
        Listener::connect(house.ws, "/").0.read().is_ok_and(|message| message.is_text())
    });
}
