//! The prototype's C++ miner, as it behaves (contract: mqtt.md, What real clients do): it registers once,
//! and after a lost connection it only subscribes again and goes on.

use serde_json::{Value, json};

use crate::support::await_some;
use crate::support::house::{House, RENTER_ADDRESS};
use crate::support::mqtt_client::Connect;
use crate::support::rig::{OWNER, Rig, key_of};

const ID: &str = "cpp-1";

/// Connected with the miner's will, and subscribed; not registered.
fn connect(house: &House) -> Rig {
    let payload = json!({"worker_id": ID, "status": "offline", "timestamp": 0}).to_string();
    let topic = format!("xenminer/{ID}/status");
    let will = Some((topic.as_bytes(), payload.as_bytes(), true));
    Rig::connect_with(house.mqtt(), ID, &Connect { will, ..Connect::new(&format!("xenminer_{ID}")) })
}

/// The next heartbeat, which also says what is mined now; the worker once it has arrived.
fn beat(house: &House, rig: &mut Rig, address: &str, prefix: &str) -> Value {
    house.pass(30);
    let beat = json!({
        "worker_id": ID, "hashrate": 2500.25, "active_gpus": 1, "accepted_blocks": 3, "difficulty": 1727,
        "uptime_sec": 60, "timestamp": 0, "address": address, "prefix": prefix, "block_pattern": "XEN11",
    });
    rig.say("heartbeat", &beat);
    let now = house.clock.now().seconds();
    await_some("the heartbeat", || {
        Some(house.worker(ID)).filter(|worker| worker["last_heartbeat"].as_f64() == Some(now))
    })
}

#[test]
fn it_mines_through_a_lost_connection_and_stops_in_its_odd_form() {
    let house = House::open();
    let mut rig = connect(&house);
    rig.register();
    let free = beat(&house, &mut rig, OWNER, "");
    assert_eq!((&free["current_prefix"], &free["current_block_pattern"]), (&json!(""), &json!("XEN11")));

    let lease = house.rent(ID, 600);
    let (id, prefix) = (lease["lease_id"].as_str().unwrap(), lease["prefix"].as_str().unwrap());
    assert_eq!(rig.command("assign_task")["prefix"], prefix);
    rig.state("LEASED", Some(id));
    rig.state("MINING", Some(id));
    house.await_state(ID, "MINING");
    let mining = beat(&house, &mut rig, RENTER_ADDRESS, prefix);
    assert_eq!((&mining["current_prefix"], &mining["hashrate"]), (&json!(prefix), &json!(2500.25)));
    drop(rig);
    house.await_state(ID, "offline");

    let mut rig = connect(&house);
    let back = beat(&house, &mut rig, RENTER_ADDRESS, prefix);
    assert_eq!(back["current_prefix"], prefix);
    let key = key_of(prefix, 1);
    house.submit(&key, RENTER_ADDRESS).ok();
    rig.block(id, &key, RENTER_ADDRESS);
    assert_eq!((&house.lease(id)["state"], &house.lease(id)["blocks_found"]), (&json!("active"), &json!(1)));

    house.stop(id);
    assert_eq!(rig.command("release")["lease_id"], id);
    // Before it has said anything more: the lease is over for all who look.
    let over = await_some("the lease's end", || {
        Some(house.worker(ID))
            .filter(|worker| worker["current_prefix"] == "" && worker["state"] == "AVAILABLE")
    });
    assert_eq!((&over["current_address"], &over["hashrate"]), (&json!(""), &json!(2500.25)));
    rig.state("COMPLETED", None);
    rig.state("AVAILABLE", None);
    house.await_state(ID, "AVAILABLE");
    let next = house.rent(ID, 60);
    assert_eq!(rig.command("assign_task")["lease_id"], next["lease_id"]);
    house.stop(next["lease_id"].as_str().unwrap());

    rig.state("offline", None);
    rig.say("status", &json!({"worker_id": ID, "status": "offline", "timestamp": 0}));
    house.await_state(ID, "offline");
}

#[test]
fn one_that_missed_the_end_of_its_lease_is_released_when_it_comes_back() {
    let house = House::open();
    let mut rig = connect(&house);
    rig.register();
    let lease = house.rent(ID, 600);
    let (id, prefix) = (lease["lease_id"].as_str().unwrap(), lease["prefix"].as_str().unwrap());
    rig.state("MINING", Some(id));
    beat(&house, &mut rig, RENTER_ADDRESS, prefix);
    drop(rig);
    house.await_state(ID, "offline");
    house.stop(id);

    let mut rig = connect(&house);
    beat(&house, &mut rig, RENTER_ADDRESS, prefix);
    assert_eq!(rig.command("release")["lease_id"], id);
    rig.state("AVAILABLE", None);
    house.await_state(ID, "AVAILABLE");
}

#[test]
fn one_that_missed_the_begin_of_a_lease_is_given_it_when_it_comes_back() {
    let house = House::open();
    let mut rig = connect(&house);
    rig.register();
    // The line is dead, and nobody knows yet: no will, and the last heartbeat is young.
    let lease = house.rent(ID, 600);
    let mut rig = connect(&house);
    beat(&house, &mut rig, OWNER, "");
    let task = rig.command("assign_task");
    assert_eq!((&task["lease_id"], &task["prefix"]), (&lease["lease_id"], &lease["prefix"]));
}

#[test]
fn its_pause_is_not_paid_and_it_takes_its_lease_up_again() {
    let house = House::open();
    let mut rig = connect(&house);
    rig.register();
    let lease = house.rent(ID, 600);
    let id = lease["lease_id"].as_str().unwrap();
    rig.command("assign_task");
    rig.state("LEASED", None);
    rig.state("MINING", Some(id));
    house.await_state(ID, "MINING");
    house.pass_with(&mut rig, 60);
    house.api.post(&format!("/api/workers/{ID}/control"), &json!({"action": "pause"})).ok();
    assert_eq!(rig.control()["action"], "pause");
    // It gives its lease up, and hashes for itself.
    rig.state("IDLE", None);
    await_some("the pause", || (house.lease(id)["paused"] == "IDLE").then_some(()));
    beat(&house, &mut rig, OWNER, "");
    house.api.post(&format!("/api/workers/{ID}/control"), &json!({"action": "resume"})).ok();
    assert_eq!(rig.control()["action"], "resume");
    rig.register();
    assert_eq!(rig.command("assign_task")["lease_id"], id);
    rig.state("LEASED", None);
    rig.state("MINING", Some(id));
    house.await_state(ID, "MINING");
    house.pass_with(&mut rig, 60);
    assert_eq!(house.stop(id)["settlement"]["duration_sec"], 120.0);
}
