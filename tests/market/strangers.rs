//! Pages of other sites, in the browser of somebody who runs an open platform.

use serde_json::json;

use crate::support::house::{House, RENTER};

#[test]
fn a_strange_page_changes_nothing_and_hears_nothing() {
    let house = House::open();
    let deposit = format!("/api/accounts/{RENTER}/deposit");
    let before = house.balance(RENTER);
    let rebound = house.api.with("Host", "evil.example:8080");
    let afar = house.api.with("Origin", "https://evil.example");
    let sandboxed = house.api.with("Origin", "null");
    for stranger in [&rebound, &afar, &sandboxed] {
        stranger.post(&deposit, &json!({"amount": 5})).refused(403);
        stranger.post("/api/auth/login", &json!({"account_id": RENTER})).refused(403);
        stranger.send("DELETE", "/api/auth/keys/1", None).refused(403);
        let upgrade = stranger.with("Connection", "Upgrade").with("Upgrade", "websocket");
        upgrade.get("/ws/dashboard").refused(403);
        upgrade.get("/ws/dashboard?v=2").refused(403);
    }
    assert_eq!(house.balance(RENTER), before);
}

#[test]
fn programs_and_pages_of_this_machine_work_as_ever() {
    let house = House::open();
    let deposit = format!("/api/accounts/{RENTER}/deposit");
    for friend in [
        house.api.clone(),
        house.api.with("Host", "localhost:8080"),
        house.api.with("Origin", "http://localhost:5173"),
        house.api.with("Origin", house.api.base()),
    ] {
        friend.post(&deposit, &json!({"amount": 1})).ok();
    }
    house.api.with("Host", "evil.example").get("/api/status").ok();
    let closed = House::closed();
    // There a credential is needed, and no page of another site has one.
    closed.admin().with("Host", "hash.example").post("/api/auth/logout", &json!({})).refused(401);
}
