//! The load: rigs that take leases and find blocks, renters, depositors; what each was told, and whether
//! all of it is in the database.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::ScopedJoinHandle;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, RngExt, SeedableRng};
use rusqlite::{Connection, OptionalExtension};
use serde_json::{Value, json};

use crate::support::api::{Api, Reply};
use crate::support::house::{RENTER_ADDRESS, millionths};
use crate::support::rig::{OWNER, Rig, bare_hash, key_of};

pub const RIGS: usize = 3;
pub const DEPOSITORS: usize = 2;
/// Enough for every lease of the run.
const RENTERS_MONEY: i64 = 100_000;

/// What one client was told has happened, and what it asked last without an answer.
#[derive(Default)]
pub struct Told {
    /// Lease ids that `POST /api/rent` answered.
    pub rented: Vec<String>,
    /// Lease ids with the cost that `POST /api/stop` answered.
    pub stopped: Vec<(String, i64)>,
    /// Keys whose PUBACK came.
    pub blocks: Vec<String>,
    /// Keys that the chain took.
    pub on_chain: Vec<String>,
    /// Account, key of the request, and its amount in millionths.
    pub deposits: Vec<(String, String, i64)>,
    /// The same for a deposit whose answer never came.
    pub in_doubt: Option<(String, String, i64)>,
}

pub fn open_accounts(api: &Api, expected: &mut HashMap<String, i64>) {
    for number in 0..DEPOSITORS {
        let account = format!("depositor-{number}");
        api.post("/api/auth/register", &json!({"account_id": account, "role": "consumer"})).ok();
        expected.insert(account, 0);
    }
    for number in 0..RIGS {
        let body = json!({
            "account_id": format!("renter-{number}"), "role": "consumer",
            "eth_address": RENTER_ADDRESS, "balance": RENTERS_MONEY,
        });
        api.post("/api/auth/register", &body).ok();
    }
}

/// Lets all clients loose until `ending` has seen to the server's end; what each was told.
pub fn under_load(
    api: &Api,
    mqtt: SocketAddr,
    rigs: Vec<Rig>,
    seeds: &[u64],
    keys: &AtomicU64,
    ending: impl FnOnce(),
) -> Vec<Told> {
    std::thread::scope(|scope| {
        let mut clients: Vec<ScopedJoinHandle<Told>> = Vec::new();
        for (number, rig) in rigs.into_iter().enumerate() {
            let (api, random) = (api.clone(), Xoshiro256PlusPlus::seed_from_u64(seeds[number]));
            clients.push(scope.spawn(move || lease_after_lease(&api, mqtt, number, rig, random, keys)));
        }
        for number in 0..DEPOSITORS {
            let (api, random) = (api.clone(), Xoshiro256PlusPlus::seed_from_u64(seeds[RIGS + number]));
            clients.push(scope.spawn(move || deposit_after_deposit(&api, number, random)));
        }
        ending();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    })
}

/// Rents a worker, finds blocks with it and stops, until the server is gone.
fn lease_after_lease(
    api: &Api,
    mqtt: SocketAddr,
    number: usize,
    mut rig: Rig,
    mut random: Xoshiro256PlusPlus,
    keys: &AtomicU64,
) -> Told {
    let mut told = Told::default();
    let rent = json!({"consumer_id": format!("renter-{number}"), "worker_id": rig.id, "duration_sec": 60});
    // A lease that the last kill left active goes on: its worker was told so when it came back.
    let Ok(mut left_over) = active_lease(api, &rig.id) else { return told };
    loop {
        let lease = match left_over.take() {
            Some(lease) => {
                let task = rig.command("assign_task");
                assert_eq!((&task["lease_id"], &task["prefix"]), (&lease["lease_id"], &lease["prefix"]));
                lease
            }
            None => {
                let Some(lease) = post(api, "/api/rent", &rent) else { return told };
                told.rented.push(lease["lease_id"].as_str().unwrap().to_owned());
                lease
            }
        };
        let text = |name: &str| lease[name].as_str().unwrap().to_owned();
        let (lease_id, prefix) = (text("lease_id"), text("prefix"));
        for _ in 0..random.random_range(0..4) {
            let found = keys.fetch_add(1, Ordering::Relaxed);
            let (lease, key, account) = match random.random_range(0..3) {
                0 => ("", key_of("00", found), OWNER),
                _ => (lease_id.as_str(), key_of(&prefix, found), RENTER_ADDRESS),
            };
            if random.random_range(0..4) > 0 {
                let submission = json!({"hash_to_verify": bare_hash(), "key": key, "account": account});
                let Some(_) = post(api, "/verify", &submission) else { return told };
                told.on_chain.push(key.clone());
            }
            if !rig.try_say("block", &rig.block_of(lease, &key, account)) {
                return told;
            }
            told.blocks.push(key);
        }
        if random.random_range(0..10) == 0 {
            // A worker that drops out and comes back.
            let Some(again) = Rig::try_join(mqtt, &rig.id) else { return told };
            rig = again;
        }
        let Some(stopped) = post(api, "/api/stop", &json!({ "lease_id": lease_id })) else { return told };
        told.stopped.push((lease_id, millionths(&stopped["settlement"]["total_cost"])));
    }
}

/// The lease that a worker is in, if any.
fn active_lease(api: &Api, worker: &str) -> Result<Option<Value>, Gone> {
    let active = api.try_send("GET", "/api/leases?state=active", None).map_err(|_| Gone)?.ok();
    let leases = active["items"].as_array().unwrap();
    Ok(leases.iter().find(|lease| lease["worker_id"] == worker).cloned())
}

/// The server does not answer any more.
struct Gone;

/// Deposits odd amounts, each under a key of its own, until the server is gone.
fn deposit_after_deposit(api: &Api, number: usize, mut random: Xoshiro256PlusPlus) -> Told {
    let mut told = Told::default();
    let account = format!("depositor-{number}");
    loop {
        let deposit =
            (account.clone(), format!("{:032x}", random.next_u64()), random.random_range(1..5_000_000));
        match send_deposit(api, &deposit) {
            Some(reply) if reply.status == 200 => told.deposits.push(deposit),
            Some(Reply { status: 503, .. }) | None => {
                told.in_doubt = Some(deposit);
                return told;
            }
            Some(reply) => panic!("{}: {}", reply.status, reply.text),
        }
    }
}

fn send_deposit(api: &Api, (account, key, amount): &(String, String, i64)) -> Option<Reply> {
    #[expect(clippy::cast_precision_loss, reason = "a few coins")]
    let body = json!({"amount": *amount as f64 / 1e6}).to_string();
    let path = format!("/api/accounts/{account}/deposit");
    api.with("Idempotency-Key", key.as_str()).try_send("POST", &path, Some(&body)).ok()
}

/// The body of a 200; `None` when the server is gone or cannot store.
fn post(api: &Api, path: &str, body: &Value) -> Option<Value> {
    let reply = api.try_send("POST", path, Some(&body.to_string())).ok()?;
    (reply.status != 503).then(|| reply.ok())
}

/// All that was acknowledged is in the database; what is in doubt, asked for again, is there once.
pub fn check(db: &Path, api: &Api, told: &[Told], expected: &mut HashMap<String, i64>) {
    let rows = xenblocks::store::open_for_reading(db).unwrap();
    for told in told {
        for lease in &told.rented {
            assert!(is_there(&rows, "SELECT 1 FROM leases WHERE lease_id = ?1", lease), "rented {lease}");
        }
        for (lease, cost) in &told.stopped {
            let sql = "SELECT s.total_cost FROM settlements s JOIN leases l USING (lease_id)
                       WHERE lease_id = ?1 AND l.state = 'completed'";
            let stored: Option<i64> = rows.query_row(sql, [lease], |row| row.get(0)).optional().unwrap();
            let stored = stored.unwrap_or_else(|| panic!("{lease} was stopped and is not settled"));
            // The answer shows four decimals, the books have six.
            assert!((stored - cost).abs() <= 50, "{lease} was settled for {cost}, stored are {stored}");
        }
        for key in &told.blocks {
            assert!(is_there(&rows, "SELECT 1 FROM blocks WHERE key = ?1", key), "acknowledged {key}");
        }
        for key in &told.on_chain {
            assert!(is_there(&rows, "SELECT 1 FROM chain_blocks WHERE key = ?1", key), "on chain {key}");
        }
        for (account, _, amount) in &told.deposits {
            *expected.get_mut(account).unwrap() += amount;
        }
        if let Some(deposit) = &told.in_doubt {
            send_deposit(api, deposit).expect("the server is up").ok();
            *expected.get_mut(&deposit.0).unwrap() += deposit.2;
        }
    }
    for (account, balance) in expected {
        let shown = api.get(&format!("/api/accounts/{account}/balance")).ok();
        assert_eq!(millionths(&shown["balance"]), *balance, "{account}");
    }
}

fn is_there(rows: &Connection, sql: &str, id: &str) -> bool {
    rows.query_row(sql, [id], |_| Ok(())).optional().unwrap().is_some()
}
