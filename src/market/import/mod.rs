//! `xenblocks import`: a prototype's database (schema versions 1 to 11) becomes a new one of ours.
//!
//! Promises: all or nothing; the new database passes the audit; every balance is the old one rounded
//! to millionths; what cannot be taken over is told, a line each, and nothing is dropped in silence.
//! Columns are looked up, never assumed, for older versions lack some.

mod history;
mod people;
mod rentals;
mod settlements;
mod source;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::PathBuf;

use thiserror::Error;

use self::source::Source;
use super::{Event, Refusal, Scope, ledger};
use crate::auth::AuthError;
use crate::base::{AccountId, Amount, Timestamp};
use crate::store::{Database, StoreError};

/// The newest schema version of the prototype.
pub const PROTOTYPE_VERSION_MAX: i64 = 11;

/// What `import` is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// The prototype's database; it is only read.
    pub from: PathBuf,
    /// The database to make; it must be new.
    pub path: PathBuf,
    /// The moment of the import.
    pub now: Timestamp,
}

/// How much came over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// The old schema's version.
    pub version: i64,
    /// Accounts, the platform's own not counted.
    pub accounts: u64,
    /// API keys that go on working.
    pub keys: u64,
    /// Workers.
    pub workers: u64,
    /// Leases.
    pub leases: u64,
    /// Of them, those that go on.
    pub active: u64,
    /// Settlements.
    pub settlements: u64,
    /// Blocks.
    pub blocks: u64,
    /// Rows of the hashrate chart.
    pub hashrates: u64,
    /// Rows of the wallets' charts.
    pub wallets: u64,
    /// Rows that were left out, each told.
    pub left_out: u64,
}

/// Why nothing was imported.
#[derive(Debug, Error)]
pub enum ImportError {
    /// The old file cannot be read.
    #[error("cannot read {path}: {problem}")]
    Source {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        problem: String,
    },
    /// It is no prototype's.
    #[error("{0} is no database of the prototype (it has no schema_version, accounts and workers)")]
    NotAPrototype(PathBuf),
    /// It is ours already.
    #[error("{0} is a XenBlocks Platform database: put it in place with `xenblocks restore {0}`")]
    Ours(PathBuf),
    /// It is of a version that nobody has seen.
    #[error("{path} has schema version {found}; versions 1 to 11 can be imported")]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
    },
    /// The new database has something in it.
    #[error("{0} is not empty: import makes a new database; choose another --db-path")]
    NotEmpty(PathBuf),
    /// The new database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A rule refused what was imported: a fault of the import.
    #[error("the market refused what was imported: {0}")]
    Refused(#[from] Refusal),
    /// A key could not be kept.
    #[error(transparent)]
    Auth(#[from] AuthError),
}

impl From<rusqlite::Error> for ImportError {
    fn from(error: rusqlite::Error) -> Self {
        StoreError::from(error).into()
    }
}

/// Imports, telling `tell` line by line what was changed or left out.
pub fn run(config: &Config, tell: &mut dyn FnMut(&str)) -> Result<Imported, ImportError> {
    let source = Source::open(&config.from)?;
    let is_new = !config.path.exists();
    let mut database = Database::open(&config.path)?;
    let empty = "SELECT NOT (EXISTS (SELECT 1 FROM accounts) OR EXISTS (SELECT 1 FROM workers)
                             OR EXISTS (SELECT 1 FROM blocks) OR EXISTS (SELECT 1 FROM chain_blocks))";
    if !database.connection().query_row(empty, [], |row| row.get::<_, bool>(0))? {
        return Err(ImportError::NotEmpty(config.path.clone()));
    }
    let imported = database.write_alone::<Event, _, _, _>(|scope| {
        let mut import = Import {
            source: &source,
            now: config.now,
            tell,
            done: Imported { version: source.version, ..Imported::default() },
            balances: HashMap::new(),
        };
        import.all(scope)?;
        Ok(import.done)
    });
    if imported.is_err() && is_new {
        database.discard();
    }
    imported
}

struct Import<'a> {
    source: &'a Source,
    now: Timestamp,
    tell: &'a mut dyn FnMut(&str),
    done: Imported,
    /// What each account must have in the end.
    balances: HashMap<AccountId, Amount>,
}

impl Import<'_> {
    fn all(&mut self, scope: &mut Scope<'_>) -> Result<(), ImportError> {
        ledger::open_books(scope, self.now)?;
        self.accounts(scope)?;
        self.workers(scope)?;
        let active = self.leases(scope)?;
        self.blocks(scope)?;
        self.settlements(scope)?;
        self.post_ledger(scope)?;
        self.go_on(scope, active)?;
        recount(scope)?;
        self.hashrates(scope)?;
        self.wallets(scope)?;
        self.tell_the_rest()
    }

    /// Tells something that is not lost.
    fn note(&mut self, line: impl AsRef<str>) {
        (self.tell)(line.as_ref());
    }

    /// Tells a row that is left out.
    fn leave_out(&mut self, line: impl AsRef<str>) {
        self.done.left_out += 1;
        (self.tell)(&format!("left out: {}", line.as_ref()));
    }

    fn tell_the_rest(&mut self) -> Result<(), ImportError> {
        let folded = self.source.count("transactions")?;
        if folded > 0 {
            self.note(format!(
                "{folded} rows of transactions: settlements are in the ledger again, deposits and withdrawals are \
                 in the opening balances"
            ));
        }
        for (table, rows) in self.source.unknown_tables()? {
            if rows > 0 {
                self.leave_out(format!(
                    "{rows} rows of the table {table}, which no prototype is known to have"
                ));
            }
        }
        Ok(())
    }
}

/// Brings the counts that are kept beside the rows in line with the rows.
fn recount(scope: &Scope<'_>) -> Result<(), ImportError> {
    scope.execute_batch(
        "UPDATE workers SET
            verified_blocks = (SELECT count(*) FROM blocks b WHERE b.worker_id = workers.worker_id
                               AND prefix_valid = 1 AND chain_verified = 1),
            self_blocks_found = (SELECT count(*) FROM blocks b WHERE b.worker_id = workers.worker_id
                                 AND prefix_valid = 1 AND chain_verified = 1 AND lease_id IS NULL),
            leases_total = (SELECT count(*) FROM leases l WHERE l.worker_id = workers.worker_id),
            leases_completed = (SELECT count(*) FROM leases l WHERE l.worker_id = workers.worker_id
                                AND l.state = 'completed');
         UPDATE counters SET value = CASE name
            WHEN 'blocks' THEN (SELECT count(*) FROM blocks)
            WHEN 'blocks_self_mined' THEN (SELECT count(*) FROM blocks WHERE lease_id IS NULL)
            WHEN 'leases' THEN (SELECT count(*) FROM leases)
            WHEN 'settlements' THEN (SELECT count(*) FROM settlements)
            WHEN 'settled' THEN (SELECT coalesce(sum(total_cost), 0) FROM settlements)
            WHEN 'fees' THEN (SELECT coalesce(sum(platform_fee), 0) FROM settlements)
            ELSE value END;",
    )?;
    Ok(())
}
