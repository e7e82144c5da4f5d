//! A thousand workers, fifty thousand blocks and five thousand leases: no page reads a table.

use std::collections::BTreeSet;
use std::ffi::CStr;

use rusqlite::{Connection, ffi};
use serde_json::json;

use super::house::{ADMIN, House};
use crate::market::Refusal;
use crate::store::workers;

/// Tables of which a page may read its rows, never all of them.
const LARGE: [&str; 9] = [
    "accounts",
    "transactions",
    "leases",
    "settlements",
    "blocks",
    "hashrate_snapshots",
    "wallet_snapshots",
    "chain_blocks",
    "idempotency",
];

const WALLET: &str = "0x00000000000000000000000000000000000000a1";

const PAGES: [&str; 40] = [
    "/api/workers",
    "/api/workers?limit=20&offset=100",
    "/api/workers/rig-500",
    "/api/workers/rig-500/pricing",
    "/api/workers/rig-500/pricing/suggest",
    "/api/workers/rig-500/reputation",
    "/api/marketplace",
    "/api/marketplace?page=3&sort_by=hashrate_desc&gpu_type=4090",
    "/api/marketplace?sort_by=reputation&available_only=false&search=rig-9",
    "/api/marketplace/estimate?duration_sec=3600",
    "/api/marketplace/estimate?duration_sec=3600&worker_id=rig-900",
    "/api/overview/stats",
    "/api/overview/activity",
    "/api/overview/activity?page=3&limit=200",
    "/api/overview/network",
    "/api/monitoring/stats",
    "/api/monitoring/fleet",
    "/api/monitoring/fleet?page=40&sort=asc&status=online",
    "/api/monitoring/blocks/recent",
    "/api/monitoring/blocks/recent?limit=200",
    "/api/monitoring/hashrate-history?hours=1",
    "/api/monitoring/hashrate-history?hours=6",
    "/api/monitoring/hashrate-history?hours=1&worker_id=rig-7",
    "/api/monitoring/hashrate-history?hours=1&resolution=60",
    "/api/provider/dashboard?provider_id=rig-7",
    "/api/provider/earnings?provider_id=rig-7",
    "/api/provider/workers?provider_id=rig-7",
    "/api/provider/dashboard?provider_id=0x00000000000000000000000000000000000000a1",
    "/api/provider/earnings?provider_id=0x00000000000000000000000000000000000000a1",
    "/api/provider/workers?provider_id=0x00000000000000000000000000000000000000a1&page=2",
    "/api/provider/dashboard?provider_id=consumer-1",
    "/api/renter/stats",
    "/api/renter/leases",
    "/api/renter/leases?state=completed&limit=50&offset=100",
    "/api/renter/leases?limit=50&offset=4000",
    "/api/wallet/stats",
    "/api/wallet/share",
    "/api/wallet/achievements",
    "/api/wallet/history?period=7d",
    "/api/wallet/history?period=30d",
];

fn large_house() -> House {
    let house = House::open();
    let now = house.clock.now().micros();
    let numbers = |n: u32| {
        format!("WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {n})")
    };
    let sql = format!(
        "{thousand} INSERT INTO accounts (account_id, role, origin, created_at)
             SELECT 'rig-' || n, 'provider', 'worker', {now} FROM numbers;
         {thousand} INSERT INTO workers (worker_id, eth_address, gpu_count, total_memory_gb, gpus, gpu_names, version,
                                         state, price_per_min, registered_at, last_heartbeat, hashrate)
             SELECT 'rig-' || n, printf('0x%040x', 160 + n % 100), 1 + n % 2, 24.0,
                    json_array(json_object('index', 0, 'name', iif(n % 3, 'NVIDIA GeForce RTX 4090', 'NVIDIA A100'),
                                           'memory_gb', 24.0)),
                    '', 'test', 'AVAILABLE', 100000 + n * 7919 % 1000 * 1000, {now} - n * 1000000000, {now}, n * 17 % 1000
             FROM numbers;
         {five_thousand} INSERT INTO leases (lease_id, worker_id, consumer_id, consumer_address, prefix, price_per_min,
                                             duration_sec, hold, state, created_at, ends_at, ended_at, settled)
             SELECT 'lease-' || n, 'rig-' || (1 + n % 1000), 'consumer-1', '{WALLET}', printf('%016x', n), 600000, 60,
                    0, 'completed', {now} - n * 10000000, {now} - n * 10000000 + 60000000,
                    {now} - n * 10000000 + 60000000, 1
             FROM numbers;
         {five_thousand} INSERT INTO settlements (lease_id, consumer_id, worker_id, provider_id, billed, blocks_found,
                                                  total_cost, provider_payment, platform_fee, settled_at)
             SELECT 'lease-' || n, 'consumer-1', 'rig-' || (1 + n % 1000), 'rig-' || (1 + n % 1000), 60000000, 0,
                    600000, 570000, 30000, {now} FROM numbers;
         {fifty_thousand} INSERT INTO blocks (lease_id, worker_id, hash, key, account, attempts, hashrate, prefix_valid,
                                              chain_verified, created_at)
             SELECT iif(n % 2, 'lease-' || (1 + n % 5000), NULL), 'rig-' || (1 + n % 1000), 'XEN11', printf('%064x', n),
                    '{WALLET}', 1, '1.00', 1, 1, {now} - (50000 - n) * 1000000 FROM numbers;
         {hour} INSERT INTO hashrate_snapshots
             SELECT w.worker_id, {now} - n * 30000000, w.hashrate, 1 FROM numbers, workers w;
         UPDATE counters SET value = 50000 WHERE name = 'blocks'",
        thousand = numbers(1000),
        five_thousand = numbers(5000),
        fifty_thousand = numbers(50_000),
        hour = numbers(120),
    );
    house.store.write::<_, Refusal, _>(move |scope| Ok(scope.execute_batch(&sql)?)).unwrap();
    let all = house.store.read::<_, Refusal, _>(|connection| Ok(workers::all(connection)?)).unwrap();
    house.fleet.load(&all, house.clock.now());
    house
}

/// What is prepared on a connection.
fn statements(connection: &Connection) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    // SAFETY: the connection is borrowed for as long as its handle and the statements are used, no
    // other thread has it, and SQLite keeps a statement's text for as long as the statement.
    unsafe {
        let mut statement = ffi::sqlite3_next_stmt(connection.handle(), std::ptr::null_mut());
        while !statement.is_null() {
            let text = CStr::from_ptr(ffi::sqlite3_sql(statement));
            found.insert(text.to_str().unwrap().to_owned());
            statement = ffi::sqlite3_next_stmt(connection.handle(), statement);
        }
    }
    found
}

fn plan(connection: &Connection, sql: &str) -> Vec<String> {
    let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    explain.raw_query().mapped(|row| row.get(3)).map(Result::unwrap).collect()
}

/// Reads a large table as a whole: walks through it without an index, and not just to the first rows
/// of its own order.
fn is_scan(step: &str, sql: &str, steps: &[String]) -> bool {
    let table = step.strip_prefix("SCAN ").and_then(|rest| rest.split(' ').next()).unwrap_or_default();
    let by_index = step.contains(" USING ");
    let cut_short = sql.contains("LIMIT") && !steps.iter().any(|step| step.contains("TEMP B-TREE"));
    LARGE.contains(&table) && !by_index && !cut_short
}

#[test]
fn fault_50_no_page_reads_a_table() {
    let house = large_house();
    let renter = house.consumer_key();
    let token = wallet_token(&house);
    for _ in 0..10 {
        for page in PAGES {
            let credential = match page {
                page if page.starts_with("/api/wallet") => Some(("Authorization", token.as_str())),
                page if page.starts_with("/api/renter") => Some(("X-API-Key", renter.as_str())),
                _ => None,
            };
            let headers: Vec<(&str, &str)> = credential.into_iter().collect();
            let got = house.send("GET", page, &headers, "");
            assert_eq!(got.status, 200, "{page}: {got:?}");
            assert!(got.text.len() < 2_000_000, "{page}: {} bytes", got.text.len());
        }
        // A commit makes everything shared old.
        house.store.write::<_, Refusal, _>(|_| Ok(())).unwrap();
    }
    let bad = "SELECT * FROM leases WHERE duration_sec = 1";
    let steps = house.store.read::<_, Refusal, _>(|connection| Ok(plan(connection, bad))).unwrap();
    assert!(is_scan(&steps[0], bad, &steps), "{steps:?}");
    let mut checked = 0;
    let mut seen = BTreeSet::new();
    // Connections are lent in turn.
    for _ in 0..crate::base::limits::STORE_READERS {
        house
            .store
            .read::<_, Refusal, _>(|connection| {
                for sql in statements(connection).into_iter().filter(|sql| sql.starts_with("SELECT")) {
                    if !seen.insert(sql.clone()) {
                        continue;
                    }
                    let steps = plan(connection, &sql);
                    let scans: Vec<&String> =
                        steps.iter().filter(|step| is_scan(step, &sql, &steps)).collect();
                    assert!(scans.is_empty(), "{sql}\n{steps:#?}");
                    checked += 1;
                }
                Ok(())
            })
            .unwrap();
    }
    assert!(checked > 25, "only {checked} statements were seen");
}

/// A token of the wallet that owns ten of the workers, without its key: the sign-in of another
/// wallet whose address takes the workers over.
fn wallet_token(house: &House) -> String {
    let wallet = crate::auth::eth::Wallet::random();
    let address = wallet.address().lower();
    let sql = format!("UPDATE workers SET eth_address = '{address}' WHERE worker_seq % 100 = 0");
    house.store.write::<_, Refusal, _>(move |scope| Ok(scope.execute_batch(&sql)?)).unwrap();
    format!("Bearer {}", house.sign_in(&wallet))
}

#[test]
fn many_samples_are_thinned_and_whole_moments_stay() {
    let house = large_house();
    let rows = house.get("/api/monitoring/hashrate-history?hours=1").json();
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), 10_000);
    let mut moments: Vec<f64> = rows.iter().map(|row| row["timestamp"].as_f64().unwrap()).collect();
    assert!(moments.is_sorted());
    moments.dedup();
    assert_eq!(moments.len(), 10, "{moments:?}");
    let totals = house.get("/api/monitoring/hashrate-history?hours=1&resolution=60").json();
    let totals = totals.as_array().unwrap();
    assert!(totals.len() >= 60);
    assert_eq!(totals[3]["workers"], json!(1000));
    assert_eq!(house.get_as(ADMIN, "/api/workers").json().as_array().unwrap().len(), 1000);
}
