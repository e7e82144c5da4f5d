//! Prototype databases as each version made them.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::market::import::{Config, ImportError, Imported, run};
use crate::market::testbed::{START as NOW, address, key};

const HOUR: f64 = 3600.0;

/// What the columns of a version are.
fn schema(version: i64) -> String {
    let since =
        |first: i64, columns: &str| if version >= first { format!(", {columns}") } else { String::new() };
    let mut sql = format!(
        "CREATE TABLE schema_version (version INTEGER);
         INSERT INTO schema_version VALUES ({version});
         CREATE TABLE accounts (account_id TEXT PRIMARY KEY, role TEXT, eth_address TEXT, balance REAL{});
         CREATE TABLE workers (worker_id TEXT PRIMARY KEY, eth_address TEXT, gpu_count INTEGER,
            total_memory_gb REAL, gpus TEXT, version TEXT, state TEXT, hashrate REAL, active_gpus INTEGER,
            last_heartbeat REAL{}{});
         CREATE TABLE leases (lease_id TEXT PRIMARY KEY, worker_id TEXT, consumer_id TEXT, consumer_address TEXT,
            prefix TEXT, duration_sec INTEGER, state TEXT, created_at REAL, ended_at REAL, blocks_found INTEGER{}{});
         CREATE TABLE blocks (id INTEGER PRIMARY KEY, lease_id TEXT, worker_id TEXT, {} TEXT, key TEXT,
            account TEXT, attempts INTEGER, hashrate TEXT, {} REAL{});
         CREATE TABLE settlements (lease_id TEXT, consumer_id TEXT, worker_id TEXT, duration_sec REAL,
            blocks_found INTEGER, total_cost REAL, provider_payment REAL, platform_fee REAL{});",
        since(6, "api_key TEXT"),
        since(3, "price_per_min REAL, min_duration_sec INTEGER, max_duration_sec INTEGER"),
        since(8, "registered_at REAL, total_online_sec REAL, last_online_at REAL, self_blocks_found INTEGER"),
        since(2, "avg_hashrate REAL"),
        since(3, "price_per_sec REAL"),
        if version >= 7 { "block_hash" } else { "hash" },
        if version >= 7 { "created_at" } else { "timestamp" },
        since(4, "prefix_valid INTEGER, chain_verified INTEGER, chain_block_id INTEGER"),
        since(5, "settled_at REAL"),
    );
    if version >= 5 {
        sql += "CREATE TABLE transactions (id INTEGER PRIMARY KEY, account_id TEXT, type TEXT, amount REAL);
                INSERT INTO transactions (account_id, type, amount) VALUES ('renter', 'deposit', 1000.0);";
    }
    if version >= 9 {
        sql += "CREATE TABLE hashrate_snapshots (id INTEGER PRIMARY KEY, worker_id TEXT, hashrate REAL,
                    active_gpus INTEGER, timestamp REAL);
                CREATE TABLE wallet_snapshots (id INTEGER PRIMARY KEY, eth_address TEXT, hashrate REAL,
                    online_workers INTEGER, total_workers INTEGER, blocks INTEGER, cumulative_blocks INTEGER,
                    earnings REAL, timestamp REAL);";
    }
    sql
}

pub(super) struct Prototype {
    connection: Connection,
    pub(super) path: PathBuf,
}

impl Prototype {
    pub(super) fn new(folder: &Path, version: i64) -> Self {
        let path = folder.join(format!("prototype-{version}.db"));
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch(&schema(version)).unwrap();
        let prototype = Prototype { connection, path };
        for (id, role, number, balance) in [
            ("renter", "consumer", 10, 899.990_000_000_000_2),
            ("broke", "consumer", 11, 0.25),
            ("rig-1", "provider", 1, 95.0095),
            ("rig-2", "provider", 2, 0.0),
            ("platform-treasury", "consumer", 12, 5.000_5),
        ] {
            prototype.account(id, role, address(number).as_str(), balance);
        }
        prototype.worker("rig-1", address(1).as_str(), "AVAILABLE");
        prototype.worker("rig-2", "", "LEASED");
        prototype.worker("rig-3", "", "SELF_MINING");
        prototype
    }

    pub(super) fn sql(&self, sql: &str) {
        self.connection.execute_batch(sql).unwrap();
    }

    pub(super) fn account(&self, id: &str, role: &str, address: &str, balance: f64) {
        self.connection
            .execute(
                "INSERT INTO accounts (account_id, role, eth_address, balance) VALUES (?1, ?2, ?3, ?4)",
                (id, role, address, balance),
            )
            .unwrap();
    }

    pub(super) fn worker(&self, id: &str, address: &str, state: &str) {
        let gpus = r#"[{"index": 0, "name": "NVIDIA H100", "memory_gb": 80, "bus_id": 1}]"#;
        self.connection
            .execute(
                "INSERT INTO workers (worker_id, eth_address, gpu_count, total_memory_gb, gpus, version, state,
                    hashrate, active_gpus, last_heartbeat) VALUES (?1, ?2, 1, 80.0, ?3, '2.0.0', ?4, 300.5, 1, ?5)",
                (id, address, gpus, state, NOW.seconds() - 20.0),
            )
            .unwrap();
    }

    /// A lease that began so many hours ago.
    pub(super) fn lease(
        &self,
        id: &str,
        (worker, consumer): (&str, &str),
        state: &str,
        hours_ago: f64,
        duration_sec: i64,
    ) {
        let created = NOW.seconds() - hours_ago * HOUR;
        let ended = (state != "active").then_some(created + duration_sec as f64 + 3.7);
        self.connection
            .execute(
                "INSERT INTO leases (lease_id, worker_id, consumer_id, consumer_address, prefix, duration_sec, state,
                    created_at, ended_at, blocks_found) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 7)",
                (id, worker, consumer, address(10).as_str(), prefix(id), duration_sec, state, created, ended),
            )
            .unwrap();
    }

    pub(super) fn settle(&self, lease: &str, worker: &str, cost: f64) {
        self.connection
            .execute(
                "INSERT INTO settlements (lease_id, consumer_id, worker_id, duration_sec, blocks_found, total_cost,
                    provider_payment, platform_fee) VALUES (?1, 'renter', ?2, 3603.7, 7, ?3, ?4, ?5)",
                (lease, worker, cost, cost * 0.95, cost * 0.05),
            )
            .unwrap();
    }

    pub(super) fn block(&self, lease: &str, worker: &str, key: &str) {
        let version: i64 =
            self.connection.query_row("SELECT version FROM schema_version", [], |row| row.get(0)).unwrap();
        let (hash, time) = if version >= 7 { ("block_hash", "created_at") } else { ("hash", "timestamp") };
        self.connection
            .execute(
                &format!(
                    "INSERT INTO blocks (lease_id, worker_id, {hash}, key, account, attempts, hashrate, {time})
                     VALUES (?1, ?2, '00XEN11', ?3, ?4, 5, '300.00', ?5)"
                ),
                (lease, worker, key, address(10).as_str(), NOW.seconds() - 60.0),
            )
            .unwrap();
        if version >= 4 {
            self.sql("UPDATE blocks SET prefix_valid = 1, chain_verified = 1, chain_block_id = id");
        }
    }

    /// A settled lease, one that was never settled, one that goes on, blocks.
    pub(super) fn history(&self) {
        self.lease("lease-settled", ("rig-1", "renter"), "completed", 5.0, 3600);
        self.settle("lease-settled", "rig-1", 100.010_000_000_000_02);
        self.lease("lease-forgotten", ("rig-1", "renter"), "completed", 3.0, 600);
        self.lease("lease-cancelled", ("rig-1", "renter"), "cancelled", 2.0, 600);
        self.lease("lease-active", ("rig-2", "renter"), "active", 0.5, 7200);
        self.block("lease-settled", "rig-1", key(&prefix("lease-settled"), 1).as_str());
        self.block("", "rig-1", key("ab", 2).as_str());
    }

    pub(super) fn import(&self) -> (Result<Imported, ImportError>, Vec<String>, PathBuf) {
        let path = self.path.with_extension("new.db");
        let mut lines = Vec::new();
        let config = Config { from: self.path.clone(), path: path.clone(), now: NOW };
        let result = run(&config, &mut |line| lines.push(line.to_owned()));
        (result, lines, path)
    }
}

/// A prefix for each lease's name.
pub(super) fn prefix(lease: &str) -> String {
    hex::encode(lease.as_bytes().iter().rev().take(8).copied().collect::<Vec<_>>())
}
