use serde_json::json;
use xenblocks::base::limits::{WORKER_EVENTS_QUEUED_MAX, WORKER_MESSAGES_QUEUED_MAX};
use xenblocks::base::{Clock, Secret, thread};
use xenblocks::protocol::{Block, Channel, Command, Register, ReportedState};
use xenblocks::worker::session::{Broker as Address, Event, Login, Session, Sessions, Tagged};

use crate::broker::{Broker, Seen};
use crossbeam_channel::Receiver;

const WORKER: &str = "rig-1";

fn address(broker: &Broker, login: Option<Login>) -> Address {
    Address { host: "127.0.0.1".into(), port: broker.port, login }
}

fn register() -> Register {
    Register {
        worker_id: WORKER.parse().unwrap(),
        eth_address: Some("0xaabbccddee1234567890abcdef1234567890abcd".parse().unwrap()),
        gpu_count: 1,
        total_memory_gb: 24.0,
        gpus: Vec::new(),
        version: "1".into(),
    }
}

fn open(broker: &Broker) -> (Session, Sessions, Receiver<Tagged>) {
    let (watch, _deaths) = thread::deathwatch();
    let (sessions, events) = Sessions::start(Clock::system(), &watch).unwrap();
    let login = Login { user: WORKER.into(), password: Secret::new("token") };
    let session = sessions.open(5, &address(broker, Some(login)), register(), 1);
    (session, sessions, events)
}

fn block(key: &str) -> Block {
    Block {
        worker_id: WORKER.parse().unwrap(),
        lease_id: None,
        hash: "XEN11".into(),
        key: key.repeat(64).parse().unwrap(),
        account: None,
        attempts: 1,
        hashrate: "1.00".into(),
    }
}

fn next(events: &Receiver<Tagged>, wanted: impl Fn(&Event) -> bool) -> Event {
    loop {
        let (index, event) = events.recv_timeout(std::time::Duration::from_secs(20)).unwrap();
        assert_eq!(index, 5);
        if wanted(&event) {
            return event;
        }
    }
}

#[test]
fn a_session_connects_subscribes_registers_and_leaves_as_the_contract_says() {
    let broker = Broker::start();
    let (session, sessions, events) = open(&broker);
    let connect = broker.until("CONNECT", |_, seen| match seen {
        Seen::Connect(connect) => Some(connect.clone()),
        _ => None,
    });
    assert_eq!(connect.client_id, "xenminer_rig-1");
    assert_eq!((connect.keep_alive, connect.clean_session), (60, true));
    let login = connect.login.unwrap();
    assert_eq!((login.username.as_str(), login.password.as_str()), (WORKER, "token"));
    let will = connect.last_will.unwrap();
    assert_eq!((will.topic.as_str(), will.retain, will.qos as u8), ("xenminer/rig-1/status", true, 1));
    let said: serde_json::Value = serde_json::from_slice(&will.message).unwrap();
    assert_eq!((&said["worker_id"], &said["status"]), (&json!(WORKER), &json!("offline")));
    assert!(said["timestamp"].is_f64());

    let filters = broker.until("SUBSCRIBE", |_, seen| match seen {
        Seen::Subscribe(filters) => Some(filters.clone()),
        _ => None,
    });
    assert_eq!(filters, ["xenminer/rig-1/task", "xenminer/rig-1/control"]);
    assert_eq!(broker.accept_next(), WORKER);
    assert!(matches!(next(&events, |_| true), Event::Connected));
    assert!(matches!(next(&events, |_| true), Event::Command(Command::RegisterAck(ack)) if ack.accepted));

    session.status(ReportedState::Available, None, None);
    let available = broker.next_state("AVAILABLE");
    assert!(available["timestamp"].is_f64() && available.get("lease_id").is_none());

    drop(session);
    sessions.stop(events);
    assert_eq!(broker.next_state("offline")["worker_id"], WORKER);
    broker.until("DISCONNECT", |_, seen| matches!(seen, Seen::Disconnect).then_some(()));
}

#[test]
fn after_a_cut_the_session_comes_back_and_repeats_nothing_by_itself() {
    let broker = Broker::start();
    let (session, _sessions, events) = open(&broker);
    broker.accept_next();
    next(&events, |event| *event == Event::Connected);
    broker.acknowledge(false);
    let ticket = session.publish_for_receipt(Channel::Block, &block("a")).unwrap();
    broker.next_on("block");
    broker.cut(WORKER);
    next(&events, |event| *event == Event::Disconnected);
    assert!(!session.status(ReportedState::Mining, None, None), "nothing is queued while offline");
    broker.acknowledge(true);
    broker.until("another SUBSCRIBE", |_, seen| matches!(seen, Seen::Subscribe(_)).then_some(()));
    // The registration is the first thing published on the new connection.
    let first = broker.until("a publish", |_, seen| match seen {
        Seen::Publish { topic, .. } => Some(topic.clone()),
        _ => None,
    });
    assert_eq!(first, "xenminer/rig-1/register");
    next(&events, |event| *event == Event::Connected);
    let again = session.publish_for_receipt(Channel::Block, &block("b")).unwrap();
    assert_ne!(again, ticket);
    assert_eq!(broker.next_on("block")["key"], "b".repeat(64));
    assert_eq!(next(&events, |event| matches!(event, Event::Receipt(_))), Event::Receipt(again));
}

#[test]
fn two_workers_with_one_id_take_turns_ever_more_slowly() {
    let broker = Broker::start();
    let (session, sessions, events) = open(&broker);
    let mut cut = None;
    let mut pauses = Vec::new();
    // The broker ends each connection at once, as when another client of this id comes.
    for _ in 0..4 {
        broker.accept_next();
        pauses.extend(cut.map(|cut: std::time::Instant| cut.elapsed()));
        cut = Some(std::time::Instant::now());
        broker.cut("rig-1");
    }
    assert!(pauses[2] >= std::time::Duration::from_secs(2), "{pauses:?}");
    drop(session);
    sessions.stop(events);
}

#[test]
fn a_session_goes_offline_and_comes_back_when_told() {
    let broker = Broker::start();
    let (session, _sessions, events) = open(&broker);
    broker.accept_next();
    session.set_online(false);
    broker.next_state("offline");
    broker.until("DISCONNECT", |_, seen| matches!(seen, Seen::Disconnect).then_some(()));
    next(&events, |event| *event == Event::Disconnected);
    session.set_online(true);
    assert_eq!(broker.accept_next(), WORKER);
}

#[test]
fn a_session_waits_for_a_broker_that_is_not_there_yet() {
    let broker = Broker::start();
    let (watch, _deaths) = thread::deathwatch();
    let (sessions, events) = Sessions::start(Clock::system(), &watch).unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = Address { port: listener.local_addr().unwrap().port(), ..address(&broker, None) };
    drop(listener);
    let session = sessions.open(5, &nobody, register(), 1);
    for _ in 0..2 {
        assert_eq!(next(&events, |_| true), Event::Disconnected);
    }
    drop(session);
    sessions.stop(events);
}

/// The broker acknowledges nothing: what may be under way is, what may wait waits, the next is refused.
#[test]
fn a_message_that_finds_the_queue_full_is_given_back_and_taken_after_the_next_connect() {
    let broker = Broker::start();
    let (session, _sessions, events) = open(&broker);
    broker.accept_next();
    next(&events, |event| *event == Event::Connected);
    broker.acknowledge(false);
    let under_way = session.publish_for_receipt(Channel::Block, &block("a")).unwrap();
    broker.next_on("block");
    let mut taken = 0;
    while session.publish_for_receipt(Channel::Block, &block("b")).is_some() {
        taken += 1;
        assert!(taken <= 4 * WORKER_MESSAGES_QUEUED_MAX, "there is no end to the queue");
    }
    assert!(taken >= WORKER_MESSAGES_QUEUED_MAX / 2, "{taken}");
    broker.acknowledge(true);
    broker.cut(WORKER);
    next(&events, |event| *event == Event::Disconnected);
    next(&events, |event| *event == Event::Connected);
    let again = session.publish_for_receipt(Channel::Block, &block("c")).unwrap();
    let receipt = next(&events, |event| matches!(event, Event::Receipt(_)));
    assert!(receipt == Event::Receipt(again) && again != under_way, "what was cut off is not repeated");
}

#[test]
fn sessions_wait_while_nobody_takes_their_events_and_lose_none() {
    let broker = Broker::start();
    let (_session, _sessions, events) = open(&broker);
    broker.accept_next();
    let count = 2 * WORKER_EVENTS_QUEUED_MAX;
    for number in 0..count {
        broker.send(WORKER, "task", &json!({"command": "release", "lease_id": format!("lease-{number}")}));
    }
    // Full, which is when the session's thread waits.
    while !events.is_full() {
        std::thread::yield_now();
    }
    for number in 0..count {
        let event = next(&events, |event| matches!(event, Event::Command(Command::Release { .. })));
        let lease_id = format!("lease-{number}").parse().unwrap();
        assert_eq!(event, Event::Command(Command::Release { lease_id }));
    }
}
