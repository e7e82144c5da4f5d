//! What a hash is made with besides its key: memory and salt.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::base::EthAddress;
use crate::base::limits::DIFFICULTY_KIB_MAX;

/// The memory of one hash in KiB, which is the network's difficulty: Argon2's `m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Difficulty(u32);

/// Why a number is not a difficulty.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a difficulty lies between 1 and {DIFFICULTY_KIB_MAX}")]
pub struct DifficultyError;

impl Difficulty {
    /// The least memory that Argon2 knows with one lane.
    pub const MIN: Difficulty = Difficulty(8);

    /// From KiB, 1 to [`DIFFICULTY_KIB_MAX`]. Argon2 has no hash below 8 KiB and the network takes
    /// any memory at or above its difficulty, so 1 to 7 become 8.
    pub const fn new(kib: u32) -> Result<Self, DifficultyError> {
        match kib {
            0 => Err(DifficultyError),
            1..8 => Ok(Self::MIN),
            8..=DIFFICULTY_KIB_MAX => Ok(Difficulty(kib)),
            _ => Err(DifficultyError),
        }
    }

    /// KiB, 8 or more.
    pub const fn kib(self) -> u32 {
        self.0
    }

    /// Blocks of 1 KiB that a hash fills: four slices of whole blocks.
    pub const fn blocks(self) -> u32 {
        self.0 / 4 * 4
    }
}

impl FromStr for Difficulty {
    type Err = DifficultyError;
    fn from_str(text: &str) -> Result<Self, DifficultyError> {
        text.parse().map_err(|_| DifficultyError).and_then(Difficulty::new)
    }
}

impl fmt::Display for Difficulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The salts that the network accepts.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Salt {
    /// The 20 raw bytes of the account's address.
    Account([u8; 20]),
    /// The fixed salt of the network's first years.
    Old,
}

const OLD_SALT: &[u8] = b"XEN10082022XEN";

impl Salt {
    /// The salt of an account.
    pub fn of(account: &EthAddress) -> Self {
        Salt::Account(account.bytes())
    }

    /// The salt that these bytes are, if they are one.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes == OLD_SALT { Some(Salt::Old) } else { bytes.try_into().ok().map(Salt::Account) }
    }

    /// The bytes that are hashed.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Salt::Account(bytes) => bytes,
            Salt::Old => OLD_SALT,
        }
    }

    /// Whether a block with this salt may belong to `account`.
    pub fn belongs_to(&self, account: &EthAddress) -> bool {
        *self == Salt::Old || *self == Salt::of(account)
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Salt({})", hex::encode(self.bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difficulty_has_at_least_the_memory_that_argon2_needs() {
        assert_eq!(Difficulty::new(0), Err(DifficultyError));
        assert_eq!(Difficulty::new(1).map(Difficulty::kib), Ok(8));
        assert_eq!(Difficulty::new(9).map(Difficulty::kib), Ok(9));
        assert!(Difficulty::new(DIFFICULTY_KIB_MAX).is_ok());
        assert_eq!(Difficulty::new(DIFFICULTY_KIB_MAX + 1), Err(DifficultyError));
    }

    #[test]
    fn the_old_salt_belongs_to_everybody_and_an_address_to_itself() {
        let account = "0x24691E54aFafe2416a8252097C9Ca67557271475".parse().unwrap();
        let other = "0xAABBCCDDEE1234567890ABCDEF1234567890ABCD".parse().unwrap();
        assert!(Salt::of(&account).belongs_to(&account));
        assert!(!Salt::of(&account).belongs_to(&other));
        assert!(Salt::Old.belongs_to(&other));
        assert_eq!(Salt::from_bytes(b"XEN10082022XEN"), Some(Salt::Old));
        assert_eq!(Salt::from_bytes(b"XEN10082022XEM"), None);
    }
}
