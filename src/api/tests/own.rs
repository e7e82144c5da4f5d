//! What providers, renters and wallets see of their own.

use std::time::Duration;

use serde_json::{Value, json};

use super::house::{ADMIN, House};
use super::pages::{beat, ids, rig};
use crate::auth::eth::Wallet;

#[test]
fn a_provider_sees_what_it_owns() {
    let house = House::open();
    let wallet = Wallet::random();
    rig(&house, "rig-1", &["NVIDIA A100"], Some(&wallet));
    rig(&house, "rig-2", &[], Some(&wallet));
    beat(&house, "rig-1", 31.0, None);
    let lease = house.rent("rig-1", 120);
    house.clock.advance(Duration::from_secs(60));
    house.post("/api/stop", &json!({ "lease_id": lease }));
    house.rent("rig-2", 60);
    let bearer = format!("Bearer {}", house.sign_in(&wallet));
    let own =
        |path: &str| house.send("GET", &format!("/api/provider/{path}"), &[("Authorization", &bearer)], "");
    let address = wallet.address().lower();
    let dashboard = own("dashboard").json();
    assert_eq!(
        dashboard,
        json!({ "provider_id": address, "worker_count": 2, "total_earned": 0.57, "active_leases": 1,
                "total_blocks_mined": 0, "avg_hashrate": 15.5 })
    );
    let account = format!("wallet-{}", &address[..10]);
    for id in [wallet.address().to_string(), account.clone()] {
        let same = house.get(&format!("/api/provider/dashboard?provider_id={id}")).json();
        assert_eq!((&same["worker_count"], &same["total_earned"]), (&json!(2), &json!(0.57)), "{id}");
    }
    assert_eq!(house.get("/api/provider/dashboard?provider_id=rig-1").json()["worker_count"], 1);
    assert_eq!(house.get("/api/provider/dashboard?provider_id=nobody").json()["worker_count"], 0);
    assert_eq!(
        house.get("/api/provider/dashboard").detail(),
        "provider_id query param or wallet JWT required"
    );
    assert_eq!(own("dashboard?provider_id=nobody").status, 403);
    assert_eq!(own("earnings").json()["earnings"][0]["provider_payment"], 0.57);
    assert_eq!(house.get("/api/provider/earnings?provider_id=rig-1").json()["total"], 1);
    let workers = own("workers").json();
    assert_eq!((&workers["total"], &workers["items"][0]["gpu_name"]), (&json!(2), &json!("A100")));
    assert_eq!(ids(&own("workers?limit=1&page=2")), ["rig-2"]);
    assert_eq!(workers["items"][1]["state"], "LEASED");
}

#[test]
fn a_renter_sees_its_leases() {
    let house = House::open();
    for id in ["rig-1", "rig-2", "rig-3"] {
        rig(&house, id, &[], None);
    }
    let first = house.rent("rig-1", 120);
    house.rent("rig-2", 120);
    house.clock.advance(Duration::from_secs(60));
    house.post("/api/stop", &json!({ "lease_id": first }));
    let key = house.consumer_key();
    let stats = house.get_as(&key, "/api/renter/stats").json();
    assert_eq!(
        stats,
        json!({ "active_leases": 1, "completed_leases": 1, "total_leases": 2, "total_spent": 0.6, "avg_cost": 0.6 })
    );
    let leases = |query: &str| house.get_as(&key, &format!("/api/renter/leases?{query}")).json();
    assert_eq!((&leases("")["total"], &leases("")["items"][1]["lease_id"]), (&json!(2), &json!(first)));
    assert_eq!(leases("state=active")["items"][0]["worker_id"], "rig-2");
    assert_eq!(leases("state=nonsense"), json!({ "items": [], "total": 0, "limit": 50, "offset": 0 }));
    assert_eq!(leases("limit=1&offset=1")["items"][0]["lease_id"], json!(first));
    assert_eq!(house.get("/api/renter/stats").status, 401);
    assert_eq!(house.get_as(ADMIN, "/api/renter/leases").json()["total"], 0);
}

#[test]
fn a_wallet_commands_its_workers_and_sees_their_records() {
    let house = House::open();
    let (wallet, other) = (Wallet::random(), Wallet::random());
    rig(&house, "rig-1", &[], Some(&wallet));
    rig(&house, "foreign", &[], Some(&other));
    beat(&house, "rig-1", 7.0, None);
    let bearer = format!("Bearer {}", house.sign_in(&wallet));
    let get = |path: &str| {
        house.send("GET", &format!("/api/wallet/{path}"), &[("Authorization", &bearer)], "").json()
    };
    let order = |id: &str, body: Value| {
        let url = format!("/api/wallet/workers/{id}/command");
        house.send("POST", &url, &[("Authorization", &bearer)], &body.to_string())
    };
    assert_eq!(order("x", json!({ "command": "list" })).detail(), "Worker not found");
    assert_eq!(
        order("foreign", json!({ "command": "bad" })).detail(),
        "Worker does not belong to this wallet"
    );
    assert_eq!(order("rig-1", json!({ "command": "bad" })).detail(), "Invalid command");
    let state = |state: &str| json!({ "command": "update_config", "params": { "state": state } });
    assert_eq!(order("rig-1", state("LEASED")).detail(), "Invalid state: LEASED");
    let sent = order("rig-1", json!({ "command": "unlist" })).json();
    assert_eq!(
        sent,
        json!({ "status": "sent", "worker_id": "rig-1", "command": "unlist", "delivered": true })
    );
    assert_eq!(house.get("/api/workers/rig-1").json()["state"], "SELF_MINING");
    assert_eq!(order("rig-1", state("AVAILABLE")).status, 200);
    assert_eq!(house.get("/api/workers/rig-1").json()["state"], "AVAILABLE");
    house.rent("rig-1", 60);
    assert_eq!(order("rig-1", json!({ "command": "unlist" })).status, 400);
    {
        let sent = house.link.sent.lock().unwrap();
        let expected = json!({ "command": "update_config", "state": "SELF_MINING" });
        assert_eq!(serde_json::to_value(&sent[0].1).unwrap(), expected);
    }
    let records = get("achievements");
    assert_eq!((&records["peak_hashrate"], &records["first_seen"]), (&json!(7.0), &Value::Null));
    assert_eq!(get("stats")["total_gpus"], 0);
    let address = wallet.address().lower();
    assert_eq!(get("share")["address"], format!("{}...{}", &address[..6], &address[38..]));
    let history = get("history?period=30d");
    assert_eq!(
        (&history["period"], &history["count"], &history["data"]),
        (&json!("30d"), &json!(0), &json!([]))
    );
    assert_eq!(house.get("/api/wallet/stats").detail(), "Wallet authentication required");
    let key = house.consumer_key();
    assert_eq!(house.get_as(&key, "/api/wallet/stats").status, 401);
}
