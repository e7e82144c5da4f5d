use std::time::Duration;

use serde_json::{Value, json};

use crate::api::tests::house::{ADMIN, House};
use crate::auth::eth::Wallet;
use crate::market::blocks::{self, Policy};
use crate::market::{Event, Refusal};
use crate::pow::Marker;
use crate::protocol::Block;

const ADDRESS: &str = "0xaabbccddee1234567890abcdef1234567890abcd";

/// Reports a block of a lease (or none) and returns its key.
fn find_block(house: &House, lease: Option<&Value>, tail: char) -> String {
    let prefix = lease.map_or("0123456789abcdef", |lease| lease["prefix"].as_str().unwrap());
    let key = format!("{prefix}{}", tail.to_string().repeat(48));
    let report = Block {
        worker_id: "rig-1".parse().unwrap(),
        lease_id: lease.map(|lease| lease["lease_id"].as_str().unwrap().parse().unwrap()),
        hash: "0XEN11".into(),
        key: key.parse().unwrap(),
        account: Some(ADDRESS.parse().unwrap()),
        attempts: 7,
        hashrate: "12.50".into(),
    };
    let policy = Policy { chain: false, require_pow: false, marker: Marker::default() };
    let now = house.clock.now();
    house.store.write::<_, Refusal, _>(move |scope| blocks::record(scope, &policy, &report, now)).unwrap();
    key
}

#[test]
fn leases_are_listed_by_state_and_shown_with_blocks_and_settlement() {
    let house = House::open();
    house.worker("rig-1", None);
    let id = house.rent("rig-1", 600);
    house.clock.advance(Duration::from_secs(60));
    let list = house.get("/api/leases?state=active").json();
    let lease = &list["items"][0];
    let fields: Vec<&str> = lease.as_object().unwrap().keys().map(String::as_str).collect();
    let first = [
        "lease_id",
        "worker_id",
        "consumer_id",
        "consumer_address",
        "prefix",
        "duration_sec",
        "state",
        "created_at",
        "ended_at",
        "blocks_found",
        "avg_hashrate",
        "elapsed_sec",
        "price_per_sec",
    ];
    assert_eq!(fields[..13], first);
    assert_eq!(lease["lease_id"], id);
    assert_eq!((&lease["elapsed_sec"], &lease["price_per_sec"]), (&json!(60.0), &json!(0.01)));
    assert_eq!((&lease["cost_so_far"], &lease["held"]), (&json!(0.6), &json!(6.0)));
    assert_eq!((&lease["ended_at"], &lease["interrupted_sec"]), (&json!(null), &json!(0.0)));
    let bare = house.get(&format!("/api/leases/{id}")).json();
    assert!(bare.get("blocks").is_none() && bare.get("settlement").is_none());

    let key = find_block(&house, Some(lease), 'a');
    house.post("/api/stop", &json!({ "lease_id": id }));
    let one = house.get(&format!("/api/leases/{id}")).json();
    assert_eq!((&one["state"], &one["blocks_found"]), (&json!("completed"), &json!(1)));
    assert_eq!(one["blocks"][0]["key"], key);
    assert_eq!(one["settlement"]["provider_payment"], 0.57);
    let total = |query: &str| house.get(&format!("/api/leases{query}")).json()["total"].clone();
    assert_eq!(
        (total(""), total("?state=active"), total("?state=completed")),
        (json!(1), json!(0), json!(1))
    );
    assert_eq!((total("?state=cancelled"), total("?state=strange")), (json!(0), json!(0)));
    assert_eq!(house.get("/api/leases?limit=1001").status, 422);
    assert_eq!(house.get("/api/leases/lease-x").detail(), "Lease not found");
}

#[test]
fn a_lease_is_extended_by_its_renter_with_a_further_hold() {
    let house = House::open();
    house.worker("rig-1", None);
    let id = house.rent("rig-1", 600);
    let path = format!("/api/leases/{id}/extend");
    let key = house.consumer_key();
    let stranger = house.account("other", "consumer");
    let body = json!({ "duration_sec": 300 });
    assert_eq!(house.post(&path, &body).status, 401, "always with a credential");
    assert_eq!(house.post_as(&stranger, &path, &body).status, 403);
    let headers = [("X-API-Key", key.as_str()), ("Idempotency-Key", "again")];
    let lease = house.send("POST", &path, &headers, &body.to_string()).json();
    assert_eq!((&lease["duration_sec"], &lease["held"]), (&json!(900), &json!(9.0)));
    let again = house.send("POST", &path, &headers, &body.to_string()).json();
    assert_eq!(again, lease, "once");
    assert_eq!(house.get_as(&key, "/api/auth/me").json()["held"], 9.0);
    assert!(
        house.events.try_iter().any(|event| matches!(event, Event::LeaseExtended { duration_sec: 900, .. }))
    );
    let poor = house.post_as(&key, &path, &json!({ "duration_sec": 10_000_000 }));
    assert_eq!(poor.status, 402, "{poor:?}");
}

#[test]
fn the_same_key_rents_once() {
    let house = House::open();
    house.worker("rig-1", None);
    house.worker("rig-2", None);
    let rent =
        |body: Value| house.send("POST", "/api/rent", &[("Idempotency-Key", "order-7")], &body.to_string());
    let first = rent(json!({ "consumer_id": "consumer-1", "duration_sec": 60 }));
    assert_eq!(first.status, 200);
    assert_eq!(rent(json!({ "consumer_id": "consumer-1", "duration_sec": 60 })).text, first.text);
    assert_eq!(rent(json!({ "consumer_id": "consumer-1", "duration_sec": 61 })).status, 422);
    assert_eq!(house.get("/api/leases").json()["total"], 1);
}

#[test]
fn in_closed_mode_strangers_see_neither_renter_nor_keys() {
    let house = House::closed();
    let owner = Wallet::from_seed(b"owner");
    house.worker("rig-1", Some(&owner));
    let id = house.rent("rig-1", 600);
    let path = format!("/api/leases/{id}");
    let lease = house.get_as(ADMIN, &path).json();
    let key = find_block(&house, Some(&lease), 'b');
    let own = find_block(&house, None, 'c');
    let renter = house.consumer_key();
    let stranger = house.account("mallory", "consumer");
    let bearer = format!("Bearer {}", house.sign_in(&owner));

    let as_owner = |url: &str| house.send("GET", url, &[("Authorization", &bearer)], "").json();
    let seen = [house.get_as(&renter, &path).json(), as_owner(&path), house.get_as(ADMIN, &path).json()];
    for lease in seen {
        assert_eq!(
            (&lease["consumer_id"], &lease["consumer_address"]),
            (&json!("consumer-1"), &json!(ADDRESS))
        );
        assert_eq!(lease["blocks"][0]["key"], key);
    }
    let of_lease = format!("/api/blocks?lease_id={id}");
    let secrets = [key.as_str(), ADDRESS, "consumer-1", lease["prefix"].as_str().unwrap()];
    for url in [path.as_str(), "/api/leases", "/api/blocks", &of_lease] {
        for got in [house.get(url), house.get_as(&stranger, url)] {
            assert_eq!(got.status, 200);
            for secret in secrets {
                // What a worker mines for itself is its address' own affair.
                let is_public = url == "/api/blocks" && secret == ADDRESS;
                assert!(is_public || !got.text.contains(secret), "{url} shows {secret}: {got:?}");
            }
        }
    }
    let hidden = house.get(&path).json();
    let empty = json!("");
    assert_eq!(
        (&hidden["consumer_id"], &hidden["prefix"], &hidden["mining_address"]),
        (&empty, &empty, &empty)
    );
    assert_eq!(as_owner("/api/blocks/self-mined")["items"][0]["key"], own);
    assert_eq!(house.get_as(&renter, "/api/blocks/self-mined").json()["items"][0]["key"], "");
}

#[test]
fn blocks_come_as_a_page_or_as_a_leases_bare_list() {
    let house = House::open();
    house.worker("rig-1", None);
    let id = house.rent("rig-1", 600);
    let lease = house.get(&format!("/api/leases/{id}")).json();
    let keys = [find_block(&house, Some(&lease), 'd'), find_block(&house, Some(&lease), 'e')];
    let own = find_block(&house, None, 'f');
    let bare = house.get(&format!("/api/blocks?lease_id={id}")).json();
    assert_eq!((&bare[0]["key"], &bare[1]["key"]), (&json!(keys[0]), &json!(keys[1])));
    assert_eq!(house.get("/api/blocks?lease_id=unknown").json(), json!([]));
    assert_eq!(house.get("/api/blocks?lease_id=a%20b").json(), json!([]));
    let page = house.get("/api/blocks?limit=1").json();
    assert_eq!((&page["total"], &page["items"][0]["key"]), (&json!(3), &json!(own)));
    let block = &page["items"][0];
    assert_eq!((&block["lease_id"], &block["hashrate"]), (&json!(""), &json!("12.50")));
    assert_eq!((&block["prefix_valid"], &block["chain_verified"]), (&json!(true), &json!(true)));
    let mined = |query: &str| house.get(&format!("/api/blocks/self-mined{query}")).json()["total"].clone();
    assert_eq!(
        (mined(""), mined("?worker_id=rig-1"), mined("?worker_id=rig-9")),
        (json!(1), json!(1), json!(0))
    );
}

#[test]
fn pages_of_blocks_fit_together_from_whichever_end_they_are_read() {
    let house = House::open();
    house.worker("rig-1", None);
    let tails = "0123456789abcdef";
    // Two of each second: the time alone does not order them.
    for (n, tail) in tails.chars().enumerate() {
        find_block(&house, None, tail);
        house.clock.advance(Duration::from_secs(n as u64 % 2));
    }
    let page = |limit: usize, offset: usize| -> Vec<String> {
        let page = house.get(&format!("/api/blocks?limit={limit}&offset={offset}")).json();
        assert_eq!(page["total"], 16);
        let keys = page["items"].as_array().unwrap().iter().map(|block| block["key"].as_str().unwrap());
        keys.map(|key| key[63..].to_owned()).collect()
    };
    let newest_first = tails.chars().rev().map(String::from).collect::<Vec<_>>();
    for limit in 1..=17 {
        let pages = (0..=16).step_by(limit).flat_map(|offset| page(limit, offset));
        assert_eq!(pages.collect::<Vec<_>>(), newest_first, "pages of {limit}");
    }
    assert!(page(5, usize::MAX / 2).is_empty());
}
