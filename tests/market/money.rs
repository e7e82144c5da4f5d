//! Deposits, withdrawals, the ledger, and requests that come twice.

use std::sync::Barrier;

use serde_json::json;

use crate::support::api::Reply;
use crate::support::house::{House, RENTER, millionths};

const COIN: i64 = 1_000_000;

fn deposit_path(account: &str) -> String {
    format!("/api/accounts/{account}/deposit")
}

#[test]
fn fault_26_an_amount_that_is_none_changes_nothing() {
    let house = House::open();
    let renter = house.api.with_key(&house.key_of(RENTER));
    let withdraw = format!("/api/accounts/{RENTER}/withdraw");
    for (amount, status) in [
        ("NaN", 422),
        ("Infinity", 422),
        ("-Infinity", 422),
        ("1e999", 422),
        ("-1e999", 422),
        ("\"NaN\"", 422),
        ("\"inf\"", 422),
        ("\"abc\"", 422),
        ("\"\"", 422),
        ("null", 422),
        ("[]", 422),
        ("{}", 422),
        ("0", 400),
        ("-0.0", 400),
        ("-5", 400),
        ("-0.000001", 400),
        ("0.0000001", 400),
        ("1e10", 400),
        ("1e300", 400),
        ("-1e10", 400),
    ] {
        for path in [deposit_path(RENTER), withdraw.clone()] {
            let reply = renter.send("POST", &path, Some(&format!("{{\"amount\": {amount}}}")));
            assert_eq!(reply.status, status, "{path} {amount}: {}", reply.text);
        }
    }
    for body in ["", "{", "[]", "7", "\"amount\"", "null", "{\"amount\"}", "{\"amount\": 1", "\u{feff}{}"] {
        let reply = renter.send("POST", &deposit_path(RENTER), Some(body));
        assert_eq!(reply.status, 422, "{body}: {}", reply.text);
    }
    assert_eq!(house.balance(RENTER), 1000 * COIN);
    assert_eq!(house.admin().get("/api/accounts").ok()[RENTER]["balance"], 1000.0);
    // What the prototype takes for a number is one.
    assert_eq!(renter.post(&deposit_path(RENTER), &json!({"amount": "2.5"})).ok()["balance"], 1002.5);
    assert_eq!(renter.post(&deposit_path(RENTER), &json!({"amount": true})).ok()["balance"], 1003.5);
}

#[test]
fn a_deposit_to_nobody_is_404() {
    let house = House::open();
    for account in ["nobody", "_outside", "Consumer-1", "%3Cb%3E", "a%2Fb"] {
        let reply = house.api.post(&deposit_path(account), &json!({"amount": 1}));
        assert_eq!(reply.refused(404), "Account not found", "{account}");
    }
    // The amount is looked at first, as in the prototype.
    assert_eq!(house.api.post(&deposit_path("nobody"), &json!({"amount": 0})).status, 400);
}

#[test]
fn fault_22_sixty_deposits_at_once_are_sixty() {
    let house = House::open();
    let barrier = Barrier::new(12);
    std::thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| {
                barrier.wait();
                for _ in 0..5 {
                    house.api.post(&deposit_path(RENTER), &json!({"amount": 1})).ok();
                }
            });
        }
    });
    assert_eq!(house.balance(RENTER), 1060 * COIN);
}

#[test]
fn fault_22_twenty_withdrawals_of_everything_at_once_are_one() {
    let house = House::open();
    let key = house.key_of("consumer-2");
    let barrier = Barrier::new(20);
    let replies: Vec<Reply> = std::thread::scope(|scope| {
        let withdraw = || {
            let renter = house.api.with_key(&key);
            barrier.wait();
            renter.post("/api/accounts/consumer-2/withdraw", &json!({"amount": 500}))
        };
        let threads: Vec<_> = (0..20).map(|_| scope.spawn(withdraw)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(replies.iter().filter(|reply| reply.status == 200).count(), 1);
    for reply in replies.into_iter().filter(|reply| reply.status != 200) {
        assert_eq!(reply.refused(400), "Insufficient balance: have 0.0000, need 500.0000");
    }
    assert_eq!(house.balance("consumer-2"), 0);
}

#[test]
fn fault_21_tenths_add_up_and_cycles_do_not_drift() {
    let house = House::open();
    for _ in 0..10 {
        house.api.post(&deposit_path(RENTER), &json!({"amount": 0.1})).ok();
    }
    assert_eq!(house.balance(RENTER), 1001 * COIN);
    let mut rig = house.rig("rig-1");
    house.api.put("/api/workers/rig-1/pricing", &json!({"price_per_min": 0.333_333})).ok();
    for _ in 0..30 {
        let lease = house.rent("rig-1", 60)["lease_id"].as_str().unwrap().to_owned();
        house.pass_with(&mut rig, 7);
        let settlement = house.stop(&lease)["settlement"].clone();
        let parts = ["provider_payment", "platform_fee"].map(|name| millionths(&settlement[name]));
        assert_eq!(parts[0] + parts[1], millionths(&settlement["total_cost"]), "{settlement}");
    }
    // 7 s at 0.333333 a minute: 0.038889, rounded half to even, of which 0.001944 are the fee.
    assert_eq!(house.balance(RENTER), 1001 * COIN - 30 * 38_889);
    assert_eq!(house.balance("platform-treasury"), 30 * 1_944);
    assert_eq!(house.balance("rig-1"), 30 * (38_889 - 1_944));
}

#[test]
fn money_that_a_lease_holds_cannot_leave() {
    let house = House::open();
    let _rig = house.rig("rig-1");
    let renter = house.api.with_key(&house.key_of(RENTER));
    let withdraw =
        |amount: f64| renter.post(&format!("/api/accounts/{RENTER}/withdraw"), &json!({"amount": amount}));
    let lease = house.rent("rig-1", 3600)["lease_id"].as_str().unwrap().to_owned();
    let me = renter.get("/api/auth/me").ok();
    assert_eq!(
        (&me["balance"], &me["available"], &me["held"]),
        (&json!(1000.0), &json!(964.0), &json!(36.0))
    );
    withdraw(964.01).refused(400);
    assert_eq!(withdraw(964.0).ok()["withdrawn"], 964.0);
    // Nor be promised twice.
    let _other = house.rig("rig-2");
    let body = json!({"consumer_id": RENTER, "worker_id": "rig-2", "duration_sec": 60});
    assert_eq!(house.api.post("/api/rent", &body).status, 402);
    house.stop(&lease);
    assert_eq!(withdraw(36.0).ok()["balance"], 0.0);
}

#[test]
fn fault_04_a_withdrawal_needs_the_owners_credential() {
    let house = House::open();
    let path = format!("/api/accounts/{RENTER}/withdraw");
    let body = json!({"amount": 1});
    assert_eq!(house.api.post(&path, &body).status, 401);
    assert_eq!(house.api.with_key("nonsense").post(&path, &body).status, 401);
    let stranger = house.api.with_key(&house.key_of("consumer-2"));
    assert_eq!(stranger.post(&path, &body).refused(403), "You can only withdraw from your own account");
    // A wrong credential is not "as if none", nor is a foreign one.
    assert_eq!(house.api.with_key("nonsense").post(&deposit_path(RENTER), &body).status, 401);
    assert_eq!(
        stranger.post(&deposit_path(RENTER), &body).refused(403),
        "You can only deposit to your own account"
    );
    let balance = format!("/api/accounts/{RENTER}/balance");
    assert_eq!(house.api.with_key("nonsense").get(&balance).status, 401);
    assert_eq!(stranger.get(&balance).refused(403), "You can only view your own balance");
    assert_eq!(house.api.with_key("nonsense").get("/api/accounts").status, 401);
    assert_eq!(stranger.get("/api/accounts").refused(403), "Admin access required");
    assert_eq!(house.balance(RENTER), 1000 * COIN);
}

#[test]
fn fault_05_the_administrators_key_is_no_server_error() {
    let house = House::open();
    let _rig = house.rig("rig-1");
    let admin = house.admin();
    admin.get("/api/accounts").ok();
    admin.get("/api/settlements").ok();
    admin.put("/api/workers/rig-1/pricing", &json!({"price_per_min": 1})).ok();
    assert_eq!(admin.post("/api/accounts/nobody/withdraw", &json!({"amount": 1})).status, 404);
}

#[test]
fn fault_01_nobody_signs_in_to_the_platforms_own_accounts() {
    let house = House::open();
    for account in ["platform-treasury", "_outside", "_admin"] {
        let reply = house.api.post("/api/auth/login", &json!({ "account_id": account }));
        assert_eq!(reply.status, 404, "{account}: {}", reply.text);
        let body = json!({"account_id": account, "role": "consumer"});
        assert_eq!(house.api.post("/api/auth/register", &body).status, 400, "{account}");
    }
}

#[test]
fn fault_02_nobody_registers_with_a_debt_or_a_fortune() {
    let house = House::open();
    let register = |balance: &str| {
        let body = format!("{{\"account_id\": \"rich\", \"role\": \"consumer\", \"balance\": {balance}}}");
        house.api.send("POST", "/api/auth/register", Some(&body))
    };
    for (balance, status) in [("-5", 400), ("1e12", 400), ("1e999", 422), ("NaN", 422), ("\"x\"", 422)] {
        assert_eq!(register(balance).status, status, "{balance}");
    }
    let account = register("7.5").ok();
    assert_eq!((&account["balance"], &account["role"]), (&json!(7.5), &json!("consumer")));
    assert_eq!(register("7.5").refused(400), "Account 'rich' already exists");
}

#[test]
fn a_request_that_comes_twice_moves_money_once() {
    let mut house = House::open();
    let deposit = |house: &House, amount: f64| {
        let api = house.api.with("Idempotency-Key", "order-7");
        api.post(&deposit_path(RENTER), &json!({"amount": amount}))
    };
    let first = deposit(&house, 5.0);
    assert_eq!(deposit(&house, 5.0).ok(), first.clone().ok());
    assert_eq!(deposit(&house, 6.0).status, 422);
    house.restart();
    assert_eq!(deposit(&house, 5.0).ok(), first.ok());
    assert_eq!(house.balance(RENTER), 1005 * COIN);
    house.pass(86_401);
    assert_eq!(deposit(&house, 5.0).ok()["balance"], 1010.0);
}

#[test]
fn the_same_request_at_once_moves_money_once() {
    let house = House::open();
    let _rigs = [house.rig("rig-1"), house.rig("rig-2")];
    let barrier = Barrier::new(8);
    let answers: Vec<_> = std::thread::scope(|scope| {
        let send = || {
            let api = house.api.with("Idempotency-Key", "rent-1");
            barrier.wait();
            api.post("/api/rent", &json!({"consumer_id": RENTER, "duration_sec": 60})).ok()
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(send)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(house.api.get("/api/leases?state=active").ok()["total"], 1);
    let stop = || {
        let api = house.api.with("Idempotency-Key", "stop-1");
        api.post("/api/stop", &json!({"lease_id": answers[0]["lease_id"]}))
    };
    assert_eq!(stop().ok(), stop().ok());
}

#[test]
fn fault_29_the_ledger_can_be_read_by_the_owner_page_by_page() {
    let house = House::open();
    for amount in 1..=5 {
        house.api.post(&deposit_path(RENTER), &json!({ "amount": amount })).ok();
    }
    let renter = house.api.with_key(&house.key_of(RENTER));
    let path = format!("/api/accounts/{RENTER}/transactions?limit=2");
    let mut seen = Vec::new();
    let mut before = String::new();
    loop {
        let page = renter.get(&format!("{path}{before}")).ok();
        seen.extend(page["items"].as_array().unwrap().iter().map(|row| millionths(&row["amount"]) / COIN));
        match page["next_before"].as_i64() {
            Some(next) => before = format!("&before={next}"),
            None => break,
        }
    }
    assert_eq!(seen, [5, 4, 3, 2, 1, 1000]);
    let csv = renter.get(&format!("/api/accounts/{RENTER}/transactions?format=csv")).text;
    assert_eq!(csv.lines().count(), 7, "{csv}");
    let stranger = house.api.with_key(&house.key_of("consumer-2"));
    assert_eq!(stranger.get(&path).status, 403);
    assert_eq!(house.api.get(&path).status, 401);
}
