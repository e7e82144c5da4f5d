//! Closed mode over HTTP: who gets what answer on every operation of the API's description. A new route
//! fails here until it has its row, and so does a row whose route is gone.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;

use serde_json::{Value, json};
use xenblocks::auth::administrator::TEST_KEY;
use xenblocks::auth::eth::Wallet;

use crate::support::api::{Api, Reply};
use crate::support::await_until;
use crate::support::house::House;
use crate::support::mqtt_client::Connect;
use crate::support::rig::{Rig, key_of};

/// The renter's account; what its lease mines for is `ADDRESS`, and neither is anybody else's business.
const RENTER: &str = "renata";
const ADDRESS: &str = "0xaabbccddee1234567890abcdef1234567890abcd";
const OTHER_ADDRESS: &str = "0x1111111111222222222233333333334444444444";

/// A line for each operation and way to ask: answers, operation, what is sent.
pub(crate) const MATRIX: &str = include_str!("access.txt");

/// The callers of the matrix' columns.
const COLUMNS: [&[&str]; 7] = [
    &["nobody"],
    &["wrong key", "test key", "expired token", "garbled token", "revoked key"],
    &["other renter"],
    &["other provider"],
    &["renter"],
    &["provider"],
    &["administrator"],
];

/// A closed house with a lease in it, and everybody who might ask.
pub(crate) struct Scene {
    pub(crate) house: House,
    rig: RefCell<Rig>,
    provider_id: String,
    wallet: Wallet,
    other_wallet: Wallet,
    renter: Api,
    other_renter: Api,
    expired: Api,
    revoked: Api,
    tokens: RefCell<[String; 2]>,
    /// The lease that is active, if one is, and what the answers must not show to strangers.
    lease: RefCell<Option<String>>,
    secrets: RefCell<Vec<String>>,
    asked: Cell<u32>,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let house = House::closed();
        let (wallet, other_wallet) = (Wallet::from_seed(b"provider"), Wallet::from_seed(b"another"));
        let expired = house.api.with_token(&sign_in(&house.api, &wallet));
        house.pass(86_401);
        let tokens = [sign_in(&house.api, &wallet), sign_in(&house.api, &other_wallet)];
        let provider = house.api.with_token(&tokens[0]);
        let provider_id = provider.get("/api/auth/me").ok()["account_id"].as_str().unwrap().to_owned();
        let token = provider.post("/api/workers/rig-1/tokens", &json!({})).ok();
        let login = Some(("rig-1", token["token"].as_str().unwrap()));
        let connect = Connect { login, ..Connect::new("xenminer_rig-1") };
        let mut rig = Rig::connect_with(house.mqtt(), "rig-1", &connect);
        rig.owner = wallet.address().to_string();
        rig.register();
        let [renter, other_renter] = [RENTER, "oscar"].map(|id| {
            let made = house.api.post("/api/auth/register", &json!({"account_id": id, "role": "consumer"}));
            house.admin().post(&format!("/api/accounts/{id}/deposit"), &json!({"amount": 1000})).ok();
            house.api.with_key(made.ok()["api_key"].as_str().unwrap())
        });
        let key = renter.post("/api/auth/keys", &json!({})).ok();
        renter.send("DELETE", &format!("/api/auth/keys/{}", key["key_id"]), None).ok();
        let revoked = house.api.with_key(key["api_key"].as_str().unwrap());
        let (lease, secrets) = (RefCell::default(), RefCell::new(vec![RENTER.into(), ADDRESS.into()]));
        let (rig, tokens, asked) = (RefCell::new(rig), RefCell::new(tokens), Cell::new(0));
        Scene {
            house,
            rig,
            provider_id,
            wallet,
            other_wallet,
            renter,
            other_renter,
            expired,
            revoked,
            tokens,
            lease,
            secrets,
            asked,
        }
    }

    fn caller(&self, name: &str) -> Api {
        let api = match name {
            "nobody" => self.house.api.clone(),
            "wrong key" => self.house.api.with_key("00112233445566778899aabbccddeeff"),
            "test key" => self.house.api.with_key(TEST_KEY),
            "garbled token" => self.house.api.with_token("a.b.c"),
            "expired token" => self.expired.clone(),
            "revoked key" => self.revoked.clone(),
            "other renter" => self.other_renter.clone(),
            "other provider" => self.house.api.with_token(&self.tokens.borrow()[1]),
            "renter" => self.renter.clone(),
            "provider" => self.house.api.with_token(&self.tokens.borrow()[0]),
            _ => self.house.admin(),
        };
        self.at_another_address(&api)
    }

    /// Each request from an address of its own, so that no limit of rates answers in our place.
    fn at_another_address(&self, api: &Api) -> Api {
        let asked = self.asked.replace(self.asked.get() + 1);
        api.with("X-Forwarded-For", format!("10.1.{}.{}", asked / 256, asked % 256))
    }

    /// The renter's lease on the provider's worker, with a block in it; made anew when it was stopped.
    fn lease(&self) -> String {
        if let Some(lease) = self.lease.borrow().clone() {
            let shown = self.caller("administrator").get(&format!("/api/leases/{lease}")).ok();
            if shown["state"] == "active" && shown["consumer_id"] == RENTER {
                return lease;
            }
        }
        self.without_lease();
        let body = json!({"consumer_id": RENTER, "consumer_address": ADDRESS, "worker_id": "rig-1",
            "duration_sec": 3600});
        let rented = self.caller("administrator").post("/api/rent", &body).ok();
        self.note(&rented);
        self.lease.borrow().clone().unwrap()
    }

    /// Keeps in mind what a lease's answer said, and has a block found for it.
    fn note(&self, rented: &serde_json::Value) {
        let text = |name: &str| rented[name].as_str().unwrap().to_owned();
        let (lease, prefix, address) = (text("lease_id"), text("prefix"), text("consumer_address"));
        let mut rig = self.rig.borrow_mut();
        rig.block(&lease, &key_of(&prefix, 1), &address);
        let mining = json!({"worker_id": "rig-1", "hashrate": 1000.0, "active_gpus": 1, "accepted_blocks": 1,
            "difficulty": 8, "uptime_sec": 1, "timestamp": 0.0, "address": address, "prefix": prefix,
            "block_pattern": ""});
        rig.say("heartbeat", &mining);
        await_until("the heartbeat", || {
            self.caller("administrator").get("/api/workers/rig-1").ok()["current_prefix"] == prefix
        });
        if rented["consumer_id"] == RENTER {
            self.secrets.borrow_mut().push(prefix);
        }
        *self.lease.borrow_mut() = Some(lease);
    }

    fn without_lease(&self) {
        if let Some(lease) = self.lease.take() {
            // It may be over already.
            self.caller("administrator").post("/api/stop", &json!({ "lease_id": lease }));
        }
    }

    /// What stands in braces, made for this one request: the owner's own, so that only it may.
    fn fill(&self, template: &str) -> String {
        let mut filled = template.replace("{account_id}", RENTER).replace("{worker_id}", "rig-1");
        filled = filled.replace("{provider}", &self.provider_id).replace("{address}", OTHER_ADDRESS);
        filled = filled
            .replace("{renters_address}", ADDRESS)
            .replace("{new}", &format!("new-{}", self.asked.get()));
        if filled.contains("{lease_id}") {
            filled = filled.replace("{lease_id}", &self.lease());
        }
        if filled.contains("{key_id}") {
            let body = json!({ "account_id": RENTER });
            let made = self.caller("administrator").post("/api/auth/keys", &body).ok();
            filled = filled.replace("{key_id}", &made["key_id"].to_string());
        }
        if filled.contains("{session_id}") {
            let listed = self.caller("provider").get("/api/auth/sessions").ok();
            filled = filled.replace("{session_id}", &listed["sessions"][0]["session_id"].to_string());
        }
        if filled.contains("{token_id}") {
            // Of another worker: revoking a token ends its worker's connection.
            filled = filled.replace("rig-1", "rig-9");
            filled = filled.replace("{token_id}", &self.token_to_revoke().to_string());
        }
        if filled.contains("{proof}") {
            filled = filled
                .replace("{proof}", &proof(&self.at_another_address(&self.house.api), &self.other_wallet));
        }
        filled
    }

    /// Of rig-9: the one that nobody was allowed to revoke yet, or else a new one.
    fn token_to_revoke(&self) -> Value {
        let provider = self.caller("provider");
        let live = || {
            let listed = provider.get("/api/workers/rig-9/tokens").ok();
            let mut tokens = listed["tokens"].as_array().unwrap().iter();
            tokens.find(|token| token["revoked_at"].is_null()).map(|token| token["token_id"].clone())
        };
        live().unwrap_or_else(|| {
            provider.post("/api/workers/rig-9/tokens", &json!({})).ok();
            live().unwrap()
        })
    }

    pub(crate) fn ask(&self, caller: &str, operation: &str, input: &str) -> Reply {
        let (method, path) = operation.split_once(' ').unwrap();
        if path.starts_with("/api/rent") && method == "POST" {
            self.without_lease();
        }
        let (path, input) = match input.strip_prefix('?') {
            Some(query) => (self.fill(&format!("{path}?{query}")), String::new()),
            None => (self.fill(path), self.fill(input)),
        };
        let body = (method == "POST" || method == "PUT").then_some(input.as_str());
        let reply = self.caller(caller).send(method, &path, body);
        if reply.status == 200 && operation.starts_with("POST /api/rent") && reply.body["prefix"].is_string()
        {
            self.note(&reply.body);
        }
        // The sessions may have ended just now.
        if path.contains("/auth/sessions") || path.ends_with("/logout") {
            let wallets = [&self.wallet, &self.other_wallet];
            *self.tokens.borrow_mut() =
                wallets.map(|wallet| sign_in(&self.at_another_address(&self.house.api), wallet));
        }
        reply
    }

    /// The status, and whether the answer says whose lease it is.
    fn cell(&self, caller: &str, operation: &str, input: &str) -> String {
        let reply = self.ask(caller, operation, input);
        let text = reply.text.to_lowercase();
        let tells = self.secrets.borrow().iter().any(|secret| text.contains(secret.as_str()));
        format!("{}{}", reply.status, if tells { "+" } else { "" })
    }

    fn row(&self, operation: &str, input: &str) -> String {
        let cells = COLUMNS.map(|callers| {
            let mut cells: Vec<_> =
                callers.iter().map(|caller| self.cell(caller, operation, input)).collect();
            cells.dedup();
            cells.join("|")
        });
        let [nobody, bad, other_renter, other_provider, renter, provider, administrator] = cells;
        format!("{nobody} {bad}  {other_renter} {other_provider}  {renter} {provider}  {administrator}")
    }
}

/// A body for `POST /api/auth/verify`.
fn proof(api: &Api, wallet: &Wallet) -> String {
    let challenge = api.get(&format!("/api/auth/nonce?address={}", wallet.address())).ok();
    let signature = wallet.sign(challenge["message"].as_str().unwrap());
    json!({"address": wallet.address().to_string(), "signature": signature, "nonce": challenge["nonce"]})
        .to_string()
}

/// A session's token.
fn sign_in(api: &Api, wallet: &Wallet) -> String {
    let answer = api.send("POST", "/api/auth/verify", Some(&proof(api, wallet))).ok();
    answer["token"].as_str().unwrap().to_owned()
}

/// The operations that the API describes.
fn operations(house: &House) -> Vec<String> {
    let document = house.api.get("/api/openapi.json").ok();
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let methods = methods.as_object().unwrap().keys();
        operations.extend(methods.map(|method| format!("{} {path}", method.to_uppercase())));
    }
    assert!(operations.len() > 70, "{} operations", operations.len());
    operations
}

/// Answers, operation, what is sent.
pub(crate) fn fields(line: &'static str) -> [&'static str; 3] {
    let mut fields = line.split(" | ").map(str::trim);
    [(); 3].map(|()| fields.next().unwrap_or_default())
}

#[test]
fn fault_04_every_route_answers_everybody_as_the_matrix_says() {
    let scene = Scene::new();
    let described = operations(&scene.house);
    let rows: Vec<_> =
        MATRIX.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(fields).collect();
    let mut wrong = String::new();
    for operation in &described {
        if !rows.iter().any(|[_, known, _]| known == operation) {
            writeln!(wrong, "has no row: {} | {operation}", scene.row(operation, "")).unwrap();
        }
    }
    for [expected, operation, input] in rows {
        if !described.iter().any(|known| known == operation) {
            writeln!(wrong, "{operation} is not described any more").unwrap();
            continue;
        }
        let found = scene.row(operation, input);
        if !found.split_whitespace().eq(expected.split_whitespace()) {
            writeln!(wrong, "{found} | {operation} | {input}, and not {expected}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}
