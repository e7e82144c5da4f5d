//! A network that repeats, swaps, delays and loses: what comes twice counts once, what was not
//! acknowledged can be sent again, and the books are in order whatever happens.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::support::api::Api;
use crate::support::await_some;
use crate::support::house::{House, RENTER, RENTER_ADDRESS};
use crate::support::proxy::{Fate, Meddler, Proxy, Way, http_messages, mqtt_packets};
use crate::support::rig::{Rig, key_of};

const CONNECT: u8 = 1;
const PUBLISH: u8 = 3;
const PUBACK: u8 = 4;

fn pass(piece: Vec<u8>) -> Fate {
    Fate::Pass(vec![piece])
}

fn is(packet: &[u8], kind: u8) -> bool {
    packet[0] >> 4 == kind
}

/// Whether a PUBLISH is on a topic that ends so.
fn is_on(packet: &[u8], channel: &str) -> bool {
    let topic_end = packet.windows(channel.len()).position(|window| window == channel.as_bytes());
    is(packet, PUBLISH) && topic_end.is_some()
}

fn rent(house: &House, worker: &str) -> (String, String) {
    let lease = house.rent(worker, 3600);
    let text = |name: &str| lease[name].as_str().unwrap().to_owned();
    (text("lease_id"), text("prefix"))
}

fn found(house: &House, lease: &str) -> Value {
    house.lease(lease)["blocks_found"].clone()
}

/// What the worker says, and each acknowledgement. (A command twice under one packet id would be
/// acknowledged twice, which no client may do.)
#[test]
fn every_message_and_every_acknowledgement_twice_counts_once() {
    let house = House::open();
    let twice = |_| -> Box<Meddler> {
        Box::new(|way, packet| {
            let copies = if is(&packet, if way == Way::Up { PUBLISH } else { PUBACK }) { 2 } else { 1 };
            Fate::Pass(vec![packet; copies])
        })
    };
    let proxy = Proxy::start(house.mqtt(), mqtt_packets, twice);
    let mut rig = Rig::join(proxy.addr, "rig-1");
    let (lease, prefix) = rent(&house, "rig-1");
    assert_eq!(rig.command("assign_task")["lease_id"], json!(lease));
    rig.state("MINING", Some(&lease));
    for number in 0..3 {
        let key = key_of(&prefix, number);
        house.submit(&key, RENTER_ADDRESS).ok();
        rig.block(&lease, &key, RENTER_ADDRESS);
    }
    house.pass_with(&mut rig, 60);
    assert_eq!(found(&house, &lease), 3);
    assert_eq!(house.stop(&lease)["settlement"]["total_cost"], 0.6);
    house.await_state("rig-1", "AVAILABLE");
}

#[test]
fn messages_that_overtake_each_other_change_nothing_that_counts() {
    let house = House::open();
    // From the first block on, each message waits for the next and goes after it.
    let swap = |_| -> Box<Meddler> {
        let mut held: Option<Vec<u8>> = None;
        Box::new(move |way, packet| {
            if way == Way::Down || !(is_on(&packet, "/block") || held.is_some()) {
                return pass(packet);
            }
            match held.take() {
                None => {
                    held = Some(packet);
                    Fate::Pass(Vec::new())
                }
                Some(earlier) => Fate::Pass(vec![packet, earlier]),
            }
        })
    };
    let proxy = Proxy::start(house.mqtt(), mqtt_packets, swap);
    let mut rig = Rig::join(proxy.addr, "rig-1");
    let (lease, prefix) = rent(&house, "rig-1");
    rig.command("assign_task");
    for number in 0..4 {
        let key = key_of(&prefix, number);
        house.submit(&key, RENTER_ADDRESS).ok();
        let block = rig.block_of(&lease, &key, RENTER_ADDRESS).to_string();
        rig.publish("block", block.as_bytes());
        let status =
            json!({"worker_id": "rig-1", "state": "MINING", "lease_id": lease, "timestamp": 0}).to_string();
        rig.publish("status", status.as_bytes());
    }
    await_some("four blocks", || (found(&house, &lease) == 4).then_some(()));
    assert_eq!(house.stop(&lease)["settlement"]["total_cost"], 0.0);
}

/// Cut before a block arrives, and after it is stored but before its acknowledgement is back.
#[test]
fn a_block_whose_acknowledgement_is_lost_is_sent_again_and_counts_once() {
    for lost in [Way::Up, Way::Down] {
        let house = House::open();
        let cut_once = move |number| -> Box<Meddler> {
            let mut block_sent = false;
            Box::new(move |way, packet| {
                let is_block = way == Way::Up && is_on(&packet, "/block");
                block_sent |= is_block;
                let is_lost = match lost {
                    Way::Up => is_block,
                    Way::Down => block_sent && way == Way::Down && is(&packet, PUBACK),
                };
                if number == 0 && is_lost { Fate::Cut } else { pass(packet) }
            })
        };
        let proxy = Proxy::start(house.mqtt(), mqtt_packets, cut_once);
        let mut rig = Rig::join(proxy.addr, "rig-1");
        let (lease, prefix) = rent(&house, "rig-1");
        rig.command("assign_task");
        let key = key_of(&prefix, 1);
        house.submit(&key, RENTER_ADDRESS).ok();
        let block = rig.block_of(&lease, &key, RENTER_ADDRESS);
        assert!(!rig.try_say("block", &block), "the acknowledgement was to be lost");
        let mut rig = Rig::join(proxy.addr, "rig-1");
        assert_eq!(rig.command("assign_task")["lease_id"], json!(lease));
        rig.say("block", &block);
        assert_eq!(found(&house, &lease), 1, "lost on its way {lost:?}");
    }
}

/// Held back until its lease is over and paid: it changes neither the sum nor the next lease.
#[test]
fn a_message_that_is_late_by_a_lease_changes_nothing() {
    let house = House::open();
    let held_back = |_| -> Box<Meddler> {
        let mut held = Vec::new();
        Box::new(move |way, packet| {
            if way == Way::Up && (is_on(&packet, "/block") || is_on(&packet, "MINING")) {
                held.push(packet);
                return Fate::Pass(Vec::new());
            }
            let is_release = way == Way::Up && is_on(&packet, "/heartbeat");
            let late = if is_release { std::mem::take(&mut held) } else { Vec::new() };
            Fate::Pass(late.into_iter().chain([packet]).collect())
        })
    };
    let proxy = Proxy::start(house.mqtt(), mqtt_packets, held_back);
    let mut rig = Rig::join(proxy.addr, "rig-1");
    let (lease, prefix) = rent(&house, "rig-1");
    rig.command("assign_task");
    let key = key_of(&prefix, 1);
    let block = rig.block_of(&lease, &key, RENTER_ADDRESS).to_string();
    rig.publish("block", block.as_bytes());
    let status =
        json!({"worker_id": "rig-1", "state": "MINING", "lease_id": lease, "timestamp": 0}).to_string();
    rig.publish("status", status.as_bytes());
    house.pass(60);
    let settlement = house.stop(&lease)["settlement"].clone();
    let (next, _) = rent(&house, "rig-1");
    rig.heartbeat(1000.0);
    assert_eq!(house.lease(&lease)["settlement"], settlement);
    assert_eq!((found(&house, &next), &house.lease(&next)["state"]), (json!(0), &json!("active")));
}

/// A client whose connection is cut in the middle of the answer asks again under the same key.
#[test]
fn a_deposit_whose_answer_is_lost_is_asked_for_again_and_moves_once() {
    for lost in [Way::Up, Way::Down] {
        let house = House::open();
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = requests.clone();
        let cut_first = move |_| -> Box<Meddler> {
            let counted = counted.clone();
            Box::new(move |way, message| {
                if way == Way::Up && lost == Way::Down {
                    return pass(message);
                }
                if way == lost && counted.fetch_add(1, Ordering::Relaxed) == 0 {
                    Fate::Cut
                } else {
                    pass(message)
                }
            })
        };
        let proxy = Proxy::start(house.http(), http_messages, cut_first);
        let before = house.balance(RENTER);
        let api = Api::new(proxy.addr).with("Idempotency-Key", "0123456789abcdef");
        let (path, body) = (format!("/api/accounts/{RENTER}/deposit"), json!({"amount": 7}).to_string());
        assert!(api.try_send("POST", &path, Some(&body)).is_err(), "it was to be cut");
        api.send("POST", &path, Some(&body)).ok();
        assert_eq!(house.balance(RENTER) - before, 7_000_000, "lost on its way {lost:?}");
        assert!(requests.load(Ordering::Relaxed) >= 2);
    }
}

/// Every request reaches the server twice; the client hears the first answer.
#[test]
fn every_request_twice_rents_once_and_settles_once() {
    let house = House::open();
    let _rig = house.rig("rig-1");
    let twice = |_| -> Box<Meddler> {
        let mut answers = 0;
        Box::new(move |way, message| match way {
            Way::Up => Fate::Pass(vec![message.clone(), message]),
            Way::Down => {
                answers += 1;
                Fate::Pass(if answers % 2 == 1 { vec![message] } else { Vec::new() })
            }
        })
    };
    let proxy = Proxy::start(house.http(), http_messages, twice);
    let api = Api::new(proxy.addr);
    let body = json!({"consumer_id": RENTER, "worker_id": "rig-1", "duration_sec": 600});
    let lease = api.post("/api/rent", &body).ok()["lease_id"].as_str().unwrap().to_owned();
    let leases = house.api.get("/api/leases").ok();
    assert_eq!(leases["items"].as_array().unwrap().len(), 1, "{leases}");
    let stopped = api.post("/api/stop", &json!({ "lease_id": lease })).ok();
    assert_eq!(house.lease(&lease)["settlement"]["total_cost"], stopped["settlement"]["total_cost"]);
    let settlements = house.admin().get("/api/settlements").ok();
    assert_eq!(settlements["items"].as_array().map_or(0, Vec::len), 1, "{settlements}");
}

/// Cut in the middle of everything, again and again: the connection is made again and all is as it was.
#[test]
fn a_connection_cut_after_every_few_packets_loses_no_block() {
    let house = House::open();
    let flaky = |number| -> Box<Meddler> {
        let mut packets = 0;
        Box::new(move |way, packet| {
            packets += usize::from(!(way == Way::Up && is(&packet, CONNECT)));
            if packets > 9 + number % 7 { Fate::Cut } else { pass(packet) }
        })
    };
    let proxy = Proxy::start(house.mqtt(), mqtt_packets, flaky);
    let join = || await_some("a worker that gets through", || Rig::try_join(proxy.addr, "rig-1"));
    let mut rig = join();
    let (lease, prefix) = rent(&house, "rig-1");
    let keys: Vec<_> = (0..12).map(|number| key_of(&prefix, number)).collect();
    for key in &keys {
        house.submit(key, RENTER_ADDRESS).ok();
        let block = rig.block_of(&lease, key, RENTER_ADDRESS);
        while !rig.try_say("block", &block) {
            rig = join();
        }
    }
    assert_eq!(found(&house, &lease), 12);
}
