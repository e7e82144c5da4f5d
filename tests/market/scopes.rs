//! API keys that were made for less than their account may do.

use serde_json::{Value, json};

use crate::support::api::Api;
use crate::support::house::House;

const SCOPES: [&str; 5] = ["read", "rent", "provider", "withdraw", "admin"];

fn renter(house: &House) -> Api {
    let made =
        house.api.post("/api/auth/register", &json!({"account_id": "renata", "role": "consumer"})).ok();
    house.admin().post("/api/accounts/renata/deposit", &json!({"amount": 10})).ok();
    house.api.with_key(made["api_key"].as_str().unwrap())
}

fn key(house: &House, owner: &Api, scopes: &[&str]) -> Api {
    let made = owner.post("/api/auth/keys", &json!({ "scopes": scopes })).ok();
    house.api.with_key(made["api_key"].as_str().unwrap())
}

/// Method, path and the scope that the API's description asks of a key; those for administrators alone,
/// and those that any key may call, are left out.
fn guarded(house: &House) -> Vec<(String, String, String)> {
    let document = house.api.get("/api/openapi.json").ok();
    let mut guarded = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let ways = operation["security"].as_array().unwrap();
            let is_for_accounts = ways.iter().any(|way| way["token"].is_array());
            let scope = ways.iter().find_map(|way| way["apiKey"][0].as_str());
            if let Some(scope) = scope.filter(|_| is_for_accounts) {
                let names = ["account_id", "worker_id", "lease_id", "key_id", "token_id", "session_id"];
                let path =
                    names.iter().fold(path.clone(), |path, name| path.replace(&format!("{{{name}}}"), "x"));
                guarded.push((method.to_uppercase(), path, scope.to_owned()));
            }
        }
    }
    assert!(SCOPES.iter().all(|scope| guarded.iter().any(|(.., needed)| needed == scope)), "{guarded:?}");
    guarded
}

fn lacks(reply: &crate::support::api::Reply, scope: &str) -> bool {
    reply.status == 403 && reply.body["detail"] == format!("This API key lacks the scope '{scope}'")
}

#[test]
fn a_key_is_good_for_its_scopes_and_reading_on_every_route() {
    let house = House::closed();
    let owner = renter(&house);
    let routes = guarded(&house);
    for scope in SCOPES {
        let program = key(&house, &owner, &[scope]);
        house.pass(5);
        for (method, path, needed) in &routes {
            let body = (method != "GET").then_some("{}");
            let reply = program.send(method, path, body);
            let is_in = [scope, "read"].contains(&needed.as_str());
            assert_eq!(!lacks(&reply, needed), is_in, "{scope}: {method} {path}: {}", reply.text);
        }
    }
}

#[test]
fn a_key_makes_none_that_is_good_for_more_than_itself() {
    let house = House::closed();
    let owner = renter(&house);
    let steward = key(&house, &owner, &["admin", "rent"]);
    let made = steward.post("/api/auth/keys", &json!({"label": "heir"})).ok();
    assert_eq!(made["scopes"], json!(["read", "rent", "admin"]));
    let more = steward.post("/api/auth/keys", &json!({"scopes": ["withdraw"]})).refused(403);
    assert_eq!(more, "This API key lacks the scope 'withdraw'");
    let login = steward.post("/api/auth/login", &json!({"account_id": "renata"})).ok();
    let heir = house.api.with_key(login["api_key"].as_str().unwrap());
    heir.post("/api/accounts/renata/withdraw", &json!({"amount": 1})).refused(403);
    owner.post("/api/accounts/renata/withdraw", &json!({"amount": 1})).ok();
    let reader = key(&house, &owner, &[]);
    for path in ["/api/auth/keys", "/api/auth/login"] {
        let refused = reader.post(path, &json!({"account_id": "renata"})).refused(403);
        assert_eq!(refused, "This API key lacks the scope 'admin'", "{path}");
    }
    let listed = reader.get("/api/auth/keys").ok();
    let scopes: Vec<&Value> = listed["keys"].as_array().unwrap().iter().map(|key| &key["scopes"]).collect();
    let stewards = json!(["read", "rent", "admin"]);
    assert_eq!(scopes, [&json!(["read"]), &stewards, &stewards, &stewards, &json!(SCOPES)]);
    for bad in [json!(["root"]), json!(["READ"])] {
        owner.post("/api/auth/keys", &json!({ "scopes": bad })).refused(400);
    }
    for bad in [json!("read"), json!([1])] {
        owner.post("/api/auth/keys", &json!({ "scopes": bad })).refused(422);
    }
}

#[test]
fn a_key_makes_none_that_outlives_it() {
    let house = House::closed();
    let owner = renter(&house);
    let made = owner.post("/api/auth/keys", &json!({"scopes": ["admin"], "expires_in_sec": 3600})).ok();
    let (steward, end) = (house.api.with_key(made["api_key"].as_str().unwrap()), &made["expires_at"]);
    house.pass(600);
    let heir = steward.post("/api/auth/keys", &json!({})).ok();
    assert_eq!(&heir["expires_at"], end, "no longer than its maker, where nothing is said");
    assert_eq!(&steward.post("/api/auth/keys", &json!({"expires_in_sec": 3000})).ok()["expires_at"], end);
    let shorter = steward.post("/api/auth/keys", &json!({"expires_in_sec": 60})).ok();
    assert!(shorter["expires_at"].as_f64() < end.as_f64());
    let refused = steward.post("/api/auth/keys", &json!({"expires_in_sec": 3001})).refused(403);
    assert_eq!(refused, "This API key ends in 3000 s, and what it makes ends no later");
    let login = steward.post("/api/auth/login", &json!({"account_id": "renata"})).ok();
    let heirs = [&heir["api_key"], &login["api_key"]].map(|key| house.api.with_key(key.as_str().unwrap()));
    for heir in &heirs {
        let grandchild = heir.post("/api/auth/keys", &json!({})).ok();
        assert_eq!(&grandchild["expires_at"], end, "nor does what it makes");
    }
    house.pass(3000);
    for ended in heirs.iter().chain([&steward]) {
        ended.get("/api/auth/keys").refused(401);
    }
    let endless = owner.post("/api/auth/keys", &json!({"expires_in_sec": 31_622_400})).ok();
    assert!(endless["expires_at"].as_f64() > end.as_f64(), "whoever has no end of its own chooses");
}
