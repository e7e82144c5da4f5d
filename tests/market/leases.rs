//! Renting, mining, stopping, expiring, and what it costs.

use std::sync::Barrier;

use serde_json::json;

use crate::support::await_some;
use crate::support::house::{House, RENTER, RENTER_ADDRESS, millionths};
use crate::support::rig::key_of;

const COIN: i64 = 1_000_000;

#[test]
fn a_lease_from_registration_to_settlement_adds_up() {
    let house = House::open();
    let mut rig = house.rig("rig-1");
    rig.heartbeat(1234.5);
    await_some("the heartbeat", || (house.worker("rig-1")["hashrate"] == 1234.5).then_some(()));

    let rented = house.rent("rig-1", 3600);
    let lease = rented["lease_id"].as_str().unwrap().to_owned();
    let prefix = rented["prefix"].as_str().unwrap().to_owned();
    assert!(lease.starts_with("lease-"), "{lease}");
    assert!(prefix.len() == 16 && prefix.bytes().all(|b| b"0123456789abcdef".contains(&b)), "{prefix}");
    assert_eq!((&rented["worker_id"], &rented["duration_sec"]), (&json!("rig-1"), &json!(3600)));
    assert_eq!(
        (&rented["consumer_id"], &rented["consumer_address"]),
        (&json!(RENTER), &json!(RENTER_ADDRESS))
    );
    assert_eq!(rented["created_at"].as_f64(), Some(house.clock.now().seconds()));

    let task = rig.command("assign_task");
    let expected = json!({
        "command": "assign_task", "lease_id": lease, "consumer_id": RENTER,
        "consumer_address": RENTER_ADDRESS, "prefix": prefix, "duration_sec": 3600,
    });
    assert_eq!(task, expected);
    rig.state("MINING", Some(&lease));
    house.await_state("rig-1", "MINING");

    for number in 0..3 {
        let key = key_of(&prefix, number);
        assert_eq!(house.submit(&key, RENTER_ADDRESS).ok()["status"], "success");
        rig.block(&lease, &key, RENTER_ADDRESS);
    }
    assert_eq!(house.lease(&lease)["blocks_found"], 3);

    house.pass_with(&mut rig, 90);
    let stopped = house.stop(&lease);
    assert_eq!((&stopped["state"], &stopped["blocks_found"]), (&json!("completed"), &json!(3)));
    let settlement = &stopped["settlement"];
    // 90 s at 0.60 a minute, 5 % of it for the platform.
    assert_eq!(settlement["total_cost"], 0.9);
    assert_eq!(settlement["provider_payment"], 0.855);
    assert_eq!(settlement["platform_fee"], 0.045);
    assert_eq!(settlement["duration_sec"], 90.0);
    assert_eq!(rig.command("release"), json!({"command": "release", "lease_id": lease}));
    house.await_state("rig-1", "AVAILABLE");

    assert_eq!(house.balance(RENTER), 1000 * COIN - 900_000);
    assert_eq!(house.balance("rig-1"), 855_000);
    assert_eq!(house.balance("platform-treasury"), 45_000);
    assert_ledger_row(&house, RENTER, "lease_charge", -900_000, &lease);
    assert_ledger_row(&house, "rig-1", "provider_payout", 855_000, &lease);
    assert_ledger_row(&house, "platform-treasury", "platform_fee", 45_000, &lease);
}

/// The newest entry of an account is this one.
fn assert_ledger_row(house: &House, account: &str, kind: &str, amount: i64, lease: &str) {
    let ledger = house.admin().get(&format!("/api/accounts/{account}/transactions?limit=1")).ok();
    let row = &ledger["items"][0];
    assert_eq!((&row["type"], &row["lease_id"]), (&json!(kind), &json!(lease)), "{row}");
    assert_eq!(millionths(&row["amount"]), amount);
    assert_eq!(millionths(&row["balance_after"]), house.balance(account));
}

#[test]
fn fault_28_an_expired_lease_is_never_billed_beyond_its_duration() {
    let house = House::open();
    let mut rig = house.rig("rig-1");
    let lease = house.rent("rig-1", 60)["lease_id"].as_str().unwrap().to_owned();
    house.pass_with(&mut rig, 57);
    assert_eq!(house.lease(&lease)["state"], "active");
    house.pass_with(&mut rig, 300);
    let ended = await_some("the end of the lease", || {
        Some(house.lease(&lease)).filter(|lease| lease["state"] == "completed")
    });
    assert_eq!(ended["settlement"]["total_cost"], 0.6);
    assert_eq!(ended["settlement"]["duration_sec"], 60.0);
    assert_eq!(ended["elapsed_sec"], 60.0);
    assert_eq!(rig.command("release")["lease_id"], json!(lease));
    house.await_state("rig-1", "AVAILABLE");
    let again = house.api.post("/api/stop", &json!({ "lease_id": lease }));
    assert_eq!(again.refused(404), "Lease not found or not active");
}

#[test]
fn a_lease_that_ran_out_while_the_platform_was_down_is_settled_at_start() {
    let mut house = House::open();
    let rig = house.rig("rig-1");
    let lease = house.rent("rig-1", 60)["lease_id"].as_str().unwrap().to_owned();
    drop(rig);
    // No will: the worker is online until 90 s of silence, which the lease does not last.
    house.pass(600);
    house.restart();
    let ended = house.lease(&lease);
    assert_eq!((&ended["state"], &ended["settlement"]["total_cost"]), (&json!("completed"), &json!(0.6)));
}

#[test]
fn fault_31_a_worker_that_registers_again_keeps_its_lease_and_is_told_the_time_left() {
    let house = House::open();
    let mut rig = house.rig("rig-1");
    let rented = house.rent("rig-1", 600);
    assert_eq!(rig.command("assign_task")["duration_sec"], 600);
    house.pass_with(&mut rig, 100);
    let mut again = house.rig("rig-1");
    let task = again.command("assign_task");
    assert_eq!(task["lease_id"], rented["lease_id"]);
    assert_eq!(task["prefix"], rented["prefix"]);
    assert_eq!(task["duration_sec"], 500);
    // It said AVAILABLE when it joined, and is not.
    again.heartbeat(1.0);
    house.await_state("rig-1", "LEASED");
    let body = json!({"consumer_id": "consumer-2", "worker_id": "rig-1"});
    assert_eq!(house.api.post("/api/rent", &body).refused(404), "No available workers");
}

#[test]
fn fault_39_after_a_takeover_the_new_connection_gets_the_commands() {
    let house = House::open();
    let mut old = house.rig("rig-1");
    let mut new = house.rig("rig-1");
    assert!(old.client.read().is_none(), "the old connection is closed");
    let lease = house.rent("rig-1", 60);
    assert_eq!(new.command("assign_task")["lease_id"], lease["lease_id"]);
    house.stop(lease["lease_id"].as_str().unwrap());
    assert_eq!(new.command("release")["lease_id"], lease["lease_id"]);
}

#[test]
fn fault_30_an_offline_worker_is_not_for_rent() {
    let house = House::open();
    let rent = || house.api.post("/api/rent", &json!({"consumer_id": RENTER, "worker_id": "rig-1"}));
    assert_eq!(rent().refused(404), "No available workers");

    let mut rig = house.rig("rig-1");
    rig.state("offline", None);
    house.await_state("rig-1", "offline");
    assert_eq!(rent().refused(404), "No available workers");

    let mut rig = house.rig("rig-1");
    house.pass(90);
    assert_eq!(rent().refused(404), "No available workers");
    rig.heartbeat(1.0);
    await_some("a lease", || (rent().status == 200).then_some(()));
}

#[test]
fn fault_34_any_worker_is_the_first_that_is_online_and_free() {
    let house = House::open();
    let _silent = house.rig("rig-a");
    house.pass(60);
    let mut rigs: Vec<_> = ["rig-c", "rig-b"].map(|id| house.rig(id)).into();
    house.pass(31);
    for rig in &mut rigs {
        rig.heartbeat(1.0);
    }
    let any = || house.api.post("/api/rent", &json!({"consumer_id": RENTER, "duration_sec": 60}));
    assert_eq!(any().ok()["worker_id"], "rig-c");
    assert_eq!(any().ok()["worker_id"], "rig-b");
    assert_eq!(any().refused(404), "No available workers");
}

#[test]
fn of_two_renters_who_race_for_a_worker_exactly_one_gets_it() {
    let house = House::open();
    let _rig = house.rig("rig-1");
    let barrier = Barrier::new(2);
    for round in 0..60 {
        let race = |consumer: &'static str| {
            let (api, barrier) = (house.api.clone(), &barrier);
            move || {
                barrier.wait();
                let body = json!({"consumer_id": consumer, "worker_id": "rig-1", "duration_sec": 60});
                api.post("/api/rent", &body)
            }
        };
        let (one, other) = std::thread::scope(|scope| {
            let (one, other) = (scope.spawn(race("consumer-1")), scope.spawn(race("consumer-2")));
            (one.join().unwrap(), other.join().unwrap())
        });
        let mut statuses = [one.status, other.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 404], "round {round}: {} {}", one.text, other.text);
        let winner = if one.status == 200 { one } else { other };
        house.stop(winner.body["lease_id"].as_str().unwrap());
    }
}

#[test]
fn fault_17_a_stranger_cannot_stop_a_lease_and_it_goes_on() {
    let house = House::open();
    let mut rig = house.rig("rig-1");
    let _other = house.rig("rig-2");
    let lease = house.rent("rig-1", 600)["lease_id"].as_str().unwrap().to_owned();
    let body = json!({ "lease_id": lease });
    for stranger in ["consumer-2", "rig-2"] {
        let key = house.key_of(stranger);
        for path in ["/api/stop", "/api/rental/stop"] {
            let reply = house.api.with_key(&key).post(path, &body);
            assert_eq!(reply.refused(403), "You can only stop your own leases", "{stranger}");
        }
    }
    assert_eq!(house.lease(&lease)["state"], "active");
    house.pass_with(&mut rig, 60);
    let provider = house.api.with_key(&house.key_of("rig-1"));
    let stopped = provider.post("/api/stop", &body).ok();
    assert_eq!(stopped["settlement"]["total_cost"], 0.6);
}

#[test]
fn fault_18_nobody_rents_in_anothers_name() {
    let house = House::open();
    let _rig = house.rig("rig-1");
    let stranger = house.api.with_key(&house.key_of("consumer-2"));
    let body = json!({"consumer_id": RENTER, "worker_id": "rig-1"});
    assert_eq!(stranger.post("/api/rent", &body).status, 403);
    let provider = house.api.with_key(&house.key_of("rig-1"));
    let reply = provider.post("/api/rent", &json!({"worker_id": "rig-1"}));
    assert_eq!(reply.refused(403), "Consumer account required to rent");
    let own = stranger.post("/api/rent", &json!({"worker_id": "rig-1", "duration_sec": 60})).ok();
    assert_eq!(own["consumer_id"], "consumer-2");
}

#[test]
fn fault_25_a_rent_that_cannot_be_paid_or_makes_no_sense_is_refused() {
    let house = House::open();
    let _rig = house.rig("rig-1");
    let rent = |body: serde_json::Value| house.api.post("/api/rent", &body);
    // 1000 coins buy 100,000 s at 0.60 a minute.
    let long = rent(json!({"consumer_id": RENTER, "worker_id": "rig-1", "duration_sec": 100_001}));
    long.refused(402);
    for duration in [0, -1, -3600, 1_000_000_000, i64::MAX] {
        rent(json!({"consumer_id": RENTER, "duration_sec": duration})).refused(400);
    }
    rent(json!({"consumer_id": "nobody-at-all"})).refused(404);
    rent(json!({"consumer_id": "<b>"})).refused(404);
    rent(json!({"consumer_id": RENTER, "worker_id": "no-such-worker"})).refused(404);
    rent(json!({"consumer_id": RENTER, "worker_id": "<b>"})).refused(404);
    rent(json!({"consumer_id": RENTER, "consumer_address": "0x12"})).refused(400);
    rent(json!({"worker_id": "rig-1"})).refused(400);
    assert_eq!(house.balance(RENTER), 1000 * COIN);
    assert_eq!(house.worker("rig-1")["state"], "AVAILABLE");
    rent(json!({"consumer_id": RENTER, "worker_id": "rig-1", "duration_sec": 100_000})).ok();
}

#[test]
fn fault_25_limits_that_the_provider_has_set_bind() {
    let house = House::open();
    let _rig = house.rig("rig-1");
    let rent = |duration| {
        house.api.post(
            "/api/rent",
            &json!({"consumer_id": RENTER, "worker_id": "rig-1", "duration_sec": duration}),
        )
    };
    house.stop(rent(5).ok()["lease_id"].as_str().unwrap());
    let limits = json!({"price_per_min": 1.2, "min_duration_sec": 120, "max_duration_sec": 600});
    house.api.put("/api/workers/rig-1/pricing", &limits).ok();
    rent(119).refused(400);
    rent(601).refused(400);
    let lease = rent(120).ok();
    assert_eq!(millionths(&lease["held"]), 2_400_000);
}

#[test]
fn an_extended_lease_keeps_its_prefix_and_costs_its_price() {
    let house = House::open();
    let mut rig = house.rig("rig-1");
    let rented = house.rent("rig-1", 60);
    let lease = rented["lease_id"].as_str().unwrap();
    let prefix = rig.command("assign_task")["prefix"].clone();
    let path = format!("/api/leases/{lease}/extend");
    let payer = house.api.with_key(&house.key_of(RENTER));
    payer.post(&path, &json!({"duration_sec": 60})).ok();
    let task = rig.command("assign_task");
    assert_eq!((&task["prefix"], &task["duration_sec"]), (&prefix, &json!(120)));
    house.pass_with(&mut rig, 90);
    assert_eq!(house.lease(lease)["state"], "active");
    let stranger = house.api.with_key(&house.key_of("consumer-2"));
    stranger.post(&path, &json!({"duration_sec": 60})).refused(403);
    payer.post(&path, &json!({"duration_sec": 10_000_000})).refused(402);
    house.pass_with(&mut rig, 60);
    let ended = await_some("the end of the lease", || {
        Some(house.lease(lease)).filter(|lease| lease["state"] == "completed")
    });
    assert_eq!(ended["settlement"]["total_cost"], 1.2);
}

#[test]
fn fault_33_a_state_that_is_none_changes_nothing() {
    let house = House::open();
    let mut rig = house.rig("rig-1");
    house.await_state("rig-1", "AVAILABLE");
    for state in [json!(""), json!("DANCING"), json!("<img src=x>"), json!(7), json!(null)] {
        rig.say("status", &json!({"worker_id": "rig-1", "state": state, "timestamp": 0}));
    }
    // What was said before the receipt of this has been dealt with.
    rig.say("block", &json!({"worker_id": "rig-1"}));
    assert_eq!(house.worker("rig-1")["state"], "AVAILABLE");
    // The real miner's farewell says `status` where everything else says `state`.
    rig.say("status", &json!({"worker_id": "rig-1", "status": "offline", "timestamp": 0}));
    house.await_state("rig-1", "offline");
}
