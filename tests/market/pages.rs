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
    house.stop(&id);
    let paid = house.lease(&id)["paid"].clone();
    assert_eq!(paid["held"], 36.0, "also when nothing is held any more");
    for part in ["total_cost", "provider_payment", "platform_fee", "refund"] {
        assert_eq!(paid[part], preview["stop"][part], "as it was foretold");
    }
    house.api.get(&format!("/api/leases/{id}/preview")).refused(404);
}

#[test]
fn strangers_preview_nothing() {
    let house = House::open();
    let _rig = house.rig("rig-1");
    let lease = house.rent("rig-1", 60);
    let path = format!("/api/leases/{}/preview", lease["lease_id"].as_str().unwrap());
    assert!(house.api.get(&path).ok()["stop"].is_object(), "open mode shows all to all");
    let stranger = house.api.with_key(&house.key_of("consumer-2"));
    let extended = format!("{path}?extend_sec=60");
    assert_eq!(stranger.get(&extended).refused(403), "You can only preview your own leases");
    house.api.with_key(&house.key_of(RENTER)).get(&extended).ok();
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

#[test]
fn prices_can_be_compared_ranked_and_climbed() {
    let house = House::open();
    let mut rigs: Vec<_> = ["rig-1", "rig-2", "rig-3"].map(|id| house.rig(id)).into();
    for (rig, (hashrate, price)) in rigs.iter_mut().zip([(1000.0, 1.0), (2000.0, 1.0), (1000.0, 3.0)]) {
        house.api.put(&format!("/api/workers/{}/pricing", rig.id), &json!({"price_per_min": price})).ok();
        rig.heartbeat(hashrate);
        crate::support::await_some("the heartbeat", || {
            (house.worker(&rig.id)["hashrate"] == hashrate).then_some(())
        });
    }
    house.pass(1);
    let ladder = house.api.get("/api/marketplace/ladder").ok();
    assert_eq!(
        ladder["levels"],
        json!([
            {"price_per_khs_hour": 30.0, "workers": 1, "hashrate": 2000.0, "cumulative_hashrate": 2000.0},
            {"price_per_khs_hour": 60.0, "workers": 1, "hashrate": 1000.0, "cumulative_hashrate": 3000.0},
            {"price_per_khs_hour": 180.0, "workers": 1, "hashrate": 1000.0, "cumulative_hashrate": 4000.0}
        ])
    );
    assert_eq!(
        (&ladder["workers"], &ladder["hashrate"], &ladder["unrated"]),
        (&json!(3), &json!(4000.0), &json!(0))
    );
    let by_value = house.api.get("/api/marketplace?sort_by=value").ok();
    assert_eq!(by_value["items"][0]["worker_id"], "rig-2");
    assert_eq!(by_value["items"][0]["price_per_khs_hour"], 30.0);

    let rank = house.api.get("/api/workers/rig-3/pricing/rank").ok();
    assert_eq!(
        (&rank["rank"], &rank["of"], &rank["price_per_khs_hour"]),
        (&json!(3), &json!(3), &json!(180.0))
    );
    assert_eq!((&rank["cheapest_per_khs_hour"], &rank["median_per_khs_hour"]), (&json!(30.0), &json!(60.0)));
    let tried = house.api.get("/api/workers/rig-3/pricing/rank?price_per_min=0.5").ok();
    assert_eq!((&tried["rank"], &tried["price_per_khs_hour"]), (&json!(1), &json!(30.0)));
    house.api.get("/api/workers/rig-3/pricing/rank?price_per_min=-1").refused(400);
    house.api.get("/api/workers/nobody/pricing/rank").refused(404);

    let ids = |query: &str| -> Vec<String> {
        let fleet = house.api.get(&format!("/api/monitoring/fleet?{query}")).ok();
        let items = fleet["items"].as_array().unwrap();
        items.iter().map(|row| row["worker_id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids("sort_by=price,-hashrate"), ["rig-2", "rig-1", "rig-3"]);
    assert_eq!(ids("sort_by=-worker_id&search=RIG-2"), ["rig-2"]);
    house.rent("rig-1", 60);
    assert_eq!(ids("status=leased"), ["rig-1"]);
    house.api.get("/api/monitoring/fleet?sort_by=nonsense").refused(400);
}

#[test]
fn earnings_are_summed_by_day_week_and_month() {
    let house = House::open();
    let mut rig = house.rig("rig-1");
    let earn = |rig: &mut crate::support::rig::Rig| {
        let lease = house.rent("rig-1", 600);
        house.pass_with(rig, 60);
        house.stop(lease["lease_id"].as_str().unwrap());
        house.await_state("rig-1", "AVAILABLE");
    };
    earn(&mut rig);
    house.pass(8 * 86_400);
    rig.register();
    house.await_state("rig-1", "AVAILABLE");
    earn(&mut rig);
    let summary = house.api.get("/api/provider/earnings/summary?provider_id=rig-1").ok();
    let once = json!({"earned": 0.57, "leases": 1});
    let twice = json!({"earned": 1.14, "leases": 2});
    assert_eq!(summary["periods"], json!({"24h": once, "7d": once, "30d": twice, "all": twice}));
    let nobody = house.api.get("/api/provider/earnings/summary?provider_id=nobody").ok();
    assert_eq!(nobody["periods"]["all"], json!({"earned": 0.0, "leases": 0}));
}

#[test]
fn the_difficulty_has_a_history() {
    let house = House::open();
    let history = house.api.get("/api/overview/difficulty?hours=48").ok();
    assert_eq!(history["difficulty"], 8);
    assert_eq!(history["items"].as_array().unwrap().len(), 1);
    house.api.get("/api/overview/difficulty?hours=0").refused(422);
}

#[test]
fn a_number_too_large_is_called_too_large() {
    let house = House::open();
    let refused = house.api.post("/api/rent", &json!({"consumer_id": RENTER, "duration_sec": 1e20}));
    assert_eq!(refused.body["detail"][0]["msg"], "Input should be a valid integer, this one is too large");
    let refused = house.api.post("/api/rent", &json!({"consumer_id": RENTER, "duration_sec": 1.5}));
    assert!(refused.body["detail"][0]["msg"].as_str().unwrap().contains("fractional"));
}

#[test]
fn an_account_sees_what_happened_to_it() {
    let house = House::open();
    let mut rig = house.rig("rig-1");
    let renter = house.api.with_key(&house.key_of(RENTER));
    house.pass_with(&mut rig, 1);
    let began = house.clock.now().seconds();
    let lease = house.rent("rig-1", 600)["lease_id"].as_str().unwrap().to_owned();
    house.pass_with(&mut rig, 60);
    house.stop(&lease);
    house.pass_with(&mut rig, 1);
    house.api.post(&format!("/api/accounts/{RENTER}/deposit"), &json!({"amount": 5})).ok();
    let feed = |api: &crate::support::api::Api, query: &str| {
        let page = api.get(&format!("/api/activity?{query}")).ok();
        let items = page["items"].as_array().unwrap();
        items.iter().map(|item| item["type"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let all = feed(&renter, "");
    assert_eq!(all[0], "deposit");
    for kind in ["lease_started", "lease_completed", "lease_charge"] {
        assert_eq!(all.iter().filter(|known| *known == kind).count(), 1, "{kind}");
    }
    assert_eq!(feed(&renter, "limit=1"), ["deposit"]);
    let newer = feed(&renter, &format!("since={began}"));
    assert!(!newer.contains(&"lease_started".to_owned()) && newer.contains(&"lease_completed".to_owned()));
    let provider = house.api.with_key(&house.key_of("rig-1"));
    assert_eq!(feed(&provider, ""), ["provider_payout"]);
    renter.get("/api/activity?account_id=rig-1").refused(403);
    house.api.get("/api/activity").refused(401);
    house.admin().get("/api/activity?account_id=nobody").refused(404);
}
