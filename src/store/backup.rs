//! Copies of the database: made while a server runs, put back while none does.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::files::{beside, create_private, take_lock};
use super::{StoreError, open_for_reading};
use crate::base::Timestamp;

/// Writes a consistent copy of the database `path` to `dest`: one snapshot, whatever a server commits
/// meanwhile, without a write-ahead log beside it. `dest` appears complete or not at all. Returns
/// its size in bytes. Refuses a `dest` that exists unless `overwrite`, and one that is a database
/// at work always.
pub fn backup(path: &Path, dest: &Path, overwrite: bool) -> Result<u64, StoreError> {
    let source = open_for_reading(path)?;
    if dest.exists() {
        if !overwrite {
            return Err(StoreError::Exists(dest.to_owned()));
        }
        refuse_at_work(path, dest)?;
    }
    let partial = beside(dest, ".partial");
    write_copy(&source, &partial, dest)?;
    put_in_place(&partial, dest)
}

/// Puts the copy `from` in the place of the database `path`. The copy must be ours and sound; a
/// server that holds `path` is in the way. What was there is kept beside it under a name with the
/// date, which is returned.
pub fn restore(from: &Path, path: &Path, now: Timestamp) -> Result<Option<PathBuf>, StoreError> {
    if same_file(from, path) {
        return Err(unusable(from, "it is the database itself"));
    }
    if path.is_dir() {
        return Err(unusable(path, "it is a folder"));
    }
    let source = open_for_reading(from)?;
    check_sound(&source, from)?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| unusable(path, error.to_string()))?;
    }
    let _lock = take_lock(path)?;
    let partial = beside(path, ".restoring");
    write_copy(&source, &partial, path)?;
    let kept = if path.exists() { Some(keep_aside(&source, path, now)?) } else { None };
    put_in_place(&partial, path)?;
    Ok(kept)
}

fn check_sound(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let said: Result<String, _> = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0));
    match said {
        Ok(said) if said == "ok" => Ok(()),
        Ok(problem) => Err(unusable(path, problem)),
        Err(error) => Err(unusable(path, error.to_string())),
    }
}

fn refuse_at_work(path: &Path, dest: &Path) -> Result<(), StoreError> {
    if same_file(path, dest) {
        return Err(unusable(dest, "it is the database itself"));
    }
    if beside(dest, ".lock").exists() {
        drop(take_lock(dest)?);
    }
    // A log of the old file beside the new one would be played into it.
    if beside(dest, "-wal").exists() {
        return Err(unusable(
            dest,
            "it is a database with a log that was not written back; choose another name",
        ));
    }
    Ok(())
}

fn write_copy(source: &Connection, partial: &Path, dest: &Path) -> Result<(), StoreError> {
    let failed = |error: &dyn std::fmt::Display| unusable(dest, error.to_string());
    match fs::remove_file(partial) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(&error)),
        // Left by a copy that was interrupted, or not there.
        Ok(()) | Err(_) => {}
    }
    create_private(partial).map_err(|error| failed(&error))?;
    let name = partial.to_str().ok_or_else(|| failed(&"its name is not UTF-8"))?;
    let copied = source.execute("VACUUM INTO ?1", [name]).map_err(|error| failed(&error));
    let copied = copied
        .and_then(|_| File::open(partial).and_then(|file| file.sync_all()).map_err(|error| failed(&error)));
    if copied.is_err() {
        // Nothing more can be done about what is left of it; the next copy removes it.
        let _ = fs::remove_file(partial);
    }
    copied
}

fn put_in_place(partial: &Path, dest: &Path) -> Result<u64, StoreError> {
    let put = || -> io::Result<u64> {
        let bytes = fs::metadata(partial)?.len();
        fs::rename(partial, dest)?;
        let folder = dest.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
        Ok(bytes)
    };
    put().map_err(|error| {
        // Err: it is in place already, and the folder could not be synced.
        let _ = fs::remove_file(partial);
        unusable(dest, error.to_string())
    })
}

/// Renames what is at `path`, with its log if that cannot be written back first.
fn keep_aside(clock: &Connection, path: &Path, now: Timestamp) -> Result<PathBuf, StoreError> {
    write_log_back(path);
    let date: String = clock.query_row(
        "SELECT strftime('%Y%m%d-%H%M%S', ?1, 'unixepoch')",
        [now.micros().div_euclid(1_000_000)],
        |row| row.get(0),
    )?;
    let names = std::iter::once(format!(".before-{date}"))
        .chain((2..).map(|number| format!(".before-{date}-{number}")));
    let kept = names.map(|name| beside(path, &name)).find(|name| !name.exists());
    let kept = kept.expect("the numbers do not end");
    let rename = |suffix: &str| match fs::rename(beside(path, suffix), beside(&kept, suffix)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unusable(path, error.to_string())),
        Ok(()) | Err(_) => Ok(()),
    };
    rename("-wal")?;
    rename("-shm")?;
    rename("")?;
    Ok(kept)
}

/// The last connection that closes writes the log back and removes it. A file too broken for that is
/// kept with its log.
fn write_log_back(path: &Path) {
    let written = Connection::open(path).and_then(|old| {
        old.pragma_query(None, "wal_checkpoint", |_| Ok(()))?;
        old.close().map_err(|(_, error)| error)
    });
    if let Err(error) = written {
        log::warn!("{}: its log is kept beside it: {error}", path.display());
    }
}

fn same_file(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

fn unusable(path: &Path, problem: impl Into<String>) -> StoreError {
    StoreError::Unusable { path: path.to_owned(), problem: problem.into() }
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::bounded;

    use super::*;
    use crate::base::thread::deathwatch;
    use crate::store::{Database, Store};

    const NOW: Timestamp = Timestamp::from_micros(1_790_000_000_000_000);

    fn store(path: &Path) -> Store<()> {
        Store::open(path, bounded(1).0, &deathwatch().0).unwrap()
    }

    fn add(store: &Store<()>) {
        store
            .write::<_, StoreError, _>(|scope| {
                Ok(scope.execute(
                    "UPDATE counters SET value = value + 1 WHERE name IN ('blocks', 'leases')",
                    [],
                )?)
            })
            .unwrap();
    }

    fn counters(path: &Path) -> (i64, i64) {
        let sql =
            "SELECT sum(value) FILTER (WHERE name = 'blocks'), sum(value) FILTER (WHERE name = 'leases')
                   FROM counters";
        let connection = open_for_reading(path).unwrap();
        connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
    }

    #[test]
    fn a_backup_beside_a_busy_server_is_consistent_and_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let (path, copy) = (folder.path().join("market.db"), folder.path().join("copy.db"));
        let store = store(&path);
        std::thread::scope(|threads| {
            let busy = &store;
            threads.spawn(move || (0..200).for_each(|_| add(busy)));
            for number in 0..5 {
                let dest = folder.path().join(format!("copy-{number}.db"));
                let bytes = backup(&path, &dest, false).unwrap();
                assert_eq!(fs::metadata(&dest).unwrap().len(), bytes);
                let (blocks, leases) = counters(&dest);
                assert_eq!(blocks, leases);
            }
        });
        backup(&path, &copy, false).unwrap();
        add(&store);
        assert!(matches!(restore(&copy, &path, NOW), Err(StoreError::InUse(_))));
        store.stop();
        drop(store);
        let kept = restore(&copy, &path, NOW).unwrap().unwrap();
        assert!(kept.to_str().unwrap().ends_with("market.db.before-20260921-141320"), "{kept:?}");
        assert_eq!((counters(&path), counters(&kept)), ((200, 200), (201, 201)));
        let again = restore(&copy, &path, NOW).unwrap().unwrap();
        assert!(again.to_str().unwrap().ends_with("-2"));
        drop(Database::open(&path).unwrap());
        let partial = |entry: io::Result<fs::DirEntry>| {
            let name = entry.unwrap().file_name();
            name.to_str().unwrap().ends_with(".partial") || name.to_str().unwrap().ends_with(".restoring")
        };
        assert!(!fs::read_dir(folder.path()).unwrap().any(partial));
    }

    #[test]
    fn what_exists_is_overwritten_only_when_asked_and_never_when_at_work() {
        let folder = tempfile::tempdir().unwrap();
        let (path, copy) = (folder.path().join("market.db"), folder.path().join("copy.db"));
        let store = store(&path);
        backup(&path, &copy, false).unwrap();
        add(&store);
        assert!(matches!(backup(&path, &copy, false), Err(StoreError::Exists(_))));
        assert_eq!(counters(&copy), (0, 0));
        backup(&path, &copy, true).unwrap();
        assert_eq!(counters(&copy), (1, 1));
        let refused = backup(&path, &path, true).unwrap_err();
        assert!(refused.to_string().ends_with("it is the database itself"), "{refused}");
        let other = folder.path().join("other.db");
        let at_work = Database::open(&other).unwrap();
        assert!(matches!(backup(&path, &other, true), Err(StoreError::InUse(_))));
        drop(at_work);
    }

    #[test]
    fn what_is_not_a_sound_copy_of_ours_is_not_restored() {
        let folder = tempfile::tempdir().unwrap();
        let (path, bad) = (folder.path().join("market.db"), folder.path().join("bad.db"));
        drop(Database::open(&path).unwrap());
        let restored = |from: &Path| restore(from, &path, NOW).unwrap_err();
        assert!(matches!(restored(&folder.path().join("none.db")), StoreError::Unreadable { .. }));
        assert!(matches!(restored(&path), StoreError::Unusable { .. }));
        fs::write(&bad, "").unwrap();
        assert!(restored(&bad).to_string().ends_with("it is empty"));
        Connection::open(&bad).unwrap().execute_batch("CREATE TABLE accounts (id)").unwrap();
        assert!(matches!(restored(&bad), StoreError::Foreign(_)));
        fs::remove_file(&bad).unwrap();
        backup(&path, &bad, false).unwrap();
        let mut bytes = fs::read(&bad).unwrap();
        let middle = bytes.len() / 2 / 4096 * 4096;
        bytes[middle..middle + 4096].fill(0xa5);
        fs::write(&bad, bytes).unwrap();
        assert!(matches!(restored(&bad), StoreError::Unusable { .. }));
        assert!(!beside(&path, ".restoring").exists());
        drop(Database::open(&path).unwrap());
    }
}
