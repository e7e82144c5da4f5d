//! Opening, locking and migrating the database file.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::StoreError;
use super::files::{Lock, beside, check_file, create_private, take_lock};
use crate::base::crash;
use crate::base::limits::{STORE_CACHE_KIB, STORE_LOG_PAGES, STORE_WRITER_CACHE_KIB};

/// The numbered migrations, applied in order, each in a transaction of its own.
const MIGRATIONS: [&str; 14] = [
    include_str!("../../sql/001_ledger.sql"),
    include_str!("../../sql/002_market.sql"),
    include_str!("../../sql/003_chain.sql"),
    include_str!("../../sql/004_access.sql"),
    include_str!("../../sql/005_history.sql"),
    include_str!("../../sql/006_sessions.sql"),
    include_str!("../../sql/007_difficulty.sql"),
    include_str!("../../sql/008_keepers.sql"),
    include_str!("../../sql/009_own_leases.sql"),
    include_str!("../../sql/010_token_issuers.sql"),
    include_str!("../../sql/011_scopes.sql"),
    include_str!("../../sql/012_acts.sql"),
    include_str!("../../sql/013_own_leases_before.sql"),
    include_str!("../../sql/014_pauses.sql"),
];

/// The schema version that this program writes.
#[expect(clippy::cast_possible_wrap, reason = "a handful of migrations")]
pub const SCHEMA_VERSION: i64 = MIGRATIONS.len() as i64;

/// Marks a database as ours in its header: "XENB".
const APPLICATION_ID: i64 = 0x5845_4e42;

const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The writable connection together with the lock that makes it the only one.
pub struct Database {
    pub(super) connection: Connection,
    path: PathBuf,
    lock: Lock,
}

impl Database {
    /// Opens `path`, making it and its folder when missing, and brings the schema up to date.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let unreadable = |problem: String| StoreError::Unreadable { path: path.to_owned(), problem };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)
                .map_err(|error| unreadable(format!("no folder {}: {error}", folder.display())))?;
        }
        let lock = take_lock(path)?;
        if !path.exists() {
            create_private(path).map_err(|error| unreadable(error.to_string()))?;
        }
        check_file(path).map_err(unreadable)?;
        let mut connection = Connection::open(path).map_err(|error| unreadable(error.to_string()))?;
        check_origin(&connection, path)?;
        configure(&connection).map_err(|error| unreadable(error.to_string()))?;
        migrate(&mut connection, path)?;
        Ok(Database { connection, path: path.to_owned(), lock })
    }

    /// Removes it from the disk again, for commands that made it and failed.
    pub fn discard(self) {
        let Database { connection, path, lock } = self;
        drop(connection);
        for suffix in ["", "-wal", "-shm"] {
            // Err: it is not there, or stays for whoever looks next to an error that is told.
            let _ = fs::remove_file(beside(&path, suffix));
        }
        drop(lock);
    }

    /// The connection, for commands that work on the database alone.
    pub fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }
}

/// Opens an existing database of ours for reading, beside a server that may be running.
pub fn open_for_reading(path: &Path) -> Result<Connection, StoreError> {
    let unreadable =
        |error: rusqlite::Error| StoreError::Unreadable { path: path.to_owned(), problem: error.to_string() };
    check_file(path).map_err(|problem| StoreError::Unreadable { path: path.to_owned(), problem })?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(unreadable)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(unreadable)?;
    connection.pragma_update(None, "cache_size", -STORE_CACHE_KIB).map_err(unreadable)?;
    keep_plans(&connection).map_err(unreadable)?;
    if check_origin(&connection, path)? == 0 {
        return Err(StoreError::Unusable { path: path.to_owned(), problem: "it is empty".to_owned() });
    }
    Ok(connection)
}

/// The same, for what asks for tables and columns as they are now.
pub fn open_current(path: &Path) -> Result<Connection, StoreError> {
    let connection = open_for_reading(path)?;
    let found = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found < SCHEMA_VERSION {
        return Err(StoreError::TooOld { path: path.to_owned(), found, known: SCHEMA_VERSION });
    }
    Ok(connection)
}

/// Whether a file says in its header that it is a database of ours. Opening one, even to read, would
/// leave a log beside it.
pub fn is_ours(path: &Path) -> bool {
    const APPLICATION_ID_AT: usize = 68;
    let mut header = [0; APPLICATION_ID_AT + 4];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut header));
    read.is_ok() && header[APPLICATION_ID_AT..] == APPLICATION_ID.to_be_bytes()[4..]
}

/// Refuses what is not ours; answers its schema version, 0 for an empty file.
fn check_origin(connection: &Connection, path: &Path) -> Result<i64, StoreError> {
    let read = || -> rusqlite::Result<(i64, i64, i64)> {
        let tables = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        let origin = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let version = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        Ok((tables, origin, version))
    };
    let (tables, origin, found) = read()
        .map_err(|error| StoreError::Unreadable { path: path.to_owned(), problem: error.to_string() })?;
    if tables > 0 && origin != APPLICATION_ID {
        return Err(StoreError::Foreign(path.to_owned()));
    }
    if found > SCHEMA_VERSION {
        return Err(StoreError::TooNew { path: path.to_owned(), found, known: SCHEMA_VERSION });
    }
    Ok(found)
}

/// A statement is planned once. Without this, one that compares a parameter with the column of a partial
/// index is compiled again for each new value.
fn keep_plans(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    keep_plans(connection)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", STORE_LOG_PAGES)?;
    // What a savepoint keeps for a rollback would else go through a file.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cache_size", -STORE_WRITER_CACHE_KIB)?;
    connection.set_prepared_statement_cache_capacity(256);
    Ok(())
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    for (number, sql) in (1..).zip(MIGRATIONS).filter(|(number, _)| *number > version) {
        let apply = |transaction: &Connection| -> rusqlite::Result<()> {
            transaction.execute_batch(sql)?;
            transaction.execute("INSERT INTO schema_version (version) VALUES (?1)", [number])?;
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
            transaction.pragma_update(None, "user_version", number)
        };
        let transaction = connection.transaction()?;
        let applied = apply(&transaction);
        crash::point("migration");
        applied.and_then(|()| transaction.commit()).map_err(|error| StoreError::Unreadable {
            path: path.to_owned(),
            problem: format!("migration {number} failed: {error}"),
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::super::files::{holder, sign_lock};
    use super::*;

    #[test]
    fn a_fresh_database_is_ours_and_opens_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new").join("market.db");
        drop(Database::open(&path).unwrap());
        let again = Database::open(&path).unwrap();
        assert!(matches!(Database::open(&path), Err(StoreError::InUse(_))));
        assert_eq!(holder(&path).unwrap().as_deref(), Some(""));
        sign_lock(&path, "it is I").unwrap();
        assert_eq!(holder(&path).unwrap().as_deref(), Some("it is I"));
        drop(again);
        assert_eq!(holder(&path).unwrap(), None);
        fs::write(folder.path().join("new").join("market.db.lock"), "left by a crash").unwrap();
        assert_eq!(holder(&path).unwrap(), None);
        let after_a_crash = Database::open(&path).unwrap();
        assert_eq!(holder(&path).unwrap().as_deref(), Some(""), "that was another's");
        drop(after_a_crash);
        assert!(open_for_reading(&path).is_ok());
    }

    #[test]
    fn a_statement_is_planned_once_whatever_its_parameters() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("market.db")).unwrap();
        let by_state = "SELECT count(*) FROM workers WHERE state = ?1 AND listed = ?2";
        let mut statement = database.connection.prepare(by_state).unwrap();
        for (state, listed) in [("AVAILABLE", 1), ("MINING", 0), ("AVAILABLE", 1), ("offline", 1)] {
            assert_eq!(statement.query_row((state, listed), |row| row.get(0)), Ok(0));
        }
        assert_eq!(statement.get_status(StatementStatus::RePrepare), 0);
    }

    #[test]
    fn foreign_newer_and_broken_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let foreign = folder.path().join("prototype.db");
        Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE accounts (id)").unwrap();
        assert!(matches!(Database::open(&foreign), Err(StoreError::Foreign(_))));

        let newer = folder.path().join("newer.db");
        drop(Database::open(&newer).unwrap());
        Connection::open(&newer).unwrap().pragma_update(None, "user_version", 9999).unwrap();
        assert!(matches!(Database::open(&newer), Err(StoreError::TooNew { found: 9999, .. })));

        let broken = folder.path().join("broken.db");
        std::fs::write(&broken, "this is no database at all, not even nearly, however long it goes on")
            .unwrap();
        assert!(matches!(Database::open(&broken), Err(StoreError::Unreadable { .. })));
    }

    #[test]
    fn an_empty_file_is_a_database_to_be_and_nothing_to_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("market.db");
        fs::write(&path, "").unwrap();
        let Err(refused) = open_for_reading(&path) else { panic!("it has no tables") };
        assert!(refused.to_string().ends_with("it is empty"), "{refused}");
        assert!(!is_ours(&path));
        drop(Database::open(&path).unwrap());
        assert!(open_for_reading(&path).is_ok() && is_ours(&path));
    }

    #[test]
    fn a_databases_files_are_their_owners_alone_and_the_lock_goes_with_its_holder() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("market.db");
        let files = || {
            let files = fs::read_dir(folder.path()).unwrap().map(Result::unwrap);
            let mode = |file: &fs::DirEntry| file.metadata().unwrap().permissions().mode() & 0o777;
            let mut files: Vec<_> =
                files.map(|file| (file.file_name().into_string().unwrap(), mode(&file))).collect();
            files.sort();
            files
        };
        let mut database = Database::open(&path).unwrap();
        database.connection().execute("UPDATE counters SET value = 1", []).unwrap();
        let all = ["", "-shm", "-wal", ".lock"].map(|suffix| (format!("market.db{suffix}"), 0o600));
        assert_eq!(files(), all);
        drop(database);
        assert_eq!(files(), all[..1]);
        Database::open(&path).unwrap().discard();
        assert_eq!(files(), []);
    }
}
