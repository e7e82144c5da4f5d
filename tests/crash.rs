//! Killed in the middle of work, again and again: what was acknowledged is there, the books are in
//! order, and what was not acknowledged can be asked for again without happening twice.
//!
//! `XENBLOCKS_CRASH_ROUNDS` sets the number of rounds, `XENBLOCKS_CRASH_SEED` repeats a run's draws.

mod support;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, RngExt, SeedableRng};
use rusqlite::{Connection, OptionalExtension};
use serde_json::{Value, json};
use support::api::{Api, Reply};
use support::house::{RENTER_ADDRESS, assert_books_in_order, millionths};
use support::rig::{OWNER, Rig, bare_hash, key_of};
use support::server::{Server, folder};

const ROUNDS: u64 = 100;
const BURST_MILLIS: std::ops::Range<u64> = 80..250;
const RIGS: usize = 3;
const DEPOSITORS: usize = 2;
/// Enough for every lease of the run.
const RENTERS_MONEY: i64 = 100_000;

/// What one client was told has happened, and what it asked last without an answer.
#[derive(Default)]
struct Told {
    /// Lease ids that `POST /api/rent` answered.
    rented: Vec<String>,
    /// Lease ids with the cost that `POST /api/stop` answered.
    stopped: Vec<(String, i64)>,
    /// Keys whose PUBACK came.
    blocks: Vec<String>,
    /// Keys that the chain took.
    on_chain: Vec<String>,
    /// Account, key of the request, and its amount in millionths.
    deposits: Vec<(String, String, i64)>,
    /// The same for a deposit whose answer never came.
    in_doubt: Option<(String, String, i64)>,
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let rounds: u64 = number("XENBLOCKS_CRASH_ROUNDS").unwrap_or(ROUNDS);
    let seed: u64 = number("XENBLOCKS_CRASH_SEED").unwrap_or_else(|| rand::rng().next_u64());
    println!("{rounds} rounds, XENBLOCKS_CRASH_SEED={seed}");
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let (_folder, db) = folder();
    let mut expected: HashMap<String, i64> = HashMap::new();
    let keys = AtomicU64::new(1);
    let mut totals = (0, 0, 0, 0);

    let mut server = Server::spawn(&db);
    open_accounts(&server.api, &mut expected);
    for _ in 0..rounds {
        let burst = Duration::from_millis(random.random_range(BURST_MILLIS));
        let seeds: Vec<u64> = (0..RIGS + DEPOSITORS).map(|_| random.next_u64()).collect();
        let told = kill_under_load(&mut server, burst, &seeds, &keys);
        server = Server::spawn(&db);
        check(&db, &server.api, &told, &mut expected);
        assert_books_in_order(&db);
        totals.0 += told.iter().map(|told| told.rented.len()).sum::<usize>();
        totals.1 += told.iter().map(|told| told.stopped.len()).sum::<usize>();
        totals.2 += told.iter().map(|told| told.blocks.len()).sum::<usize>();
        totals.3 += told.iter().map(|told| told.deposits.len()).sum::<usize>();
    }
    let (rented, stopped, blocks, deposits) = totals;
    println!("acknowledged: {rented} rents, {stopped} stops, {blocks} blocks, {deposits} deposits");
    let each = |count: usize| u64::try_from(count).unwrap() >= rounds;
    assert!(each(rented) && each(blocks) && each(deposits), "there was hardly any load");
    assert_eq!(server.stop("TERM").code(), Some(0));
    assert_books_in_order(&db);
}

fn open_accounts(api: &Api, expected: &mut HashMap<String, i64>) {
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

/// Lets all clients loose, kills the server after `burst`, and returns what each was told.
fn kill_under_load(server: &mut Server, burst: Duration, seeds: &[u64], keys: &AtomicU64) -> Vec<Told> {
    let (api, mqtt) = (server.api.clone(), server.mqtt);
    // Joined before the clock runs: a burst is work, not connecting.
    let rigs: Vec<Rig> = (0..RIGS).map(|number| Rig::join(mqtt, &format!("rig-{number}"))).collect();
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
        let started = Instant::now();
        support::await_until("the end of the burst", || started.elapsed() >= burst);
        server.kill();
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
            Some(reply) => {
                reply.ok();
                told.deposits.push(deposit);
            }
            None => {
                told.in_doubt = Some(deposit);
                return told;
            }
        }
    }
}

fn send_deposit(api: &Api, (account, key, amount): &(String, String, i64)) -> Option<Reply> {
    #[expect(clippy::cast_precision_loss, reason = "a few coins")]
    let body = json!({"amount": *amount as f64 / 1e6}).to_string();
    let path = format!("/api/accounts/{account}/deposit");
    api.with("Idempotency-Key", key.as_str()).try_send("POST", &path, Some(&body)).ok()
}

/// The body of a 200; `None` when the server is gone.
fn post(api: &Api, path: &str, body: &Value) -> Option<Value> {
    api.try_send("POST", path, Some(&body.to_string())).ok().map(Reply::ok)
}

/// All that was acknowledged is in the database; what is in doubt, asked for again, is there once.
fn check(db: &Path, api: &Api, told: &[Told], expected: &mut HashMap<String, i64>) {
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
