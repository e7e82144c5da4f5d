//! Whether the database can store: what became of the last commit, and the room left on its disk.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, Result};
use rustix::fs::statvfs;

use crate::base::limits::STORE_FREE_BYTES_MIN;

const MIB: u64 = 1024 * 1024;

pub(super) struct Health {
    path: PathBuf,
    failed: Mutex<Option<String>>,
}

impl Health {
    pub(super) fn new(path: PathBuf) -> Self {
        Health { path, failed: Mutex::default() }
    }

    /// A commit failed, and until one that wrote something succeeds this is what is wrong.
    pub(super) fn failed(&self, problem: &str) {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(problem.to_owned());
    }

    /// A commit has written something.
    pub(super) fn stored(&self) {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// What is wrong, if anything is.
    pub(super) fn trouble(&self) -> Option<String> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        failed.map(|problem| format!("the last commit failed: {problem}")).or_else(|| lack(room(&self.path)?))
    }
}

/// Writes a page that differs from what it was: the database leaves an equal one unwritten.
pub fn probe(connection: &Connection) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO counters (name, value) VALUES ('probes', 1)
             ON CONFLICT (name) DO UPDATE SET value = value + 1",
        )?
        .execute([])?;
    Ok(())
}

/// Bytes free for us where `path` is; `None` where the file system does not say.
fn room(path: &Path) -> Option<u64> {
    let disk = statvfs(path).ok().filter(|disk| disk.f_blocks > 0)?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

fn lack(free: u64) -> Option<String> {
    let (has, needs) = (free / MIB, STORE_FREE_BYTES_MIN / MIB);
    (free < STORE_FREE_BYTES_MIN).then(|| format!("the disk is full: {has} MiB free, {needs} MiB needed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_without_room_is_trouble_before_a_write_fails() {
        let folder = tempfile::tempdir().unwrap();
        assert!(room(folder.path()).is_some_and(|free| free > 0));
        assert_eq!(room(Path::new("/proc")), None, "a file system without blocks says nothing");
        assert_eq!(lack(STORE_FREE_BYTES_MIN), None);
        let said = lack(STORE_FREE_BYTES_MIN - 1).unwrap();
        assert_eq!(said, "the disk is full: 63 MiB free, 64 MiB needed");
    }
}
