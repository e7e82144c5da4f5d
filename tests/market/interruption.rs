//! A worker that is away is not billed for.

use serde_json::json;

use crate::support::await_some;
use crate::support::house::House;
use crate::support::mqtt_client::Connect;
use crate::support::rig::Rig;

/// A worker whose going is told by its will, as the C++ miner's is.
fn rig_with_will(house: &House, id: &str) -> Rig {
    let topic = format!("xenminer/{id}/status");
    let payload = json!({"worker_id": id, "status": "offline", "timestamp": 0}).to_string();
    let client_id = format!("xenminer_{id}");
    let will = Some((topic.as_bytes(), payload.as_bytes(), true));
    let mut rig = Rig::connect_with(house.mqtt(), id, &Connect { will, ..Connect::new(&client_id) });
    rig.register();
    rig
}

#[test]
fn fault_30_silence_is_not_billed() {
    let house = House::open();
    let mut rig = house.rig("rig-1");
    let lease = house.rent("rig-1", 600)["lease_id"].as_str().unwrap().to_owned();
    house.pass_with(&mut rig, 60);
    for _ in 0..40 {
        house.pass(5);
    }
    assert_eq!(house.lease(&lease)["interrupted_sec"], 200.0);
    house.pass_with(&mut rig, 30);
    let settlement = house.stop(&lease)["settlement"].clone();
    // 60 s before, then 200 of silence, then 30 until the next sign of life, which ended it.
    assert_eq!((&settlement["duration_sec"], &settlement["total_cost"]), (&json!(60.0), &json!(0.6)));
    assert_eq!(house.lease(&lease)["interrupted_sec"], 230.0);
}

#[test]
fn only_a_silence_of_90_seconds_is_an_interruption() {
    let house = House::open();
    let mut rig = house.rig("rig-1");
    let lease = house.rent("rig-1", 600)["lease_id"].as_str().unwrap().to_owned();
    house.pass(89);
    house.pass_with(&mut rig, 1);
    // 90 s after the one before, this heartbeat came too late: that was an absence, and it is over.
    house.pass_with(&mut rig, 30);
    assert_eq!(house.stop(&lease)["settlement"]["duration_sec"], 30.0);

    house.await_state("rig-1", "AVAILABLE");
    let lease = house.rent("rig-1", 600)["lease_id"].as_str().unwrap().to_owned();
    house.pass(59);
    house.pass_with(&mut rig, 30);
    assert_eq!(house.stop(&lease)["settlement"]["duration_sec"], 89.0);
}

#[test]
fn what_follows_a_will_is_not_billed_until_the_worker_is_back() {
    let house = House::open();
    let mut rig = rig_with_will(&house, "rig-1");
    let rented = house.rent("rig-1", 600);
    let lease = rented["lease_id"].as_str().unwrap();
    house.pass_with(&mut rig, 60);
    drop(rig);
    house.await_state("rig-1", "offline");
    house.pass(40);
    assert_eq!(house.lease(lease)["interrupted_sec"], 40.0);
    assert_eq!(house.lease(lease)["state"], "active");

    let mut rig = rig_with_will(&house, "rig-1");
    let task = rig.command("assign_task");
    assert_eq!((&task["lease_id"], &task["duration_sec"]), (&json!(lease), &json!(500)));
    house.pass_with(&mut rig, 60);
    let settlement = house.stop(lease)["settlement"].clone();
    assert_eq!((&settlement["duration_sec"], &settlement["total_cost"]), (&json!(120.0), &json!(1.2)));
}

#[test]
fn a_worker_that_never_comes_back_is_paid_for_what_it_did() {
    let house = House::open();
    let mut rig = house.rig("rig-1");
    let lease = house.rent("rig-1", 300)["lease_id"].as_str().unwrap().to_owned();
    house.pass_with(&mut rig, 30);
    for _ in 0..60 {
        house.pass(5);
    }
    let ended = await_some("the end of the lease", || {
        Some(house.lease(&lease)).filter(|lease| lease["state"] == "completed")
    });
    assert_eq!(ended["settlement"]["total_cost"], 0.3);
    assert_eq!(ended["interrupted_sec"], 270.0);
    assert_eq!(house.api.post("/api/rent", &json!({"consumer_id": "consumer-2"})).status, 404);
}

#[test]
fn absences_are_counted_once_also_over_a_restart() {
    let mut house = House::open();
    let mut rig = house.rig("rig-1");
    let lease = house.rent("rig-1", 3600)["lease_id"].as_str().unwrap().to_owned();
    house.pass_with(&mut rig, 30);
    house.pass(300);
    await_some("the watchdog", || (house.lease(&lease)["interrupted_sec"] == 300.0).then_some(()));
    house.restart();
    house.pass(60);
    let mut rig = house.rig("rig-1");
    assert_eq!(rig.command("assign_task")["duration_sec"], 3600 - 390);
    house.pass_with(&mut rig, 30);
    house.pass(200);
    house.pass_with(&mut rig, 10);
    house.pass_with(&mut rig, 20);
    let settlement = house.stop(&lease)["settlement"].clone();
    assert_eq!(settlement["duration_sec"], 30.0 + 30.0 + 20.0);
}
