//! A machine whose clock is put an hour forwards or back: nobody pays for time that was not, nobody is
//! taken for being there who is not. (While the program runs it goes by a clock that does not step.)

use std::time::Duration;

use serde_json::json;
use xenblocks::auth::eth::Wallet;

use super::sessions::sign_in;
use crate::support::await_some;
use crate::support::house::{House, RENTER};

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn an_hour_back_bills_nothing_twice_and_nothing_beyond_the_hold() {
    let mut house = House::open();
    let mut rig = house.rig("rig-1");
    let money = house.balance(RENTER);
    let lease = house.rent("rig-1", 600)["lease_id"].as_str().unwrap().to_owned();
    house.pass_with(&mut rig, 120);
    house.restart_at(house.clock.now().minus(HOUR));
    let mut rig = house.rig("rig-1");
    let task = rig.command("assign_task");
    assert_eq!((&task["lease_id"], house.lease(&lease)["state"].as_str()), (&json!(lease), Some("active")));
    house.pass_with(&mut rig, 60);
    let settlement = house.stop(&lease)["settlement"].clone();
    let (seconds, cost) = (settlement["duration_sec"].as_f64().unwrap(), settlement["total_cost"].as_f64());
    assert!((0.0..=600.0).contains(&seconds) && (0.0..=6.0).contains(&cost.unwrap()), "{settlement}");
    let spent = money - house.balance(RENTER);
    assert_eq!(spent, crate::support::house::millionths(&settlement["total_cost"]), "{settlement}");
    house.await_state("rig-1", "AVAILABLE");
    let again = house.rent("rig-1", 600)["lease_id"].as_str().unwrap().to_owned();
    house.pass_with(&mut rig, 60);
    assert_eq!(house.stop(&again)["settlement"]["duration_sec"], 60.0);
}

/// It was last heard of in what is the future now, which must not make it present for an hour.
#[test]
fn a_worker_that_does_not_come_back_after_an_hour_back_is_away_90_seconds_later() {
    let mut house = House::open();
    let mut rig = house.rig("rig-1");
    house.pass_with(&mut rig, 30);
    house.restart_at(house.clock.now().minus(HOUR));
    house.pass(91);
    let rent = json!({"consumer_id": RENTER, "worker_id": "rig-1", "duration_sec": 60});
    let refused = house.api.post("/api/rent", &rent).status;
    assert!((400..500).contains(&refused), "rented from a worker that is away: {refused}");
}

#[test]
fn an_hour_forwards_ends_the_lease_and_bills_no_silence() {
    let mut house = House::open();
    let mut rig = house.rig("rig-1");
    let lease = house.rent("rig-1", 600)["lease_id"].as_str().unwrap().to_owned();
    house.pass_with(&mut rig, 60);
    drop(rig);
    house.restart_at(house.clock.now().plus(HOUR));
    let ended = await_some("the end of the lease", || {
        Some(house.lease(&lease)).filter(|lease| lease["state"] == "completed")
    });
    assert_eq!(
        (&ended["settlement"]["duration_sec"], &ended["settlement"]["total_cost"]),
        (&json!(60.0), &json!(0.6))
    );
}

/// The same at one stroke while it runs, as after a machine that slept.
#[test]
fn an_hour_at_one_stroke_ends_what_is_over_and_nothing_else() {
    let house = House::open();
    let mut rigs = [house.rig("rig-1"), house.rig("rig-2")];
    let short = house.rent("rig-1", 600)["lease_id"].as_str().unwrap().to_owned();
    let long = house.rent("rig-2", 7200)["lease_id"].as_str().unwrap().to_owned();
    house.pass(3600);
    let ended = await_some("the end of the lease", || {
        Some(house.lease(&short)).filter(|lease| lease["state"] == "completed")
    });
    assert_eq!(ended["settlement"]["duration_sec"], 0.0, "nobody was heard of");
    assert_eq!(house.lease(&long)["state"], "active");
    house.hear(&mut rigs[1]);
    house.pass_with(&mut rigs[1], 60);
    assert_eq!(house.stop(&long)["settlement"]["duration_sec"], 60.0);
}

#[test]
fn a_session_outlives_a_step_of_the_clock_and_ends_at_its_time() {
    let mut house = House::open();
    let session = sign_in(&house, &Wallet::from_seed(b"traveller"), "a phone");
    let token = session.header("Authorization").unwrap().to_owned();
    let made = house.clock.now();
    let is_good = |house: &House| match house.api.with("Authorization", &*token).get("/api/auth/me").status {
        200 => true,
        401 => false,
        other => panic!("{other}"),
    };
    for now in [made.minus(HOUR), made.plus(HOUR), made.plus(Duration::from_secs(86_399))] {
        house.restart_at(now);
        assert!(is_good(&house), "{now:?}");
    }
    house.pass(2);
    assert!(!is_good(&house));
}

#[test]
fn a_nonce_does_not_outlive_an_hour() {
    let house = House::open();
    let wallet = Wallet::from_seed(b"traveller");
    let challenge = house.api.get(&format!("/api/auth/nonce?address={}", wallet.address())).ok();
    let text = |name: &str| challenge[name].as_str().unwrap().to_owned();
    let body = json!({"address": wallet.address().lower(), "signature": wallet.sign(&text("message")),
        "nonce": text("nonce")});
    house.pass(3600);
    house.api.post("/api/auth/verify", &body).refused(401);
}
