//! A hash as text: `$argon2id$v=19$m=<KiB>,t=1,p=1$<salt>$<tag>`, base64 without padding.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use thiserror::Error;

use super::{Difficulty, Hasher, Salt, Tag};
use crate::base::BlockKey;

/// A hash with everything needed to compute it again, except its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phc {
    /// The memory it was mined at.
    pub difficulty: Difficulty,
    /// The account it was mined for.
    pub salt: Salt,
    /// What came out.
    pub tag: Tag,
}

/// Why a text is not a hash of the network.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum PhcError {
    /// Longer than the network accepts.
    #[error("a hash has at most {} characters", Phc::LENGTH_MAX)]
    TooLong,
    /// Not the five fields of Argon2id with the network's parameters.
    #[error("a hash has the form $argon2id$v=19$m=<KiB>,t=1,p=1$<salt>$<tag>")]
    Form,
    /// Memory that no hash of the network has.
    #[error("a hash's memory is a decimal number of KiB in the network's range")]
    Difficulty,
    /// A salt of another length or encoding.
    #[error("a hash's salt is an address's 20 bytes or the old fixed salt, in base64 without padding")]
    Salt,
    /// A tag of another length or encoding.
    #[error("a hash's tag is 64 bytes in base64 without padding")]
    Tag,
}

const HEAD: &str = "$argon2id$v=19$m=";
const COSTS: &str = ",t=1,p=1$";

impl Phc {
    /// The longest text that the network accepts (contract: pow.md).
    pub const LENGTH_MAX: usize = 150;

    /// Hashes a key.
    pub fn compute(key: &BlockKey, salt: Salt, difficulty: Difficulty, hasher: &mut Hasher) -> Self {
        let tag = hasher.hash(key.as_str().as_bytes(), &salt, difficulty);
        Phc { difficulty, salt, tag }
    }

    /// Whether `key` really gives this hash: computes it again, at the memory it was mined at.
    pub fn verify(&self, key: &BlockKey, hasher: &mut Hasher) -> bool {
        hasher.hash(key.as_str().as_bytes(), &self.salt, self.difficulty) == self.tag
    }
}

impl FromStr for Phc {
    type Err = PhcError;

    /// Takes exactly what [`Phc`]'s `Display` prints.
    fn from_str(text: &str) -> Result<Self, PhcError> {
        if text.len() > Phc::LENGTH_MAX {
            return Err(PhcError::TooLong);
        }
        let rest = text.strip_prefix(HEAD).ok_or(PhcError::Form)?;
        let (memory, rest) = rest.split_once(COSTS).ok_or(PhcError::Form)?;
        let (salt, tag) = rest.split_once('$').ok_or(PhcError::Form)?;
        let difficulty = parse_difficulty(memory).ok_or(PhcError::Difficulty)?;
        let salt = STANDARD_NO_PAD.decode(salt).map_err(|_| PhcError::Salt)?;
        let salt = Salt::from_bytes(&salt).ok_or(PhcError::Salt)?;
        let tag = STANDARD_NO_PAD.decode(tag).map_err(|_| PhcError::Tag)?;
        let tag = Tag(tag.try_into().map_err(|_| PhcError::Tag)?);
        Ok(Phc { difficulty, salt, tag })
    }
}

/// Decimal digits as Argon2 prints them: no sign, no leading zero, nothing below its minimum.
fn parse_difficulty(text: &str) -> Option<Difficulty> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    let kib = plain.then(|| text.parse().ok())??;
    Difficulty::new(kib).ok().filter(|difficulty| difficulty.kib() == kib)
}

impl fmt::Display for Phc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let salt = STANDARD_NO_PAD.encode(self.salt.bytes());
        write!(f, "{HEAD}{}{COSTS}{salt}${}", self.difficulty, self.tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits::DIFFICULTY_KIB_MAX;
    use proptest::prelude::*;

    const OLD_KEY: &str = "8352e490f6927d1cff31392d8be7b909a68fb567118b8d8e38aaa9ef8ade4c548734cdc01a109afb5ffc5d4b32ae97be5d07f10e0998a1bf42f5b4e8407b49b5";
    const OLD_HASH: &str = "$argon2id$v=19$m=1827,t=1,p=1$WEVOMTAwODIwMjJYRU4$Z5K2z48kj4Rwp2SXEN11JRaqRGjr+bbdolMmiXnZnpXMpcNPpfIeO1fqOCHlwozBzUEdArHUGmra+29xJwJnug";

    prop_compose! {
        fn any_phc()(
            kib in 8..=DIFFICULTY_KIB_MAX,
            account in prop::option::of(any::<[u8; 20]>()),
            tag in prop::array::uniform32(any::<u16>()),
        ) -> Phc {
            let mut bytes = [0; 64];
            for (two, value) in bytes.chunks_exact_mut(2).zip(tag) {
                two.copy_from_slice(&value.to_le_bytes());
            }
            let salt = account.map_or(Salt::Old, Salt::Account);
            Phc { difficulty: Difficulty::new(kib).unwrap(), salt, tag: Tag(bytes) }
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_back(phc in any_phc()) {
            let text = phc.to_string();
            prop_assert!(text.len() <= Phc::LENGTH_MAX);
            prop_assert_eq!(text.parse(), Ok(phc));
        }

        #[test]
        fn one_changed_character_is_refused_or_is_another_hash(
            phc in any_phc(), place in any::<prop::sample::Index>(), with in any::<char>()
        ) {
            let text = phc.to_string();
            let mut changed: Vec<char> = text.chars().collect();
            let place = place.index(changed.len());
            changed[place] = with;
            let changed: String = changed.into_iter().collect();
            if changed != text {
                prop_assert_ne!(changed.parse(), Ok(phc));
            }
        }

        #[test]
        fn garbage_is_refused_and_what_parses_prints_back(text in "(\\$argon2id\\$v=19\\$m=)?[0-9a-zA-Z+/$=,]{0,160}") {
            if let Ok(phc) = text.parse::<Phc>() {
                prop_assert_eq!(phc.to_string(), text);
            }
        }
    }

    #[test]
    fn a_real_block_with_the_old_salt_verifies_and_with_another_key_does_not() {
        let phc: Phc = OLD_HASH.parse().unwrap();
        let mut hasher = Hasher::new();
        assert_eq!((phc.salt, phc.difficulty.kib()), (Salt::Old, 1827));
        assert!(phc.verify(&OLD_KEY.parse().unwrap(), &mut hasher));
        assert!(phc.verify(&OLD_KEY.to_uppercase().parse().unwrap(), &mut hasher));
        assert!(!phc.verify(&"0".repeat(64).parse().unwrap(), &mut hasher));
        assert_eq!(phc.to_string(), OLD_HASH);
    }

    #[test]
    fn each_field_has_its_refusal() {
        let parse = |from: &str, to: &str| OLD_HASH.replace(from, to).parse::<Phc>().unwrap_err();
        assert_eq!(parse("argon2id", "argon2i"), PhcError::Form);
        assert_eq!(parse("v=19", "v=16"), PhcError::Form);
        assert_eq!(parse("t=1", "t=2"), PhcError::Form);
        assert_eq!(parse("m=1827", "m=01827"), PhcError::Difficulty);
        assert_eq!(parse("m=1827", "m=+1827"), PhcError::Difficulty);
        assert_eq!(parse("m=1827", "m=7"), PhcError::Difficulty);
        assert_eq!(parse("m=1827", "m="), PhcError::Difficulty);
        assert_eq!(parse("m=1827", "m=131073"), PhcError::Difficulty);
        assert_eq!(parse("m=1827", "m=99999999999"), PhcError::Difficulty);
        assert_eq!(parse("WEVOMTAwODIwMjJYRU4", "WEVOMTAwODIwMjJYRU4="), PhcError::Salt);
        assert_eq!(parse("WEVOMTAwODIwMjJYRU4", "c29tZXNhbHQ"), PhcError::Salt);
        assert_eq!(parse("Jnug", "Jnu"), PhcError::Tag);
        assert_eq!(parse("Jnug", "Jnuh"), PhcError::Tag, "bits beyond the 64 bytes");
        assert_eq!(parse("Jnug", "Jnug$"), PhcError::Tag);
        assert_eq!(parse("Jnug", &"A".repeat(30)), PhcError::TooLong);
    }
}
