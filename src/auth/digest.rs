//! The form in which random credentials are stored.

use sha2::{Digest, Sha256};

/// SHA-256 of a credential. A look-up by it leaks nothing of use through its timing: the digest of a
/// guess cannot be steered towards a stored one, and a stored one leads back to no credential.
pub(super) fn digest(credential: &str) -> [u8; 32] {
    Sha256::digest(credential.as_bytes()).into()
}

/// Random bytes of an API key or a worker token: 32 hexadecimal digits.
pub(super) const CREDENTIAL_BYTES: usize = 16;

/// Characters of an API key that a list shows; the other 24 still have 96 bits.
pub(super) const HINT_LENGTH: usize = 8;
