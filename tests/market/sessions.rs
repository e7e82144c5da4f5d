//! Sessions of wallets and API keys: seen, ended, expired, over restarts too.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use xenblocks::auth::eth::Wallet;
use xenblocks::base::Secret;
use xenblocks::base::limits::AGENT_CHARACTERS_MAX;

use crate::support::api::Api;
use crate::support::await_some;
use crate::support::house::{House, RENTER};

pub fn sign_in(house: &House, wallet: &Wallet, agent: &str) -> Api {
    let api = house.api.with("User-Agent", agent);
    let challenge = api.get(&format!("/api/auth/nonce?address={}", wallet.address())).ok();
    let text = |name: &str| challenge[name].as_str().unwrap().to_owned();
    let body = json!({"address": wallet.address().lower(), "signature": wallet.sign(&text("message")),
        "nonce": text("nonce")});
    let token = api.post("/api/auth/verify", &body).ok()["token"].as_str().unwrap().to_owned();
    api.with_token(&token)
}

fn sessions(api: &Api) -> Vec<Value> {
    api.get("/api/auth/sessions").ok()["sessions"].as_array().unwrap().clone()
}

#[test]
fn a_session_is_seen_and_ended_by_its_owner_for_good() {
    let mut house = House::open();
    let wallet = Wallet::from_seed(b"traveller");
    let phone = sign_in(&house, &wallet, "a phone");
    let laptop = sign_in(&house, &wallet, "a laptop");
    let seen = sessions(&laptop);
    let names: Vec<_> = seen.iter().map(|session| (&session["agent"], &session["current"])).collect();
    assert_eq!(names, [(&json!("a laptop"), &json!(true)), (&json!("a phone"), &json!(false))]);
    assert_eq!(seen[0]["address"], "127.0.0.1");
    let lasts = seen[0]["expires_at"].as_f64().unwrap() - seen[0]["created_at"].as_f64().unwrap();
    assert!((86_399.0..=86_400.0).contains(&lasts), "{lasts}");

    let other = sign_in(&house, &Wallet::from_seed(b"somebody else"), &"x".repeat(300));
    assert_eq!(sessions(&other)[0]["agent"], "x".repeat(AGENT_CHARACTERS_MAX));
    let path = format!("/api/auth/sessions/{}", seen[1]["session_id"]);
    other.send("DELETE", &path, None).refused(404);
    phone.get("/api/auth/me").ok();
    laptop.send("DELETE", &path, None).ok();
    laptop.send("DELETE", &path, None).refused(404);
    phone.get("/api/auth/me").refused(401);
    phone.post("/api/stop", &json!({"lease_id": "x"})).refused(401);
    assert_eq!(sessions(&laptop).len(), 1);

    let (token, old) = (laptop.clone(), phone.clone());
    house.restart();
    let moved = |api: &Api| {
        let header = api.header("Authorization").unwrap().to_owned();
        house.api.with("Authorization", header)
    };
    moved(&token).get("/api/auth/me").ok();
    moved(&old).get("/api/auth/me").refused(401);
}

#[test]
fn a_new_secret_and_the_one_before_are_good_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("session-secret");
    let keep = |secrets: &[&str]| {
        let lines: Vec<_> =
            secrets.iter().map(|word| format!("{word}-secret-of-more-than-32-bytes")).collect();
        std::fs::write(&path, lines.join("\n")).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    };
    keep(&["old"]);
    let mut house = House::with(|config| config.jwt_secret_file = Some(path.clone()));
    let at = |house: &House, earlier: &Api| {
        house.api.with("Authorization", earlier.header("Authorization").unwrap()).get("/api/auth/me").status
    };
    let wallet = Wallet::from_seed(b"traveller");
    let before = sign_in(&house, &wallet, "before");
    keep(&["new", "old"]);
    house.restart();
    assert_eq!(at(&house, &before), 200);
    let after = sign_in(&house, &wallet, "after");
    keep(&["new"]);
    house.restart();
    assert_eq!((at(&house, &before), at(&house, &after)), (401, 200), "the new one signs");
}

#[test]
fn signing_out_ends_one_session_and_everywhere_all() {
    let house = House::open();
    let wallet = Wallet::from_seed(b"traveller");
    let [one, two, three] = ["1", "2", "3"].map(|agent| sign_in(&house, &wallet, agent));
    assert_eq!(one.post("/api/auth/logout", &json!({})).ok()["ended"], 1);
    one.get("/api/auth/me").refused(401);
    assert_eq!(two.send("DELETE", "/api/auth/sessions?others=true", None).ok()["ended"], 1);
    three.get("/api/auth/me").refused(401);
    two.get("/api/auth/me").ok();
    let four = sign_in(&house, &wallet, "4");
    assert_eq!(four.send("DELETE", "/api/auth/sessions", None).ok()["ended"], 2);
    for api in [&two, &four] {
        api.get("/api/auth/me").refused(401);
    }
    sign_in(&house, &wallet, "5").get("/api/auth/me").ok();
    house.api.get("/api/auth/sessions").refused(401);
    house.api.with_key(&house.key_of(RENTER)).post("/api/auth/logout", &json!({})).refused(401);
}

#[test]
fn a_key_has_a_name_an_end_and_a_last_use() {
    let house = House::open();
    let owner = house.api.with_key(&house.key_of(RENTER));
    let made = owner.post("/api/auth/keys", &json!({"label": "backups", "expires_in_sec": 3600})).ok();
    assert_eq!((&made["account_id"], &made["label"]), (&json!(RENTER), &json!("backups")));
    let program = house.api.with_key(made["api_key"].as_str().unwrap());
    let row = || {
        let keys = owner.get("/api/auth/keys").ok()["keys"].as_array().unwrap().clone();
        keys.into_iter().find(|key| key["key_id"] == made["key_id"]).unwrap()
    };
    assert_eq!((&row()["last_used_at"], &row()["expires_at"]), (&Value::Null, &made["expires_at"]));
    program.get("/api/auth/me").ok();
    let used = await_some("the last use", || row()["last_used_at"].as_f64());
    assert!((used - house.clock.now().seconds()).abs() < 1.0);
    house.pass(3601);
    program.get("/api/auth/me").refused(401);
    for (body, what) in [
        (json!({"expires_in_sec": 1}), "expires_in_sec"),
        (json!({"expires_in_sec": -5}), "expires_in_sec"),
        (json!({"label": "two\nlines"}), "label"),
    ] {
        assert!(owner.post("/api/auth/keys", &body).refused(400).as_str().unwrap().starts_with(what));
    }
    owner.post("/api/auth/keys", &json!({"account_id": "consumer-2"})).refused(403);
    house.api.post("/api/auth/keys", &json!({})).refused(401);
}

/// The secret has leaked, and somebody signs tokens with it: each must name a session that stands, of that very wallet.
#[test]
fn a_forged_token_opens_no_session_but_its_forgers_own() {
    const LEAKED: &str = "a-secret-of-sessions-that-has-leaked";
    let house = House::with(|config| config.jwt_secret = Some(Secret::new(LEAKED)));
    let [victim, thief] = [b"victim", b"thief!"].map(|seed| Wallet::from_seed(seed));
    let of_victim = sign_in(&house, &victim, "victim").get("/api/auth/me").ok();
    let own = sign_in(&house, &thief, "thief");
    let token = own.header("Authorization").unwrap().strip_prefix("Bearer ").unwrap();
    let claims = token.split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&BASE64.decode(claims).unwrap()).unwrap();
    let forged = |changes: &[(&str, Value)]| {
        let mut claims = claims.clone();
        for (name, value) in changes {
            claims[*name] = value.clone();
        }
        let parts =
            [json!({"alg": "HS256", "typ": "JWT"}), claims].map(|part| BASE64.encode(part.to_string()));
        let mut mac = Hmac::<Sha256>::new_from_slice(LEAKED.as_bytes()).unwrap();
        mac.update(parts.join(".").as_bytes());
        let signature = BASE64.encode(mac.finalize().into_bytes());
        house.api.with_token(&format!("{}.{signature}", parts.join("."))).get("/api/auth/me").status
    };
    assert_eq!(forged(&[]), 200, "it is signed as the platform signs");
    let account = || ("account_id", of_victim["account_id"].clone());
    let wallet = || ("sub", json!(victim.address().lower()));
    let another = ("jti", json!("0".repeat(32)));
    for changes in [vec![account()], vec![wallet()], vec![account(), wallet()], vec![another]] {
        assert_eq!(forged(&changes), 401, "{changes:?}");
    }
}
