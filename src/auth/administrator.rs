//! The administrator's key: from a file of the operator's, or made at the first start.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::secret_file::{self, SecretFileError};
use crate::base::Secret;
use crate::base::limits::ADMINISTRATOR_KEY_LENGTH_MIN;

/// The key that open mode knows and closed mode never does (contract: rest.md, Modes).
pub const TEST_KEY: &str = "admin-test-key-do-not-use-in-production";

const KEY_BYTES: usize = 16;

/// The key in the operator's file: at least 16 characters, and readable by its owner alone.
pub fn load(path: &Path) -> Result<Secret, SecretFileError> {
    let key = secret_file::read(path, ADMINISTRATOR_KEY_LENGTH_MIN)?;
    refuse_test_key(key, path)
}

/// The first administrator: the key in the file at `path`, which is made when there is none. `true`
/// says that it was made just now: print the path, never the key.
pub fn first(path: &Path) -> Result<(Secret, bool), SecretFileError> {
    let fresh = Secret::random(KEY_BYTES);
    let (key, created) = secret_file::read_or_create(path, ADMINISTRATOR_KEY_LENGTH_MIN, fresh)?;
    Ok((refuse_test_key(key, path)?, created))
}

/// Eight digits that tell one administrator's key from the next. Not of the digest that keys are stored
/// by, and too few to find a key by.
pub fn hint(key: &str) -> String {
    let digest = Sha256::new().chain_update("hint of an administrator's key\n").chain_update(key).finalize();
    hex::encode(&digest[..4])
}

fn refuse_test_key(key: Secret, path: &Path) -> Result<Secret, SecretFileError> {
    if key.matches(TEST_KEY) {
        return Err(SecretFileError::Published { path: path.to_owned() });
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions, write};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_first_key_is_random_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.key");
        let (key, created) = first(&path).unwrap();
        assert!(created);
        assert_eq!(key.expose().len(), 32);
        let (again, created) = first(&path).unwrap();
        assert!(!created && again.matches(key.expose()));
        assert!(load(&path).unwrap().matches(key.expose()));
        let (other, _) = first(&folder.path().join("other.key")).unwrap();
        assert!(!other.matches(key.expose()));
    }

    #[test]
    fn a_hint_tells_keys_apart_and_is_no_part_of_them() {
        let [one, other] = ["0123456789abcdef0", "0123456789abcdef1"].map(hint);
        assert_eq!(one, hint("0123456789abcdef0"));
        assert!(one != other && one.len() == 8 && !"0123456789abcdef0".contains(&one));
    }

    #[test]
    fn the_published_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.key");
        write(&path, TEST_KEY).unwrap();
        set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(load(&path), Err(SecretFileError::Published { .. })));
        assert!(matches!(first(&path), Err(SecretFileError::Published { .. })));
    }
}
