//! Files that hold one secret, for their owner's eyes only.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::base::Secret;
use crate::base::limits::SECRET_FILE_BYTES_MAX;

/// Why a secret's file will not do. The message is for the operator and says what to do.
#[derive(Debug, Error)]
pub enum SecretFileError {
    /// The system refuses.
    #[error("cannot use the secret in {path}: {problem}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        problem: io::Error,
    },
    /// Others than its owner can read or write it.
    #[error("{path} is open to others than its owner; run `chmod 600 {path}` and choose a new secret")]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// It is not printable ASCII, or more lines than there may be secrets.
    #[error("{path} must hold a secret alone on its line: printable ASCII without spaces, and nothing else")]
    Unusable {
        /// The file.
        path: PathBuf,
    },
    /// Too easily guessed.
    #[error("the secret in {path} is too short: it needs at least {length_min} characters")]
    TooShort {
        /// The file.
        path: PathBuf,
        /// What it needs.
        length_min: usize,
    },
    /// A key that everybody can read in the documentation.
    #[error("{path} holds the test key from the documentation; choose another")]
    Published {
        /// The file.
        path: PathBuf,
    },
}

/// The secret in the file at `path`, without the white space around it.
pub(super) fn read(path: &Path, length_min: usize) -> Result<Secret, SecretFileError> {
    read_up_to(1, path, length_min).map(|mut secrets| secrets.remove(0))
}

/// The secrets in the file at `path`, one a line: one at least and `count_max` at most.
pub(super) fn read_up_to(
    count_max: usize,
    path: &Path,
    length_min: usize,
) -> Result<Vec<Secret>, SecretFileError> {
    let unusable = || SecretFileError::Unusable { path: path.to_owned() };
    let text = read_text(path, SECRET_FILE_BYTES_MAX)?.ok_or_else(unusable)?;
    let text = text.trim();
    // One at least, if it is empty; `lines` would say none.
    let secrets: Vec<&str> = text.split('\n').map(str::trim).collect();
    let is_printable = |secret: &&str| secret.bytes().all(|byte| byte.is_ascii_graphic());
    if secrets.len() > count_max || !secrets.iter().all(is_printable) {
        return Err(unusable());
    }
    if secrets.iter().any(|secret| secret.len() < length_min) {
        return Err(SecretFileError::TooShort { path: path.to_owned(), length_min });
    }
    Ok(secrets.into_iter().map(Secret::new).collect())
}

/// The text of a file that nobody but its owner can open; `None` when it is longer than it may be, or no
/// text.
pub(super) fn read_text(path: &Path, bytes_max: u64) -> Result<Option<String>, SecretFileError> {
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    read_text_beside(credentials.as_deref(), path, bytes_max)
}

/// In the folder that systemd makes for a service alone, a credential is let to the service's user by an access list:
/// the group's bits are the list's mask then, and read as 0440 what only that user can open.
fn read_text_beside(
    credentials: Option<&Path>,
    path: &Path,
    bytes_max: u64,
) -> Result<Option<String>, SecretFileError> {
    let failed = |problem| SecretFileError::Io { path: path.to_owned(), problem };
    let file = File::open(path).map_err(failed)?;
    // Asked of the open file, so that nobody can exchange it in between.
    let metadata = file.metadata().map_err(failed)?;
    let is_credential = credentials.is_some_and(|folder| path.parent() == Some(folder));
    let strangers = if is_credential { 0o037 } else { 0o077 };
    if metadata.permissions().mode() & strangers != 0 {
        return Err(SecretFileError::Exposed { path: path.to_owned() });
    }
    let mut text = String::new();
    match file.take(bytes_max + 1).read_to_string(&mut text) {
        Ok(length) => Ok((length as u64 <= bytes_max).then_some(text)),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

/// The secret in the file at `path`, which is made to hold `fresh` when there is none; says whether
/// it was made.
pub(super) fn read_or_create(
    path: &Path,
    length_min: usize,
    fresh: Secret,
) -> Result<(Secret, bool), SecretFileError> {
    let failed = |problem| SecretFileError::Io { path: path.to_owned(), problem };
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(mut file) => {
            let written = writeln!(file, "{}", fresh.expose()).and_then(|()| file.sync_all());
            if let Err(problem) = written {
                // A half-written secret must not be taken for one at the next start.
                let _ = std::fs::remove_file(path);
                return Err(failed(problem));
            }
            Ok((fresh, true))
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok((read(path, length_min)?, false)),
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions, write};

    use super::*;

    #[test]
    fn a_secret_is_made_once_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let (made, created) = read_or_create(&path, 8, Secret::random(16)).unwrap();
        assert!(created);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let (kept, created) = read_or_create(&path, 8, Secret::random(16)).unwrap();
        assert!(!created);
        assert!(kept.matches(made.expose()));
    }

    #[test]
    fn a_credential_of_systemd_may_bear_its_access_lists_mask() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin-key");
        write(&path, "a-secret").unwrap();
        let read = |mode: u32, credentials: Option<&Path>| {
            set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            read_text_beside(credentials, &path, 100).is_ok_and(|text| text.as_deref() == Some("a-secret"))
        };
        assert!(read(0o440, Some(folder.path())) && read(0o400, Some(folder.path())) && read(0o400, None));
        assert!(!read(0o440, None), "anywhere else the bits mean a group");
        assert!(!read(0o440, Some(Path::new("/run/credentials/another.service"))));
        for open in [0o444, 0o460, 0o450, 0o441] {
            assert!(!read(open, Some(folder.path())), "{open:o}");
        }
    }

    #[test]
    fn what_is_no_good_secret_is_refused_with_its_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let with = |content: &[u8], mode: u32| {
            write(&path, content).unwrap();
            set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            read(&path, 8)
        };
        assert!(with(b"  long-enough\n", 0o600).unwrap().matches("long-enough"));
        assert!(with(b"long-enough", 0o400).is_ok());
        for mode in [0o640, 0o604, 0o620, 0o660, 0o644] {
            assert!(matches!(with(b"long-enough", mode), Err(SecretFileError::Exposed { .. })), "{mode:o}");
        }
        for short in [&b""[..], b"  \n", b"1234567"] {
            assert!(matches!(with(short, 0o600), Err(SecretFileError::TooShort { length_min: 8, .. })));
        }
        for bad in
            [&b"two words here"[..], b"two\nlines-here", b"\xff\xfe\xfd012345", "gemüseeintopf".as_bytes()]
        {
            assert!(matches!(with(bad, 0o600), Err(SecretFileError::Unusable { .. })));
        }
        assert!(matches!(with(&[b'x'; 5000], 0o600), Err(SecretFileError::Unusable { .. })));
        let missing = read(&folder.path().join("nothing"), 8);
        assert!(matches!(missing, Err(SecretFileError::Io { .. })));
        assert!(matches!(
            read(folder.path(), 8),
            Err(SecretFileError::Exposed { .. } | SecretFileError::Io { .. })
        ));
    }
}
