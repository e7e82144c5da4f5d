use serde_json::json;

use crate::api::tests::house::{ADMIN, House};
use crate::auth::eth::Wallet;
use crate::base::limits::UNSEEN_WORKERS_MAX;

#[test]
fn keys_are_listed_and_revoked_by_their_account_alone() {
    let house = House::closed();
    let key = house.account("alice", "consumer");
    let other = house.account("bob", "consumer");
    let list = house.get_as(&key, "/api/auth/keys").json();
    assert_eq!(list["keys"][0]["hint"], key[..8]);
    assert!(!list.to_string().contains(&key));
    let path = format!("/api/auth/keys/{}", list["keys"][0]["key_id"]);
    let delete = |key: &str, path: &str| house.send("DELETE", path, &[("X-API-Key", key)], "");
    assert_eq!(delete(&other, &path).status, 404, "not one's own");
    assert_eq!(delete(&other, &format!("{path}?account_id=alice")).status, 403);
    assert_eq!(delete(&key, "/api/auth/keys/none").status, 404);
    assert_eq!(delete(&key, &path).json()["revoked"], true);
    assert_eq!(house.get_as(&key, "/api/auth/keys").status, 401, "the key is void");
    let seen = house.get_as(ADMIN, "/api/auth/keys?account_id=alice").json();
    assert!(seen["keys"][0]["revoked_at"].is_number());
    assert_eq!(house.get_as(ADMIN, "/api/auth/keys").status, 400);
    assert_eq!(house.get("/api/auth/keys").status, 401);
}

#[test]
fn a_workers_tokens_are_its_owners() {
    let house = House::closed();
    let wallet = Wallet::from_seed(b"owner");
    house.worker("rig-1", Some(&wallet));
    let bearer = format!("Bearer {}", house.sign_in(&wallet));
    let stranger = house.account("mallory", "provider");
    let tokens = "/api/workers/rig-1/tokens";
    assert_eq!(house.post_as(&stranger, tokens, &json!({})).status, 403);
    assert_eq!(house.get_as(&stranger, tokens).status, 403);
    let issued = house.send("POST", tokens, &[("Authorization", &bearer)], "").json();
    assert_eq!(issued["token"].as_str().unwrap().len(), 32);
    let list = house.send("GET", tokens, &[("Authorization", &bearer)], "").json();
    assert_eq!(list["tokens"].as_array().unwrap().len(), 1);
    assert!(!list.to_string().contains(issued["token"].as_str().unwrap()));
    let one = format!("{tokens}/{}", list["tokens"][0]["token_id"]);
    assert_eq!(house.send("DELETE", &one, &[("X-API-Key", &stranger)], "").status, 403);
    assert_eq!(house.send("DELETE", &one, &[("Authorization", &bearer)], "").json()["revoked"], true);
    assert_eq!(house.send("DELETE", &one, &[("X-API-Key", ADMIN)], "").status, 404, "once");
}

#[test]
fn the_id_of_a_worker_never_seen_is_for_whoever_takes_it_first() {
    let house = House::closed();
    let alice = house.account("alice", "provider");
    let bob = house.account("bob", "provider");
    let take =
        |key: &str, id: &str| house.post_as(key, &format!("/api/workers/{id}/tokens"), &json!({})).status;
    assert_eq!(take(&alice, "new-rig"), 200);
    assert_eq!(take(&bob, "new-rig"), 403, "alice has a live token");
    assert_eq!(take(&alice, "new-rig"), 200);
    assert_eq!(take(&bob, "alice"), 403, "an account bears the id");
    assert_eq!(take(&alice, "alice"), 200, "its own");
    assert_eq!(take(&bob, "platform-treasury"), 403);
    for reserved in ["_admin", "_outside", "_rig"] {
        for key in [&bob, ADMIN] {
            assert_ne!(take(key, reserved), 200, "{reserved}: no worker can register under it");
        }
    }
    let renter = house.account("renter", "consumer");
    assert_eq!(take(&renter, "renter"), 400, "nor under a renter's name");
    let squat = house.post("/api/auth/register", &json!({ "account_id": "new-rig", "role": "provider" }));
    assert_eq!((squat.status, squat.detail().as_str()), (400, "Account 'new-rig' already exists"));
    assert_eq!(take(ADMIN, "new-rig"), 200);
    assert_eq!(take(&alice, "new-rig"), 403, "an administrator has stepped in");
}

#[test]
fn who_gave_a_worker_its_token_manages_it_until_its_wallet_signs_in() {
    let house = House::closed();
    let wallet = Wallet::from_seed(b"owner");
    let (alice, bob) = (house.account("alice", "provider"), house.account("bob", "provider"));
    for (rig, address) in [("rig-a", Some(&wallet)), ("rig-b", None)] {
        let token = house.post_as(&alice, &format!("/api/workers/{rig}/tokens"), &json!({}));
        assert_eq!(token.status, 200, "{token:?}");
        house.worker(rig, address);
        house.worker(rig, address);
    }
    let price = |key: &str, rig: &str| {
        let body = json!({ "price_per_min": 0.5 }).to_string();
        house.send("PUT", &format!("/api/workers/{rig}/pricing"), &[("X-API-Key", key)], &body).status
    };
    let control = |key: &str, rig: &str| {
        house.post_as(key, &format!("/api/workers/{rig}/control"), &json!({ "action": "pause" })).status
    };
    let tokens = |key: &str, rig: &str| house.get_as(key, &format!("/api/workers/{rig}/tokens")).status;
    for rig in ["rig-a", "rig-b"] {
        assert_eq!([price(&alice, rig), control(&alice, rig), tokens(&alice, rig)], [200; 3], "{rig}");
        assert_eq!([price(&bob, rig), control(&bob, rig), tokens(&bob, rig)], [403; 3], "{rig}");
    }
    let lease = house.rent("rig-b", 60);
    let seen = house.get_as(&alice, &format!("/api/leases/{lease}")).json();
    assert_eq!(seen["consumer_id"], "consumer-1", "its worker's lease is hers to see");
    house.clock.advance(std::time::Duration::from_secs(60));
    assert_eq!(house.post_as(&alice, "/api/stop", &json!({ "lease_id": lease })).status, 200);
    assert_eq!(house.get_as(&alice, "/api/auth/me").json()["balance"], 0.475, "and its pay hers");

    let own = |path: &str| house.get_as(&alice, &format!("/api/provider/{path}")).json();
    let dashboard = own("dashboard");
    assert_eq!((&dashboard["worker_count"], &dashboard["total_earned"]), (&json!(2), &json!(0.475)));
    assert_eq!(own("workers")["total"], 2);
    assert_eq!(own("earnings")["earnings"][0]["lease_id"], lease);
    assert_eq!(own("earnings/summary")["periods"]["24h"]["leases"], 1);
    assert_eq!(house.get_as(&bob, "/api/provider/dashboard").json()["worker_count"], 0);
    assert_eq!(house.get_as(&bob, "/api/provider/dashboard?provider_id=alice").status, 403);

    house.sign_in(&wallet);
    assert_eq!([price(&alice, "rig-a"), control(&alice, "rig-a"), tokens(&alice, "rig-a")], [403; 3]);
    house.worker("rig-a", Some(&wallet));
    assert_eq!(price(&alice, "rig-a"), 403, "nor when it registers anew");
    assert_eq!(price(&alice, "rig-b"), 200);
}

#[test]
fn an_account_takes_so_many_names_and_no_more() {
    let house = House::closed();
    let (alice, bob) = (house.account("alice", "provider"), house.account("bob", "provider"));
    // Rates are another test's.
    let wait = || house.clock.advance(std::time::Duration::from_secs(1));
    let take = |key: &str, number: i64| {
        wait();
        house.post_as(key, &format!("/api/workers/rig-{number}/tokens"), &json!({}))
    };
    for number in 0..UNSEEN_WORKERS_MAX {
        assert_eq!(take(&alice, number).status, 200);
    }
    let refused = take(&alice, 1000);
    assert_eq!(refused.status, 409);
    assert!(refused.detail().contains("never seen"), "{refused:?}");
    assert_eq!(take(&alice, 0).status, 200, "another token of the same name");
    assert_eq!(take(&bob, 1000).status, 200, "another account");
    house.worker("rig-0", None);
    assert_eq!(take(&alice, 1001).status, 200, "one has come");
    assert_eq!(take(&alice, 1002).status, 409);
    let tokens = house.get_as(&alice, "/api/workers/rig-1/tokens").json();
    let token = format!("/api/workers/rig-1/tokens/{}", tokens["tokens"][0]["token_id"]);
    assert_eq!(house.send("DELETE", &token, &[("X-API-Key", &alice)], "").status, 200);
    assert_eq!(take(&alice, 1002).status, 200, "one was given up");
    assert_eq!(take(&bob, 1).status, 200, "and is free for others");
    assert_eq!(take(ADMIN, 1003).status, 200);
}
