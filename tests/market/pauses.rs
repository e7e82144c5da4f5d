//! A worker is not paid for time in which it says itself that it does not mine for the lease.

use serde_json::{Value, json};

use crate::live::Dashboard;
use crate::support::await_some;
use crate::support::house::House;
use crate::support::rig::{OWNER, Rig, key_of};

/// What the worker has said so far is dealt with.
fn heard(rig: &mut Rig) {
    rig.block("lease-of-nobody", &key_of("", 1), OWNER);
}

fn says(rig: &mut Rig, state: &str, lease: Option<&str>) {
    rig.state(state, lease);
    heard(rig);
}

/// A worker at work for an hour's lease.
fn at_work(house: &House) -> (Rig, String) {
    let mut rig = house.rig("rig-1");
    let lease = house.rent("rig-1", 3600)["lease_id"].as_str().unwrap().to_owned();
    rig.command("assign_task");
    says(&mut rig, "LEASED", None);
    says(&mut rig, "MINING", Some(&lease));
    (rig, lease)
}

fn billed(house: &House, lease: &str) -> Value {
    house.stop(lease)["settlement"]["duration_sec"].clone()
}

#[test]
fn a_pause_is_not_billed_and_its_renter_sees_why() {
    let house = House::open();
    let mut dashboard = Dashboard::join(&house);
    let (mut rig, lease) = at_work(&house);
    house.pass_with(&mut rig, 60);
    assert_eq!(
        (&house.lease(&lease)["paused"], &house.lease(&lease)["interrupted_since"]),
        (&json!(null), &json!(null))
    );
    let began = house.clock.now().seconds();
    says(&mut rig, "IDLE", Some(&lease));
    let told = dashboard.next_of_by("lease", |lease| lease["paused"] == "IDLE");
    assert_eq!(
        told,
        json!({"lease_id": lease, "worker_id": "rig-1", "state": "active", "paused": "IDLE",
            "interrupted_since": began})
    );
    house.pass_with(&mut rig, 100);
    let shown = house.lease(&lease);
    assert_eq!((&shown["interrupted_sec"], &shown["paused"]), (&json!(100.0), &json!("IDLE")));
    assert_eq!((&shown["interrupted_since"], &shown["cost_so_far"]), (&json!(began), &json!(0.6)));
    assert_eq!((&shown["state"], &house.worker("rig-1")["state"]), (&json!("active"), &json!("LEASED")));

    says(&mut rig, "MINING", Some(&lease));
    let told = dashboard.next_of_by("lease", |lease| lease.get("paused").is_some());
    assert_eq!(told, json!({"lease_id": lease, "worker_id": "rig-1", "state": "active", "paused": null}));
    house.pass_with(&mut rig, 60);
    let settlement = house.stop(&lease)["settlement"].clone();
    assert_eq!((&settlement["duration_sec"], &settlement["total_cost"]), (&json!(120.0), &json!(1.2)));
    let ended = house.lease(&lease);
    assert_eq!(
        (&ended["interrupted_sec"], &ended["paused"], &ended["interrupted_since"]),
        (&json!(100.0), &json!(null), &json!(null))
    );
}

#[test]
fn each_word_but_those_of_a_worker_at_work_ends_the_pay() {
    for (state, named, is_paid) in [
        ("IDLE", true, false),
        ("IDLE", false, false),
        ("ERROR", true, false),
        ("SELF_MINING", false, false),
        ("AVAILABLE", false, false),
        ("COMPLETED", true, false),
        ("LEASED", true, true),
        ("MINING", false, true),
    ] {
        let house = House::open();
        let (mut rig, lease) = at_work(&house);
        house.pass_with(&mut rig, 20);
        says(&mut rig, state, named.then_some(lease.as_str()));
        house.pass_with(&mut rig, 20);
        assert_eq!(billed(&house, &lease), if is_paid { 40.0 } else { 20.0 }, "{state}");
    }
}

#[test]
fn a_word_on_another_lease_says_nothing_of_this_one() {
    let house = House::open();
    let (mut rig, lease) = at_work(&house);
    for state in ["COMPLETED", "IDLE", "ERROR", "AVAILABLE"] {
        says(&mut rig, state, Some("lease-before"));
        house.pass_with(&mut rig, 10);
    }
    says(&mut rig, "IDLE", Some(&lease));
    says(&mut rig, "MINING", Some("lease-before"));
    house.pass_with(&mut rig, 10);
    assert_eq!(billed(&house, &lease), 40.0);
}

#[test]
fn what_was_said_before_a_lease_was_taken_up_shaves_nothing_off_it() {
    let house = House::open();
    let (mut rig, first) = at_work(&house);
    house.stop(&first);
    let next = house.rent("rig-1", 3600)["lease_id"].as_str().unwrap().to_owned();
    // The end of the first one, and the task of the next, take a while on the line.
    for (state, lease) in [
        ("COMPLETED", Some(first.as_str())),
        ("AVAILABLE", None),
        ("LEASED", None),
        ("MINING", Some(next.as_str())),
    ] {
        house.pass(2);
        says(&mut rig, state, lease);
    }
    house.pass(2);
    assert_eq!(billed(&house, &next), 10.0);
}

#[test]
fn who_never_says_that_it_mines_is_paid_by_its_heartbeats() {
    let house = House::open();
    let mut rig = house.rig("rig-1");
    let lease = house.rent("rig-1", 3600)["lease_id"].as_str().unwrap().to_owned();
    house.pass_with(&mut rig, 30);
    says(&mut rig, "AVAILABLE", None);
    house.pass_with(&mut rig, 30);
    rig.register();
    house.pass_with(&mut rig, 30);
    assert_eq!(billed(&house, &lease), 90.0);
}

#[test]
fn flaps_cost_their_own_time_and_no_more() {
    let house = House::open();
    let (mut rig, lease) = at_work(&house);
    for _ in 0..5 {
        house.pass(3);
        says(&mut rig, "IDLE", None);
        says(&mut rig, "IDLE", None);
        house.pass(1);
        says(&mut rig, "ERROR", None);
        house.pass(1);
        says(&mut rig, "MINING", None);
        says(&mut rig, "MINING", None);
    }
    assert_eq!(billed(&house, &lease), 15.0);
}

#[test]
fn a_pause_a_silence_and_a_farewell_at_once_are_taken_off_once_also_over_a_restart() {
    let mut house = House::open();
    let (mut rig, lease) = at_work(&house);
    house.pass_with(&mut rig, 30);
    says(&mut rig, "ERROR", Some(&lease));
    house.pass_with(&mut rig, 30);
    // Silent too, for longer than 90 s.
    house.pass(100);
    says(&mut rig, "offline", None);
    house.pass(10);
    house.restart();
    house.pass(10);
    assert_eq!(house.lease(&lease)["paused"], "ERROR");
    let mut rig = house.rig("rig-1");
    assert_eq!(rig.command("assign_task")["lease_id"], lease);
    // It is back, and has not said that it mines.
    house.pass_with(&mut rig, 20);
    assert_eq!(house.lease(&lease)["interrupted_sec"], 170.0);
    says(&mut rig, "MINING", Some(&lease));
    house.pass_with(&mut rig, 30);
    house.pass(200);
    // A word ends no silence.
    says(&mut rig, "IDLE", None);
    says(&mut rig, "MINING", None);
    house.pass_with(&mut rig, 10);
    house.pass_with(&mut rig, 30);
    assert_eq!(billed(&house, &lease), 90.0);
}

#[test]
fn a_heartbeat_with_the_leases_prefix_is_as_good_as_the_word() {
    let house = House::open();
    let (mut rig, lease) = at_work(&house);
    let prefix = house.lease(&lease)["prefix"].as_str().unwrap().to_owned();
    house.pass_with(&mut rig, 30);
    says(&mut rig, "IDLE", None);
    for (own, hashrate) in [("", 5.0), (prefix.as_str(), 0.0)] {
        house.pass(10);
        let mut beat = rig.beat(hashrate);
        beat["prefix"] = json!(own);
        rig.say("heartbeat", &beat);
        heard(&mut rig);
        assert_eq!(house.lease(&lease)["paused"], "IDLE");
    }
    let mut beat = rig.beat(5.0);
    beat["prefix"] = json!(prefix);
    await_some("the end of the pause", || {
        rig.say("heartbeat", &beat);
        house.lease(&lease)["paused"].is_null().then_some(())
    });
    assert_eq!(house.worker("rig-1")["state"], "MINING");
    house.pass_with(&mut rig, 30);
    assert_eq!(billed(&house, &lease), 60.0);
}

#[test]
fn who_stands_idle_at_a_leases_end_is_not_for_rent_until_it_says_so() {
    let house = House::open();
    let (mut rig, lease) = at_work(&house);
    says(&mut rig, "IDLE", None);
    house.stop(&lease);
    assert_eq!(house.worker("rig-1")["state"], "IDLE");
    let rent = json!({"consumer_id": "consumer-1", "worker_id": "rig-1", "duration_sec": 60});
    house.api.post("/api/rent", &rent).refused(404);
    says(&mut rig, "AVAILABLE", None);
    house.rent("rig-1", 60);
}
