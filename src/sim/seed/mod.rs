//! `xenblocks seed`: a believable history in a new database, made by the market's own rules at past
//! moments, so that it passes the audit.

mod charts;
mod stage;
mod story;

use std::path::PathBuf;

use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use rusqlite::Connection;
use thiserror::Error;

use self::stage::Stage;
use self::story::Story;
use crate::base::Timestamp;
use crate::market::{Event, Refusal};
use crate::store::{Database, StoreError};

/// What `seed` is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// The database; it must be new, or as good as.
    pub path: PathBuf,
    /// Workers, 1 to 10,000.
    pub workers: u32,
    /// Wallets that own them, 1 to the number of workers.
    pub addresses: u32,
    /// Leases, at most 100,000.
    pub leases: u32,
    /// Blocks, at most 1,000,000: six of ten in leases, when there are any.
    pub blocks: u32,
    /// Draws the same history each time, but for the random ids and prefixes of leases.
    pub seed: u64,
    /// When the history ends; it begins thirty days before.
    pub now: Timestamp,
}

/// What was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seeded {
    /// Accounts of renters.
    pub renters: usize,
    /// Leases, the active ones too.
    pub leases: usize,
    /// Leases that are still active.
    pub active: usize,
    /// Blocks recorded, each on the simulated chain too.
    pub blocks: usize,
}

/// Why nothing was made.
#[derive(Debug, Error)]
pub enum SeedError {
    /// Numbers that make no history.
    #[error("{0}")]
    Config(&'static str),
    /// There is a history already.
    #[error("{0} is not empty: seed makes a history in a new database only; choose another --db-path")]
    NotEmpty(PathBuf),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A rule said no to what the story told: a fault of the story.
    #[error("the market refused a step of the history: {0}")]
    Refused(#[from] Refusal),
}

impl From<rusqlite::Error> for SeedError {
    fn from(error: rusqlite::Error) -> Self {
        StoreError::from(error).into()
    }
}

const WORKERS_MAX: u32 = super::WORKERS_MAX;
const LEASES_MAX: u32 = 100_000;
const BLOCKS_MAX: u32 = 1_000_000;

/// Makes the history, all of it or nothing.
pub fn run(config: &Config) -> Result<Seeded, SeedError> {
    if !(1..=WORKERS_MAX).contains(&config.workers) {
        return Err(SeedError::Config("the number of workers lies between 1 and 10000"));
    }
    if !(1..=config.workers).contains(&config.addresses) {
        return Err(SeedError::Config("the number of addresses lies between 1 and that of workers"));
    }
    if config.leases > LEASES_MAX || config.blocks > BLOCKS_MAX {
        return Err(SeedError::Config("at most 100000 leases and 1000000 blocks"));
    }
    let mut database = Database::open(&config.path)?;
    if !is_empty(database.connection())? {
        return Err(SeedError::NotEmpty(config.path.clone()));
    }
    let mut random = Xoshiro256PlusPlus::seed_from_u64(config.seed);
    let story = Story::draw(config, &mut random);
    database.write_alone::<Event, _, _, _>(|scope| {
        let seeded = Stage::new(scope, &story, &mut random)?.perform(scope)?;
        charts::draw(scope, &story, config.now, &mut random)?;
        Ok(seeded)
    })
}

fn is_empty(connection: &Connection) -> Result<bool, SeedError> {
    let sql = "SELECT NOT (EXISTS (SELECT 1 FROM accounts) OR EXISTS (SELECT 1 FROM workers)
                           OR EXISTS (SELECT 1 FROM blocks) OR EXISTS (SELECT 1 FROM chain_blocks))";
    Ok(connection.query_row(sql, [], |row| row.get(0))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::audit::audit;
    use crate::store::open_for_reading;

    fn config(path: PathBuf) -> Config {
        let now = Timestamp::from_micros(1_790_000_000_000_000);
        Config { path, workers: 40, addresses: 9, leases: 200, blocks: 1500, seed: 7, now }
    }

    fn number(connection: &Connection, sql: &str) -> i64 {
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn the_history_is_as_large_as_asked_believable_and_clean() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path().join("seed.db"));
        let seeded = run(&config).unwrap();
        assert_eq!((seeded.leases, seeded.blocks), (200, 1500));
        assert!(seeded.active > 0 && seeded.active < 40);
        let connection = open_for_reading(&config.path).unwrap();
        let report = audit(&connection).unwrap();
        assert_eq!(report.violations, Vec::<String>::new());
        assert!(report.unsettled.is_empty());
        assert_eq!((report.checked.workers, report.checked.leases, report.checked.blocks), (40, 200, 1500));
        assert_eq!(report.checked.chain_blocks, 1500);
        assert_eq!(report.checked.settlements, 200 - seeded.active as u64);
        let count = |sql| number(&connection, sql);
        assert_eq!(count("SELECT count(DISTINCT eth_address) FROM workers"), 9);
        assert!(count("SELECT count(DISTINCT price_per_min) FROM workers") > 10);
        assert!(count("SELECT count(*) FROM leases WHERE interrupted > 0") > 0);
        assert!(count("SELECT count(*) FROM leases WHERE ended_at < ends_at") > 10, "some are stopped");
        assert!(count("SELECT count(*) FROM blocks WHERE lease_id IS NULL") > 300);
        assert!(count("SELECT count(*) FROM blocks WHERE lease_id IS NOT NULL AND chain_verified = 1") > 500);
        assert!(count("SELECT count(*) FROM accounts WHERE origin = 'wallet' AND balance > 0") > 0);
        assert!(count("SELECT count(*) FROM hashrate_snapshots") > 10_000);
        assert!(count("SELECT sum(blocks) FROM wallet_snapshots WHERE resolution = 'day'") > 1000);
        let month = config.now.micros() - 30 * 86_400_000_000;
        assert!(count("SELECT min(created_at) FROM leases") >= month);
        assert!(count("SELECT max(created_at) FROM blocks") <= config.now.micros());
    }

    #[test]
    fn the_same_seed_makes_the_same_fleet_and_one_lease_or_none_is_enough() {
        let folder = tempfile::tempdir().unwrap();
        let fleet = |name: &str, leases, blocks| {
            let path = folder.path().join(name);
            run(&Config { leases, blocks, workers: 3, addresses: 2, ..config(path.clone()) }).unwrap();
            let connection = open_for_reading(&path).unwrap();
            assert_eq!(audit(&connection).unwrap().violations, Vec::<String>::new());
            let sql = "SELECT group_concat(worker_id || eth_address || gpus || price_per_min) FROM workers";
            connection.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap()
        };
        assert_eq!(fleet("one.db", 1, 0), fleet("two.db", 1, 0));
        fleet("three.db", 0, 20);
        fleet("four.db", 300, 0);
    }

    #[test]
    fn a_database_with_a_history_or_in_use_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path().join("seed.db"));
        let held = Database::open(&config.path).unwrap();
        assert!(matches!(run(&config), Err(SeedError::Store(StoreError::InUse(_)))));
        drop(held);
        run(&config).unwrap();
        let refused = run(&config).unwrap_err();
        assert!(matches!(refused, SeedError::NotEmpty(_)), "{refused}");
        assert!(!refused.to_string().contains('\n'));
        let none = Config { workers: 0, path: folder.path().join("none.db"), ..config };
        assert!(matches!(run(&none), Err(SeedError::Config(_))));
        assert!(!none.path.exists());
    }
}
