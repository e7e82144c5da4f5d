//! The files around a database: its lock, and who may read it.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::StoreError;

const OWNER_ALONE: u32 = 0o600;
/// A process id and two ports.
const SIGNATURE_BYTES_MAX: u64 = 256;

/// What makes a writer the only one. The file goes with it.
pub(super) struct Lock {
    path: PathBuf,
    _file: File,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Err: somebody has removed it already.
        let _ = fs::remove_file(&self.path);
    }
}

/// Takes the lock of the database `path`, or says who is in the way.
pub(super) fn take_lock(path: &Path) -> Result<Lock, StoreError> {
    let lock_path = beside(path, ".lock");
    let unreadable =
        |error: io::Error| StoreError::Unreadable { path: path.to_owned(), problem: error.to_string() };
    loop {
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true).mode(OWNER_ALONE);
        let file = options.open(&lock_path).map_err(unreadable)?;
        match file.try_lock() {
            // Whoever held it may have removed the file after we had opened it: that lock locks nothing.
            Ok(()) if is_at(&file, &lock_path) => {
                // What a holder has left that was killed.
                file.set_len(0).map_err(unreadable)?;
                return Ok(Lock { path: lock_path, _file: file });
            }
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::InUse(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(unreadable(error)),
        }
    }
}

/// Leaves a word beside the lock of the database `path`, which this process holds, for [`holder`].
pub(crate) fn sign_lock(path: &Path, text: &str) -> io::Result<()> {
    fs::write(beside(path, ".lock"), text)
}

/// What the process has left that holds the database `path`; `None` when nobody holds it. A process that
/// left nothing is an empty text.
pub(crate) fn holder(path: &Path) -> io::Result<Option<String>> {
    let file = match File::open(beside(path, ".lock")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    match file.try_lock_shared() {
        // Nobody had it; it is given back as the file is closed.
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            file.take(SIGNATURE_BYTES_MAX).read_to_string(&mut text)?;
            Ok(Some(text))
        }
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    let identity = |data: &fs::Metadata| (data.dev(), data.ino());
    let (ours, there) = (file.metadata(), fs::metadata(path));
    matches!((&ours, &there), (Ok(ours), Ok(there)) if identity(ours) == identity(there))
}

/// Refuses a name that is no file's: SQLite's own words for that say little.
pub(crate) fn check_file(path: &Path) -> Result<(), String> {
    match fs::metadata(path) {
        Ok(file) if file.is_dir() => Err("it is a folder".to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err("there is no such file".to_owned()),
        Err(error) => Err(error.to_string()),
        Ok(_) => Ok(()),
    }
}

/// An empty file for a database or a copy of one, which holds everybody's balances: its owner alone
/// reads it. SQLite gives the log beside it the same mode.
pub(super) fn create_private(path: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(OWNER_ALONE).open(path).map(drop)
}

/// The file of this name and a suffix.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path.as_os_str());
    name.push(suffix);
    name.into()
}
