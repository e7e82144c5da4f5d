use serde_json::json;

use crate::api::tests::house::{ADMIN, House};
use crate::market::Refusal;

const BALANCE: &str = "/api/accounts/consumer-1/balance";
const DEPOSIT: &str = "/api/accounts/consumer-1/deposit";
const WITHDRAW: &str = "/api/accounts/consumer-1/withdraw";
const LEDGER: &str = "/api/accounts/consumer-1/transactions";

#[test]
fn whoever_shows_a_credential_is_held_to_it_in_open_mode_too() {
    let house = House::open();
    let other = house.account("other", "consumer");
    assert_eq!(house.get(BALANCE).json()["balance"], 1000.0);
    let refusals = [
        (house.get_as(&other, BALANCE), 403, "You can only view your own balance"),
        (house.get_as("nonsense", BALANCE), 401, "Invalid or missing credentials"),
        (
            house.post_as(&other, DEPOSIT, &json!({ "amount": 1 })),
            403,
            "You can only deposit to your own account",
        ),
        (
            house.post_as(&other, WITHDRAW, &json!({ "amount": 1 })),
            403,
            "You can only withdraw from your own account",
        ),
        (
            house.post(WITHDRAW, &json!({ "amount": 1 })),
            401,
            "Missing or invalid credentials. Pass Authorization: Bearer <jwt> or X-API-Key header.",
        ),
        (house.get("/api/accounts/nobody/balance"), 404, "Account not found"),
        (house.get("/api/accounts/_outside/balance"), 404, "Account not found"),
        (house.get_as(&other, "/api/accounts"), 403, "Admin access required"),
        (house.get_as(&other, "/api/settlements"), 403, "Admin access required"),
        (house.get_as(&other, LEDGER), 403, "You can only view your own transactions"),
    ];
    for (got, status, detail) in refusals {
        assert_eq!((got.status, got.detail().as_str()), (status, detail));
    }
}

#[test]
fn money_comes_in_and_goes_out_and_the_ledger_says_so() {
    let house = House::open();
    let key = house.consumer_key();
    let deposited = house.post(DEPOSIT, &json!({ "amount": "0.5" }));
    assert_eq!(deposited.text, r#"{"account_id":"consumer-1","balance":1000.5}"#);
    let withdrawn = house.post_as(&key, WITHDRAW, &json!({ "amount": 1000.25 }));
    assert_eq!(withdrawn.text, r#"{"account_id":"consumer-1","balance":0.25,"withdrawn":1000.25}"#);
    for (amount, detail) in [
        (json!(1), "Insufficient balance: have 0.2500, need 1.0000"),
        (json!(0), "Withdraw amount must be positive"),
        (json!(1e10), "amount must lie between 0 and 1000000000"),
    ] {
        let got = house.post_as(&key, WITHDRAW, &json!({ "amount": amount }));
        assert_eq!((got.status, got.detail().as_str()), (400, detail));
    }
    for key in ["a", "b"] {
        let twice = [("Idempotency-Key", "a"), ("idempotency-key", key)];
        let twice = house.send("POST", DEPOSIT, &twice, r#"{"amount": 1}"#);
        assert_eq!((twice.status, twice.detail().as_str()), (400, "Idempotency-Key must be given once"));
    }
    let negative = house.post("/api/accounts/nobody/deposit", &json!({ "amount": -1 }));
    assert_eq!((negative.status, negative.detail().as_str()), (400, "Deposit amount must be positive"));
    assert_eq!(house.send("POST", DEPOSIT, &[], r#"{"amount": Infinity}"#).status, 422);
    assert_eq!(house.post(DEPOSIT, &json!({})).json()["detail"][0]["loc"], json!(["body", "amount"]));

    let page = house.get_as(&key, &format!("{LEDGER}?limit=2")).json();
    assert_eq!(
        (&page["items"][0]["type"], &page["items"][0]["amount"]),
        (&json!("withdraw"), &json!(-1000.25))
    );
    assert_eq!(page["items"][1]["balance_after"], 1000.5);
    let rest = house.get_as(&key, &format!("{LEDGER}?before={}", page["next_before"])).json();
    assert_eq!(rest["items"][0]["note"], "opening balance");
    assert_eq!(rest["next_before"], json!(null));
    let deposits = house.get_as(&key, &format!("{LEDGER}?type=deposit")).json();
    assert_eq!(deposits["items"].as_array().unwrap().len(), 2);
    assert_eq!(house.get_as(&key, &format!("{LEDGER}?type=loot")).status, 422);
    let csv = house.get_as(&key, &format!("{LEDGER}?format=csv&type=withdraw"));
    assert_eq!(csv.header("Content-Type"), Some("text/csv; charset=utf-8"));
    let lines: Vec<&str> = csv.text.split("\r\n").collect();
    assert!(lines[1].contains(",withdraw,-1000.250000,0.250000,,"), "{csv:?}");
}

#[test]
fn fault_3_in_closed_mode_deposits_and_lists_are_the_administrators() {
    let house = House::closed();
    let key = house.consumer_key();
    assert_eq!(house.post(DEPOSIT, &json!({ "amount": 1 })).status, 401);
    assert_eq!(house.post_as(&key, DEPOSIT, &json!({ "amount": 1 })).status, 403);
    assert_eq!(house.post_as(ADMIN, DEPOSIT, &json!({ "amount": 1 })).json()["balance"], 1001.0);
    assert_eq!(house.get(BALANCE).status, 401);
    assert_eq!(house.get_as(&key, BALANCE).json()["available"], 1001.0);
    assert_eq!(house.get("/api/accounts").status, 401);
    let all = house.get_as(ADMIN, "/api/accounts").json();
    assert_eq!(all["consumer-2"]["balance"], 500.0);
    assert_eq!(all["platform-treasury"]["role"], "consumer");
    assert!(all.get("_outside").is_none());
    let page = house.get_as(ADMIN, "/api/accounts?limit=1&offset=1").json();
    assert_eq!(page.as_object().unwrap().keys().collect::<Vec<_>>(), ["consumer-1"]);
}

#[test]
fn the_same_key_and_request_move_money_once() {
    let house = House::open();
    let deposit = |key: &str, amount: u32| {
        let body = json!({ "amount": amount }).to_string();
        house.send("POST", DEPOSIT, &[("Idempotency-Key", key)], &body)
    };
    let first = deposit("k-1", 5);
    let second = deposit("k-1", 5);
    assert_eq!((first.status, &first.text), (second.status, &second.text));
    assert_eq!(
        (first.header("Idempotency-Replayed"), second.header("Idempotency-Replayed")),
        (None, Some("true"))
    );
    assert_eq!(house.get(BALANCE).json()["balance"], 1005.0);
    assert_eq!(deposit("k-1", 6).status, 422);
    assert_eq!(deposit("", 6).status, 400);
    assert_eq!(deposit("k-2", 0).status, 400, "a refusal is not kept");
    assert_eq!(deposit("k-2", 6).status, 200);
    let own = house.consumer_key();
    let body = json!({ "amount": 5 }).to_string();
    let other = house.send("POST", DEPOSIT, &[("Idempotency-Key", "k-1"), ("X-API-Key", &own)], &body);
    assert_eq!(other.header("Idempotency-Replayed"), None, "keys are the caller's own");

    house.clock.advance(crate::market::accounts::IDEMPOTENCY_LIFETIME);
    assert_eq!(deposit("k-1", 5).header("Idempotency-Replayed"), None, "a day later it is another request");
    let now = house.clock.now();
    let forgotten = house.store.write::<_, crate::market::Refusal, _>(move |scope| {
        Ok::<_, crate::market::Refusal>(crate::store::idempotency::forget(
            scope,
            now.minus(crate::market::accounts::IDEMPOTENCY_LIFETIME),
        )?)
    });
    assert_eq!(forgotten.unwrap(), 2);
}

#[test]
fn a_request_that_comes_many_times_at_once_moves_money_once() {
    let house = House::open();
    let body = json!({ "amount": 3 }).to_string();
    let answers: Vec<String> = std::thread::scope(|threads| {
        let ask = || house.send("POST", DEPOSIT, &[("Idempotency-Key", "storm")], &body).text;
        let running: Vec<_> = (0..16).map(|_| threads.spawn(ask)).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(answers.iter().all(|answer| answer == r#"{"account_id":"consumer-1","balance":1003.0}"#));
    assert_eq!(house.get(BALANCE).json()["balance"], 1003.0);
}

#[test]
fn settlements_are_listed_newest_first() {
    let house = House::open();
    house.worker("rig-1", None);
    let lease = house.rent("rig-1", 600);
    house.clock.advance(std::time::Duration::from_secs(60));
    assert_eq!(house.post("/api/stop", &json!({ "lease_id": lease })).status, 200);
    let list = house.get_as(ADMIN, "/api/settlements").json();
    assert_eq!((&list["total"], &list["limit"], &list["offset"]), (&json!(1), &json!(50), &json!(0)));
    let item = &list["items"][0];
    assert_eq!(
        (&item["total_cost"], &item["provider_payment"], &item["platform_fee"]),
        (&json!(0.6), &json!(0.57), &json!(0.03))
    );
    assert_eq!(item["duration_sec"], 60.0);
    assert_eq!(house.get_as(ADMIN, "/api/settlements?limit=-1").status, 422);
}

#[test]
fn money_finer_than_a_millionth_does_not_move() {
    let house = House::open();
    let key = house.consumer_key();
    for path in [WITHDRAW, "/api/accounts/consumer-1/deposit"] {
        for amount in [0.000_000_6, 1.000_000_6, 999.999_999_9] {
            let refused = house.post_as(&key, path, &json!({ "amount": amount }));
            assert_eq!(
                (refused.status, refused.detail().as_str()),
                (400, "amount must have at most 6 decimals")
            );
        }
    }
    let sum = house.post_as(&key, WITHDRAW, &json!({ "amount": 0.1 + 0.2 })).json();
    assert_eq!((&sum["withdrawn"], &sum["balance"]), (&json!(0.3), &json!(999.7)));
}

#[test]
fn an_export_has_10000_rows_and_goes_on_from_its_last() {
    let house = House::open();
    let key = house.consumer_key();
    let sql = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 10004)
               INSERT INTO transactions (movement, account_id, type, amount, balance_after, note, created_at)
                   SELECT 1000 + n, 'consumer-1', 'deposit', 1, n, 'row ' || n, n FROM numbers";
    house.store.write::<_, Refusal, _>(|scope| Ok(scope.execute_batch(sql)?)).unwrap();
    let export = |more: &str| house.get_as(&key, &format!("{LEDGER}?format=csv{more}"));
    let first = export("").text;
    let lines: Vec<&str> = first.lines().collect();
    assert_eq!(lines.len(), 1 + 10_000);
    let (id, _) = lines[10_000].split_once(',').unwrap();
    let rest = export(&format!("&before={id}")).text;
    let opening = 1;
    assert_eq!(rest.lines().count(), 1 + 4 + opening, "{rest}");
    assert!(rest.lines().skip(1).all(|line| !lines.contains(&line)), "no row twice");
    assert_eq!(export("&limit=10001").status, 422);
    assert_eq!(house.get_as(&key, &format!("{LEDGER}?limit=1001")).status, 422, "a page is shorter");
}
