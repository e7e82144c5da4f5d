//! What administrators did is noted: by whom, when, what, to whom, how it ended.

use serde_json::{Value, json};

use crate::access::{MATRIX, Scene, fields};
use crate::support::api::Api;
use crate::support::house::{ADMIN_KEY, House};

fn acts(admin: &Api, query: &str) -> Vec<Value> {
    admin.get(&format!("/api/acts?{query}")).ok()["items"].as_array().unwrap().clone()
}

/// Whether an administrator may call an operation that somebody else may not.
fn is_guarded(house: &House, operation: &str) -> bool {
    let (method, path) = operation.split_once(' ').unwrap();
    let document = house.api.get("/api/openapi.json").ok();
    let ways = &document["paths"][path][method.to_ascii_lowercase()]["security"];
    ways.as_array().unwrap().iter().any(|way| way["apiKey"].is_array())
}

/// Every row of the matrix that changes something, and the matrix has a row for every route.
#[test]
fn every_route_that_changes_something_notes_its_administrator() {
    let scene = Scene::new();
    let rows = MATRIX.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(fields);
    let acting: Vec<_> = rows
        .filter(|[_, operation, _]| !operation.starts_with("GET ") && is_guarded(&scene.house, operation))
        .collect();
    assert!(acting.len() > 15, "{}", acting.len());
    for [_, operation, input] in acting {
        let before = acts(&scene.house.admin(), "limit=1")[0]["act_id"].as_i64().unwrap();
        let reply = scene.ask("administrator", operation, input);
        let newest = acts(&scene.house.admin(), "limit=1").remove(0);
        let noted = (newest["operation"].as_str().unwrap(), newest["status"].as_u64().unwrap());
        assert_eq!(noted, (operation, u64::from(reply.status)), "{}", reply.text);
        assert!(newest["act_id"].as_i64().unwrap() > before, "{operation} left no note of its own");
    }
}

#[test]
fn a_note_says_who_when_what_to_whom_and_how_it_ended_and_no_secret() {
    let house = House::closed();
    let admin = house.admin().with("X-Forwarded-For", "192.0.2.7");
    house.api.post("/api/auth/register", &json!({"account_id": "renata", "role": "consumer"})).ok();
    house.pass(60);
    let deposit = json!({"amount": 12.5, "note": "a-planted-secret"});
    let once = admin.with("Idempotency-Key", "payment-17");
    for _ in 0..2 {
        once.post("/api/accounts/renata/deposit", &deposit).ok();
    }
    admin.post("/api/accounts/nobody/deposit", &deposit).refused(404);
    let key =
        admin.post("/api/auth/keys", &json!({"account_id": "renata", "label": "a-planted-secret"})).ok();
    let token = admin.post("/api/workers/rig-1/tokens", &json!({})).ok();
    admin.get("/api/accounts").ok();
    let log = acts(&admin, "limit=50");
    let row = |index: usize| {
        let names = ["operation", "subject", "details", "status", "address"];
        names.map(|name| log[index][name].clone())
    };
    assert_eq!(log.len(), 4, "a repeated payment happened once, and looking is no act: {log:?}");
    let deposit = "POST /api/accounts/{account_id}/deposit";
    let amount = json!({"amount": 12.5});
    assert_eq!(row(3), [json!(deposit), json!("renata"), amount.clone(), json!(200), json!("192.0.2.7")]);
    assert_eq!(row(2)[..4], [json!(deposit), json!("nobody"), amount, json!(404)]);
    let made = json!({"account_id": "renata"});
    assert_eq!(row(1)[..4], [json!("POST /api/auth/keys"), json!("renata"), made, json!(200)]);
    assert_eq!(row(0)[1], "rig-1");
    assert!(log.iter().all(|act| act["done_at"] == house.clock.now().seconds()));
    assert!(log.iter().all(|act| act["key_hint"] == log[0]["key_hint"]));
    let text = json!(log).to_string();
    for secret in
        [ADMIN_KEY, "a-planted-secret", key["api_key"].as_str().unwrap(), token["token"].as_str().unwrap()]
    {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    let older = acts(&admin, &format!("limit=2&before={}", log[1]["act_id"]));
    assert_eq!(older, log[2..]);
}

#[test]
fn acts_of_accounts_and_of_nobody_in_open_mode_are_not_noted() {
    let house = House::open();
    house.api.post("/api/accounts/consumer-1/deposit", &json!({"amount": 1})).ok();
    let own = house.api.with_key(&house.key_of("consumer-1"));
    own.post("/api/accounts/consumer-1/withdraw", &json!({"amount": 1})).ok();
    let log = acts(&house.admin(), "limit=50");
    assert_eq!(log.len(), 1, "the key was made by the administrator: {log:?}");
    assert_eq!(log[0]["operation"], "POST /api/auth/login");
}
