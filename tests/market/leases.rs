//! Renting, mining, stopping, expiring, and what it costs.

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
