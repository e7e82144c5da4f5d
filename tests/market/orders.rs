//! What a worker is told, and told again until it does it.

use serde_json::{Value, json};

use crate::support::house::{House, RENTER, RENTER_ADDRESS};
use crate::support::mqtt_client::{Connect, RawClient};
use crate::support::rig::{OWNER, Rig, key_of};

/// A heartbeat that says what the worker mines, as the C++ miner's do.
fn beat(rig: &mut Rig, prefix: &str) {
    let mut beat = rig.beat(5.0);
    beat["address"] = json!(OWNER);
    beat["prefix"] = json!(prefix);
    beat["block_pattern"] = json!("XEN11");
    rig.say("heartbeat", &beat);
}

#[test]
fn fault_32_a_worker_that_does_not_mine_its_lease_is_told_again() {
    let house = House::open();
    let mut rig = house.rig("rig-1");
    let lease = house.rent("rig-1", 600);
    let prefix = lease["prefix"].as_str().unwrap();
    assert_eq!(rig.command("assign_task")["duration_sec"], 600);
    // It may take a moment to begin.
    house.pass(5);
    beat(&mut rig, "");
    house.pass(10);
    beat(&mut rig, "");
    let task = rig.command("assign_task");
    assert_eq!((&task["lease_id"], &task["duration_sec"]), (&lease["lease_id"], &json!(585)));
    house.pass(15);
    beat(&mut rig, &prefix.to_uppercase());
    // What was said before the receipt of this has been dealt with.
    rig.say("block", &json!({"worker_id": "rig-1"}));
    assert!(!rig.has_command("assign_task"));
    assert_eq!(house.worker("rig-1")["current_prefix"], json!(prefix.to_uppercase()));

    house.stop(lease["lease_id"].as_str().unwrap());
    assert_eq!(rig.command("release")["lease_id"], lease["lease_id"]);
    house.pass(15);
    beat(&mut rig, prefix);
    assert_eq!(rig.command("release")["lease_id"], lease["lease_id"]);
}

#[test]
fn a_worker_that_mines_a_lease_that_is_over_is_released() {
    let house = House::open();
    let mut rig = house.rig("rig-1");
    let lease = house.rent("rig-1", 600)["lease_id"].as_str().unwrap().to_owned();
    drop(rig);
    house.stop(&lease);
    rig = Rig::connect(house.mqtt(), "rig-1");
    rig.state("MINING", Some(&lease));
    assert_eq!(rig.command("release")["lease_id"], json!(lease));
    // And one that thinks that it is free is told that it is not.
    rig.register();
    let lease = house.rent("rig-1", 600)["lease_id"].as_str().unwrap().to_owned();
    assert_eq!(rig.command("assign_task")["lease_id"], json!(lease));
    rig.state("AVAILABLE", None);
    assert_eq!(rig.command("assign_task")["lease_id"], json!(lease));
    rig.state("MINING", Some("lease-of-yesterday"));
    assert_eq!(rig.command("assign_task")["lease_id"], json!(lease));
}

#[test]
fn control_reaches_one_worker_or_all() {
    let house = House::open();
    let (mut one, mut two) = (house.rig("rig-1"), house.rig("rig-2"));
    let config = json!({"difficulty": 2000, "block_pattern": "XEN11"});
    let body = json!({"action": "set_config", "config": config});
    let sent = house.api.post("/api/workers/rig-1/control", &body).ok();
    let expected = (&json!("sent"), &json!("rig-1"), &json!("set_config"));
    assert_eq!((&sent["status"], &sent["worker_id"], &sent["action"]), expected);
    assert_eq!(one.control(), body);
    let sent = house.api.post("/api/control/broadcast", &json!({"action": "pause"})).ok();
    assert_eq!(sent["workers"], json!(["rig-1", "rig-2"]));
    assert_eq!(one.control()["action"], "pause");
    assert_eq!(two.control()["action"], "pause");
    drop(two);
    let gone = || house.api.post("/api/workers/rig-2/control", &json!({"action": "pause"})).ok();
    crate::support::await_until("the end of rig-2", || gone()["delivered"] == false);
    assert_eq!(house.api.post("/api/workers/rig-9/control", &body).status, 404);
    assert_eq!(house.api.post("/api/workers/rig-1/control", &json!({"config": 7})).status, 422);
}

#[test]
fn anybody_may_listen_in_open_mode_and_hears_the_whole_lifecycle() {
    let house = House::open();
    let mut ear = RawClient::connect(house.mqtt(), &Connect::new("ear"));
    assert_eq!(ear.subscribe("xenminer/#", 0), Some(0));
    let mut rig = house.rig("rig-1");
    let lease = house.rent("rig-1", 60)["lease_id"].as_str().unwrap().to_owned();
    rig.state("MINING", Some(&lease));
    house.stop(&lease);
    let mut heard: Vec<(String, Value)> = Vec::new();
    while !heard.iter().any(|(_, payload)| payload["command"] == "release") {
        let (topic, payload) = ear.read().expect("a message").publish();
        heard.push((topic, serde_json::from_slice(&payload).unwrap()));
    }
    let has = |channel: &str, field: &str, value: &str| {
        let topic = format!("xenminer/rig-1/{channel}");
        heard.iter().any(|(on, payload)| *on == topic && payload[field] == value)
    };
    assert!(has("register", "worker_id", "rig-1") && has("task", "command", "register_ack"));
    assert!(has("task", "command", "assign_task") && has("status", "state", "MINING"), "{heard:?}");
}

#[test]
fn without_the_chain_a_made_up_block_counts_by_its_marker_and_the_rpc_is_404() {
    let house = House::with(|config| config.chain = None);
    let mut rig = house.rig("rig-1");
    let lease = house.rent("rig-1", 600);
    let (id, prefix) = (lease["lease_id"].as_str().unwrap(), lease["prefix"].as_str().unwrap());
    let key = key_of(prefix, 1);
    assert_eq!(house.submit(&key, RENTER_ADDRESS).status, 404);
    assert_eq!(house.api.get("/difficulty").status, 404);
    rig.block(id, &key, RENTER_ADDRESS);
    let mut bare = rig.block_of(id, &key_of(prefix, 2), RENTER_ADDRESS);
    bare["hash"] = json!("no marker in here");
    rig.say("block", &bare);
    assert_eq!(house.stop(id)["blocks_found"], 1);
}

#[test]
fn with_require_pow_a_made_up_block_never_counts() {
    let house = House::with(|config| config.require_pow = true);
    let mut rig = house.rig("rig-1");
    let lease = house.rent("rig-1", 600);
    let (id, prefix) = (lease["lease_id"].as_str().unwrap(), lease["prefix"].as_str().unwrap());
    let key = key_of(prefix, 1);
    assert_eq!(house.submit(&key, RENTER_ADDRESS).status, 401);
    rig.block(id, &key, RENTER_ADDRESS);
    let stopped = house.stop(id);
    assert_eq!(stopped["blocks_found"], 0);
    assert_eq!(house.api.get(&format!("/api/blocks?lease_id={id}")).ok()[0]["chain_verified"], false);
    assert_eq!(house.lease(id)["consumer_id"], json!(RENTER));
}
