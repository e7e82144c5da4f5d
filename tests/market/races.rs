//! Two who want the same thing at the same moment.

use std::sync::Barrier;

use serde_json::{Value, json};

use crate::support::api::Reply;
use crate::support::await_some;
use crate::support::house::{House, RENTER};

/// Both at once; what each was answered.
fn both<A: Send, B: Send>(one: impl FnOnce() -> A + Send, other: impl FnOnce() -> B + Send) -> (A, B) {
    let barrier = Barrier::new(2);
    std::thread::scope(|scope| {
        let one = scope.spawn(|| {
            barrier.wait();
            one()
        });
        barrier.wait();
        let other = other();
        (one.join().unwrap(), other)
    })
}

fn one_of(one: Reply, other: Reply, refusal: u16) -> Value {
    let (won, lost) = if one.status == 200 { (one, other) } else { (other, one) };
    assert_eq!(lost.status, refusal, "{}", lost.text);
    won.ok()
}

#[test]
fn two_stops_at_once_settle_once() {
    let house = House::open();
    let _rig = house.rig("rig-1");
    for round in 1..=30 {
        let lease = house.rent("rig-1", 60)["lease_id"].clone();
        let stop = || house.api.post("/api/stop", &json!({ "lease_id": lease }));
        let (one, other) = both(stop, stop);
        one_of(one, other, 404);
        assert_eq!(house.api.get("/api/status").ok()["total_settlements"], round);
    }
}

#[test]
fn a_stop_at_the_moment_of_expiry_settles_once() {
    let house = House::open();
    let mut rig = house.rig("rig-1");
    for round in 1..=20 {
        let lease = house.rent("rig-1", 60)["lease_id"].as_str().unwrap().to_owned();
        house.pass_with(&mut rig, 59);
        let stop = || house.api.post("/api/stop", &json!({ "lease_id": lease }));
        let ((), stopped) = both(|| house.pass(5), stop);
        assert!([200, 404].contains(&stopped.status), "{}", stopped.text);
        let ended = await_some("the end of the lease", || {
            Some(house.lease(&lease)).filter(|lease| lease["state"] == "completed")
        });
        let cost = ended["settlement"]["total_cost"].as_f64().unwrap();
        assert!([0.59, 0.6].contains(&cost), "{ended}");
        assert_eq!(house.api.get("/api/status").ok()["total_settlements"], round);
        rig.heartbeat(1.0);
        house.await_state("rig-1", "AVAILABLE");
    }
}

#[test]
fn money_is_held_or_withdrawn_and_never_both() {
    let house = House::open();
    let _rig = house.rig("rig-1");
    let payer = house.api.with_key(&house.key_of(RENTER));
    for _ in 0..20 {
        // All that there is, for either.
        let rent = json!({"consumer_id": RENTER, "worker_id": "rig-1", "duration_sec": 100_000});
        let withdraw = format!("/api/accounts/{RENTER}/withdraw");
        let (rented, withdrawn) =
            both(|| house.api.post("/api/rent", &rent), || payer.post(&withdraw, &json!({"amount": 1000})));
        match (rented.status, withdrawn.status) {
            (200, 400) => drop(house.stop(rented.body["lease_id"].as_str().unwrap())),
            (402, 200) => {
                drop(
                    house.api.post(&format!("/api/accounts/{RENTER}/deposit"), &json!({"amount": 1000})).ok(),
                );
            }
            other => panic!("{other:?}: {} {}", rented.text, withdrawn.text),
        }
    }
}

#[test]
fn one_name_registered_twice_at_once_is_one_account() {
    let house = House::open();
    for round in 0..20 {
        let body = json!({"account_id": format!("twin-{round}"), "role": "consumer", "balance": 5});
        let register = || house.api.post("/api/auth/register", &body);
        let (one, other) = both(register, register);
        one_of(one, other, 400);
        assert_eq!(house.balance(&format!("twin-{round}")), 5_000_000);
    }
}

#[test]
fn one_block_from_the_chain_and_from_the_worker_at_once_counts_once() {
    let house = House::open();
    let mut rig = house.rig("rig-1");
    let lease = house.rent("rig-1", 3600);
    let (id, prefix) = (lease["lease_id"].as_str().unwrap(), lease["prefix"].as_str().unwrap());
    let address = lease["consumer_address"].as_str().unwrap();
    for number in 1..=30 {
        let key = crate::support::rig::key_of(prefix, number);
        both(|| rig.block(id, &key, address), || house.submit(&key, address).ok());
        assert_eq!(house.lease(id)["blocks_found"], number);
    }
}
