use serde_json::json;

use crate::api::tests::house::{ADMIN, House};
use crate::auth::eth::Wallet;

#[test]
fn a_wallet_signs_in_and_is_who_it_says() {
    let house = House::closed();
    let wallet = Wallet::from_seed(b"renter");
    let nonce = house.get(&format!("/api/auth/nonce?address={}", wallet.address())).json();
    let text = nonce["nonce"].as_str().unwrap();
    assert_eq!(text.len(), 32);
    assert_eq!(
        nonce["message"],
        format!("Sign this message to authenticate with XenBlocks.\n\nNonce: {text}")
    );
    let lower = wallet.address().lower();
    let signature = wallet.sign(nonce["message"].as_str().unwrap());
    let body = json!({ "address": lower, "signature": signature, "nonce": text });
    let got = house.post("/api/auth/verify", &body);
    assert_eq!(got.status, 200, "{got:?}");
    let signed_in = got.json();
    assert_eq!(signed_in["address"], lower, "as it was sent");
    assert_eq!(signed_in["account_id"], format!("wallet-{}", &lower[..10]));
    assert_eq!(signed_in["role"], "provider");

    let again = house.post("/api/auth/verify", &body);
    assert_eq!((again.status, again.detail().as_str()), (401, "Invalid signature or expired nonce"));

    let bearer = format!("Bearer {}", signed_in["token"].as_str().unwrap());
    let me = house.send("GET", "/api/auth/me", &[("Authorization", &bearer)], "").json();
    assert_eq!(me["account_id"], signed_in["account_id"]);
    assert_eq!((&me["balance"], &me["available"], &me["held"]), (&json!(0.0), &json!(0.0), &json!(0.0)));
    let broken = house.send("GET", "/api/auth/me", &[("Authorization", "Bearer x.y.z")], "");
    assert_eq!((broken.status, broken.detail().as_str()), (401, "Invalid or expired token"));
}

#[test]
fn a_sign_in_message_is_accepted_when_it_is_what_was_signed() {
    let house = House::open();
    let wallet = Wallet::from_seed(b"siwe");
    let nonce = house.get(&format!("/api/auth/nonce?address={}", wallet.address())).json();
    let message = format!(
        "market.example wants you to sign in with your Ethereum account:\n{}\n\nSign in.\n\n\
         URI: https://market.example\nVersion: 1\nChain ID: 1\nNonce: {}\nIssued At: 2026-09-21T13:33:20Z",
        nonce["address"].as_str().unwrap(),
        nonce["nonce"].as_str().unwrap(),
    );
    let mut body = json!({
        "address": wallet.address(), "nonce": nonce["nonce"], "message": message,
        "signature": wallet.sign("something else"),
    });
    assert_eq!(house.post("/api/auth/verify", &body).status, 401);
    body["signature"] = json!(wallet.sign(&message));
    let got = house.post("/api/auth/verify", &body);
    assert_eq!(got.status, 200, "{got:?}");
}

#[test]
fn what_is_no_address_gets_no_nonce() {
    let house = House::open();
    for bad in ["0x123", "24691E54aFafe2416a8252097C9Ca67557271475xx"] {
        let got = house.get(&format!("/api/auth/nonce?address={bad}"));
        assert_eq!((got.status, got.detail().as_str()), (400, "Invalid Ethereum address"));
    }
    let missing = house.get("/api/auth/nonce");
    assert_eq!(missing.status, 422);
    assert_eq!(missing.json()["detail"][0]["loc"], json!(["query", "address"]));
}

#[test]
fn accounts_are_registered_once_with_what_they_may_bring() {
    let house = House::open();
    let post = |body| house.post("/api/auth/register", &body);
    let got = post(json!({ "account_id": "rich", "role": "consumer", "balance": 12.5 })).json();
    assert_eq!((&got["balance"], &got["eth_address"]), (&json!(12.5), &json!("")));
    assert_eq!(got["api_key"].as_str().unwrap().len(), 32);
    for (body, detail) in [
        (json!({ "account_id": "rich", "role": "consumer" }), "Account 'rich' already exists"),
        (json!({ "account_id": "_admin", "role": "consumer" }), "Account '_admin' already exists"),
        (json!({ "account_id": "rich", "role": "admin" }), "Role must be 'provider' or 'consumer'"),
        (json!({ "account_id": "neg", "role": "consumer", "balance": -5 }), "Balance must not be negative"),
    ] {
        let refused = post(body);
        assert_eq!((refused.status, refused.detail().as_str()), (400, detail));
    }
    for body in [
        json!({ "account_id": "a b", "role": "consumer" }),
        json!({ "account_id": "x", "role": "consumer", "balance": 1e12 }),
        json!({ "account_id": "x", "role": "consumer", "eth_address": "0x12" }),
    ] {
        assert_eq!(post(body).status, 400);
    }
    let closed = House::closed();
    let body = json!({ "account_id": "poor", "role": "consumer", "balance": 12.5 });
    assert_eq!(closed.post("/api/auth/register", &body).json()["balance"], 0.0);
}

#[test]
fn a_login_is_open_only_in_open_mode_and_never_to_the_platforms_account() {
    let house = House::open();
    let login = |id: &str| house.post("/api/auth/login", &json!({ "account_id": id }));
    let got = login("consumer-1").json();
    assert_eq!((&got["account_id"], &got["role"]), (&json!("consumer-1"), &json!("consumer")));
    let key = got["api_key"].as_str().unwrap();
    assert_eq!(house.get_as(key, "/api/auth/me").json()["balance"], 1000.0);
    for unknown in ["x", "Consumer-1", "platform-treasury", "_outside"] {
        let got = login(unknown);
        assert_eq!((got.status, got.detail()), (404, format!("Account '{unknown}' not found")));
    }
    let foreign = house.post_as(key, "/api/auth/login", &json!({ "account_id": "consumer-2" }));
    assert_eq!(foreign.status, 403);

    let closed = House::closed();
    assert_eq!(closed.post("/api/auth/login", &json!({ "account_id": "consumer-1" })).status, 401);
    let key = closed.consumer_key();
    let own = closed.post_as(&key, "/api/auth/login", &json!({ "account_id": "consumer-1" }));
    assert_eq!(own.status, 200);
}

#[test]
fn the_administrator_is_a_virtual_account_and_nobody_is_nobody() {
    let house = House::open();
    let me = house.get_as(ADMIN, "/api/auth/me").json();
    assert_eq!(
        (&me["account_id"], &me["role"], &me["balance"]),
        (&json!("_admin"), &json!("admin"), &json!(0.0))
    );
    for got in [house.get("/api/auth/me"), house.get_as("nonsense", "/api/auth/me")] {
        assert_eq!((got.status, got.detail().as_str()), (401, "Invalid or missing credentials"));
    }
}
