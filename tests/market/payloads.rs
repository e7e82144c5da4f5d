//! What a message must hold: every field that the platform goes by (contract: mqtt.md).

use log::LevelFilter;
use serde_json::{Value, json};

use crate::support::await_until;
use crate::support::house::House;
use crate::support::log_lines::{collect, lines_with};
use crate::support::rig::{Rig, key_of};

fn assert_logged(line: &str) {
    let lines = lines_with("::ingest", line);
    assert!(lines.iter().any(|logged| logged == line), "{line:?} is not in {lines:#?}");
}

fn house() -> House {
    collect(LevelFilter::Warn);
    House::open()
}

/// What may be left out, since the platform goes by its own clock and books.
const UNUSED: [&str; 4] = ["timestamp", "accepted_blocks", "difficulty", "uptime_sec"];

/// The message without each of its fields in turn that it must have, but for its worker's name.
fn each_without(message: &Value) -> Vec<(String, Value)> {
    let is_optional = |name: &str| name == "worker_id" || UNUSED.contains(&name);
    let names = message.as_object().unwrap().keys().filter(|name| !is_optional(name));
    let without = |name: &String| {
        let mut less = message.clone();
        less.as_object_mut().unwrap().remove(name);
        (name.clone(), less)
    };
    names.map(without).collect()
}

#[test]
fn a_registration_that_lacks_a_field_is_refused_with_the_fields_name() {
    let house = house();
    let mut rig = Rig::connect(house.mqtt(), "lacks-1");
    let cases = each_without(&rig.description());
    assert_eq!(cases.len(), 5, "{cases:?}");
    for (field, less) in cases {
        rig.say("register", &less);
        let ack = rig.command("register_ack");
        assert_eq!(
            (&ack["accepted"], &ack["reason"]),
            (&json!(false), &json!(format!("field {field}: missing")))
        );
        assert_logged(&format!("register of lacks-1: refused: field {field}: missing"));
    }
    let (no_bus, others): (Vec<_>, Vec<_>) =
        each_without(&rig.description()["gpus"][0]).into_iter().partition(|(field, _)| field == "bus_id");
    assert_eq!((no_bus.len(), others.len()), (1, 3));
    for (field, less) in others {
        let ack = register_gpu(&mut rig, &less);
        let reason = json!(format!("field gpus: entry 1: {field} missing"));
        assert_eq!((&ack["accepted"], &ack["reason"]), (&json!(false), &reason));
    }
    assert_eq!(house.api.get("/api/workers").ok(), json!([]));
    // Some simulators send no bus.
    assert_eq!(register_gpu(&mut rig, &no_bus[0].1)["accepted"], true);
}

fn register_gpu(rig: &mut Rig, gpu: &Value) -> Value {
    let mut description = rig.description();
    description["gpus"] = json!([gpu]);
    rig.say("register", &description);
    rig.command("register_ack")
}

#[test]
fn a_heartbeat_that_lacks_a_field_changes_nothing() {
    let house = house();
    let mut rig = house.rig("lacks-2");
    rig.heartbeat(1234.0);
    await_until("a good heartbeat", || house.worker("lacks-2")["hashrate"] == 1234.0);
    let before = house.worker("lacks-2");
    house.pass(10);
    let cases = each_without(&rig.beat(5.0));
    assert_eq!(cases.len(), 2, "{cases:?}");
    for (_, less) in &cases {
        rig.say("heartbeat", less);
    }
    // The receipt of this comes when all before it has been dealt with.
    rig.say("block", &json!({"worker_id": "lacks-2"}));
    let after = house.worker("lacks-2");
    assert_eq!(
        (&after["hashrate"], &after["last_heartbeat"]),
        (&before["hashrate"], &before["last_heartbeat"])
    );
    for (field, _) in &cases {
        assert_logged(&format!("heartbeat of lacks-2: refused: field {field}: missing"));
    }
    // What only the C++ miner sends may be left out, each of it.
    for (name, hashrate) in [("address", 6.0), ("prefix", 7.0), ("block_pattern", 8.0)] {
        let mut beat = rig.beat(hashrate);
        beat[name] = json!("");
        rig.say("heartbeat", &beat);
        await_until(name, || house.worker("lacks-2")["hashrate"] == hashrate);
    }
    rig.say("heartbeat", &json!({"worker_id": "lacks-2", "hashrate": 9, "active_gpus": 1}));
    await_until("the least heartbeat", || house.worker("lacks-2")["hashrate"] == 9.0);
}

#[test]
fn a_status_or_a_block_that_lacks_a_field_changes_nothing() {
    let house = house();
    let mut rig = house.rig("lacks-3");
    house.await_state("lacks-3", "AVAILABLE");
    let status = json!({"worker_id": "lacks-3", "state": "ERROR", "timestamp": 0});
    for (_, less) in each_without(&status) {
        rig.say("status", &less);
    }
    let block = rig.block_of("", &key_of("", 1), &rig.owner);
    let cases = each_without(&block);
    assert_eq!(cases.len(), 6, "{cases:?}");
    for (field, less) in cases {
        rig.say("block", &less);
        assert_logged(&format!("block of lacks-3: refused: field {field}: missing"));
    }
    assert_eq!(house.worker("lacks-3")["state"], "AVAILABLE");
    assert_eq!(house.api.get("/api/blocks/self-mined").ok()["total"], 0);
    rig.say("block", &block);
    assert_eq!(house.api.get("/api/blocks/self-mined").ok()["total"], 1);
    // A lease and a reason are for those who have one.
    rig.say("status", &status);
    house.await_state("lacks-3", "ERROR");
}
