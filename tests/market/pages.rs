//! What the pages of the web app ask for beyond the prototype's API.

use serde_json::json;

use crate::support::house::{House, RENTER, RENTER_ADDRESS};
use crate::support::rig::key_of;

#[test]
fn a_price_that_changed_while_the_dialog_was_open_rents_nothing() {
    let house = House::open();
    let _rig = house.rig("rig-1");
    house.api.put("/api/workers/rig-1/pricing", &json!({"price_per_min": 1.25})).ok();
    let before = house.balance(RENTER);
    let rent = |price: f64| {
        house.api.post(
            "/api/rent",
            &json!({"consumer_id": RENTER, "worker_id": "rig-1", "duration_sec": 60,
                "expected_price_per_min": price}),
        )
    };
    let refused = rent(0.6);
    assert_eq!(refused.body["price_per_min"], 1.25);
    assert!(refused.refused(409).as_str().unwrap().contains("1.25"));
    let account = house.admin().get(&format!("/api/accounts/{RENTER}/balance")).ok();
    assert_eq!((house.balance(RENTER), &account["held"]), (before, &json!(0.0)));
    assert_eq!(rent(1.25).ok()["price_per_min"], 1.25);
    assert_eq!(house.api.post("/api/rent", &json!({"expected_price_per_min": "x"})).status, 422);
}

#[test]
fn a_leases_page_shows_what_was_promised_and_delivered_and_what_stopping_means() {
    let house = House::open();
    let mut rig = house.rig("rig-1");
    house.pass_with(&mut rig, 1);
    let lease = house.rent("rig-1", 3600);
    let text = |name: &str| lease[name].as_str().unwrap().to_owned();
    let (id, prefix) = (text("lease_id"), text("prefix"));
    house.pass_with(&mut rig, 120);
    let key = key_of(&prefix, 1);
    house.submit(&key, RENTER_ADDRESS).ok();
    rig.block(&id, &key, RENTER_ADDRESS);
    let preview = house.api.get(&format!("/api/leases/{id}/preview?extend_sec=600")).ok();
    assert_eq!(
        preview["stop"],
        json!({"elapsed_sec": 120.0, "interrupted_sec": 0.0, "billed_sec": 120.0, "total_cost": 1.2,
            "provider_payment": 1.14, "platform_fee": 0.06, "held": 36.0, "refund": 34.8})
    );
    let extend = &preview["extend"];
    assert_eq!((&extend["possible"], &extend["problem"]), (&json!(true), &json!(null)));
    assert_eq!((&extend["duration_sec"], &extend["more_held"]), (&json!(4200), &json!(6.0)));
    assert_eq!((&extend["available"], &extend["available_after"]), (&json!(964.0), &json!(958.0)));
    let dear = house.api.get(&format!("/api/leases/{id}/preview?extend_sec=1000000")).ok();
    assert_eq!(dear["extend"]["possible"], false);
    assert!(dear["extend"]["problem"].as_str().unwrap().starts_with("Insufficient balance"), "{dear}");

    let page = crate::support::await_some("a sample and the block", || {
        // The loop that takes samples counts its rings, one a second.
        house.pass(1);
        rig.heartbeat(1000.0);
        let page = house.api.get(&format!("/api/leases/{id}/hashrate?resolution=60")).ok();
        (!page["blocks"].as_array()?.is_empty() && !page["samples"].as_array()?.is_empty()).then_some(page)
    });
    assert_eq!((&page["advertised_hashrate"], &page["resolution"]), (&json!(1000.0), &json!(60)));
    assert_eq!(page["blocks"][0]["key"], json!(key));
    assert!(page["samples"].as_array().unwrap().iter().all(|sample| sample["hashrate"] == 1000.0), "{page}");
    assert_eq!(house.lease(&id)["advertised_hashrate"], 1000.0);

    let preview = house.api.get(&format!("/api/leases/{id}/preview")).ok();
    assert_eq!(preview["extend"], json!(null));
    let settlement = house.stop(&id)["settlement"].clone();
    assert_eq!(settlement["total_cost"], preview["stop"]["total_cost"], "as it was foretold");
    house.api.get(&format!("/api/leases/{id}/preview")).refused(404);
}

#[test]
fn strangers_preview_nothing() {
    let house = House::open();
    let _rig = house.rig("rig-1");
    let lease = house.rent("rig-1", 60);
    let path = format!("/api/leases/{}/preview", lease["lease_id"].as_str().unwrap());
    assert!(house.api.get(&path).ok()["stop"].is_object(), "open mode shows all to all");
    house.api.get("/api/leases/none/preview").refused(404);
    house.api.get("/api/leases/none/hashrate").refused(404);
}

#[test]
fn leases_earnings_and_the_ledger_come_as_files() {
    let house = House::open();
    let mut rig = house.rig("rig-1");
    for _ in 0..2 {
        let lease = house.rent("rig-1", 600);
        house.pass_with(&mut rig, 60);
        house.stop(lease["lease_id"].as_str().unwrap());
        house.await_state("rig-1", "AVAILABLE");
    }
    let renter = house.api.with_key(&house.key_of(RENTER));
    let file = |api: &crate::support::api::Api, path: &str| {
        let reply = api.get(path);
        assert_eq!(reply.status, 200, "{}", reply.text);
        assert!(reply.header("content-type").unwrap().starts_with("text/csv"));
        assert!(reply.header("content-disposition").unwrap().starts_with("attachment; filename="));
        assert!(reply.text.ends_with("\r\n"));
        reply
            .text
            .lines()
            .map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>())
            .collect::<Vec<_>>()
    };
    let leases = file(&renter, "/api/renter/leases?format=csv");
    assert_eq!((leases.len(), leases[0][0].as_str(), leases[1][11].as_str()), (3, "lease_id", "0.600000"));
    let earnings = file(&house.api, "/api/provider/earnings?provider_id=rig-1&format=csv");
    assert_eq!((earnings.len(), earnings[1][8].as_str()), (3, "0.570000"));
    let ledger = file(&renter, &format!("/api/accounts/{RENTER}/transactions?format=csv&type=lease_charge"));
    assert_eq!((ledger.len(), ledger[1][3].as_str()), (3, "-0.600000"));
    assert!(ledger.iter().chain(&earnings).chain(&leases).all(|row| row.len() >= 7));
}

#[test]
fn a_workers_page_lists_its_leases_and_blocks() {
    let house = House::open();
    let mut rigs = [house.rig("rig-1"), house.rig("rig-2")];
    let lease = house.rent("rig-2", 60);
    rigs[0].block("", &key_of("aa", 1), crate::support::rig::OWNER);
    crate::support::await_some("the block", || {
        (house.api.get("/api/blocks?worker_id=rig-1").ok()["total"] == 1).then_some(())
    });
    assert_eq!(house.api.get("/api/blocks?worker_id=rig-2").ok()["total"], 0);
    let leases = house.api.get("/api/leases?worker_id=rig-2").ok();
    assert_eq!((&leases["total"], &leases["items"][0]["lease_id"]), (&json!(1), &lease["lease_id"]));
    for nobody in ["rig-1", "rig-9", "a%20b"] {
        assert_eq!(house.api.get(&format!("/api/leases?worker_id={nobody}")).ok()["items"], json!([]));
    }
}
