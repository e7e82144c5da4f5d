//! Identifiers that cannot be wrong: parsed once at the edge, trusted inside.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// Why a text is not the identifier it should be. The message says what would be.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum IdError {
    /// Not a worker, account or lease id.
    #[error("an id has 1 to 128 characters of A-Z a-z 0-9 . _ : -")]
    Name,
    /// Not an Ethereum address.
    #[error("an address is 0x followed by 40 hexadecimal digits")]
    Address,
    /// Not a lease prefix.
    #[error("a prefix is 16 hexadecimal digits")]
    Prefix,
    /// Not a block key.
    #[error("a key is 64 to 128 hexadecimal digits")]
    Key,
}

/// The longest id taken from outside (contract: rest.md, Rules).
pub const ID_LENGTH_MAX: usize = 128;

fn is_name(text: &str) -> bool {
    (1..=ID_LENGTH_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:-".contains(&b))
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $parse:expr, $error:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                let parse: fn(&str) -> Option<Arc<str>> = $parse;
                parse(text).map($name).ok_or($error)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

text_id!(
    /// A worker's id, also the id of the provider account its first registration makes.
    WorkerId,
    |text| is_name(text).then(|| text.into()),
    IdError::Name
);
text_id!(
    /// An account's id.
    AccountId,
    |text| is_name(text).then(|| text.into()),
    IdError::Name
);
text_id!(
    /// A lease's id: `lease-` and a version 4 UUID.
    LeaseId,
    |text| is_name(text).then(|| text.into()),
    IdError::Name
);
text_id!(
    /// A block's key: 64 to 128 hexadecimal digits, kept in lower case (contract: pow.md).
    BlockKey,
    |text| {
        let hex = (64..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
        hex.then(|| text.to_ascii_lowercase().into())
    },
    IdError::Key
);

impl LeaseId {
    /// A fresh random lease id.
    pub fn random() -> Self {
        LeaseId(format!("lease-{}", uuid::Uuid::new_v4()).into())
    }
}

impl WorkerId {
    /// The account that a worker's first registration makes bears the worker's id.
    pub fn account(&self) -> AccountId {
        AccountId(self.0.clone())
    }
}

impl BlockKey {
    /// The first 16 digits, which are a lease's prefix when it was mined in one.
    pub fn prefix(&self) -> Prefix {
        self.0[..16].parse().expect("a key begins with hexadecimal digits")
    }

    /// Whether the first 16 digits are this prefix.
    pub fn starts_with(&self, prefix: &Prefix) -> bool {
        self.prefix() == *prefix
    }
}

/// An Ethereum address. Compares by its 20 bytes, shows as it was spelled.
#[derive(Clone, Copy)]
pub struct EthAddress {
    spelled: [u8; 42],
}

impl EthAddress {
    /// The address of 20 raw bytes, spelled in lower case.
    pub fn from_bytes(bytes: [u8; 20]) -> Self {
        let mut spelled = *b"0x0000000000000000000000000000000000000000";
        hex::encode_to_slice(bytes, &mut spelled[2..]).expect("20 bytes are 40 digits");
        EthAddress { spelled }
    }

    /// The 20 raw bytes.
    pub fn bytes(&self) -> [u8; 20] {
        let mut bytes = [0; 20];
        hex::decode_to_slice(&self.spelled[2..], &mut bytes).expect("an address holds hexadecimal digits");
        bytes
    }

    /// As it was spelled.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.spelled).expect("an address is ASCII")
    }

    /// In lower case, the form for keys and comparison.
    pub fn lower(&self) -> String {
        self.as_str().to_ascii_lowercase()
    }
}

impl FromStr for EthAddress {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let spelled: [u8; 42] = text.as_bytes().try_into().map_err(|_| IdError::Address)?;
        let valid = spelled.starts_with(b"0x") && spelled[2..].iter().all(u8::is_ascii_hexdigit);
        valid.then_some(EthAddress { spelled }).ok_or(IdError::Address)
    }
}

impl PartialEq for EthAddress {
    fn eq(&self, other: &Self) -> bool {
        self.spelled.eq_ignore_ascii_case(&other.spelled)
    }
}

impl Eq for EthAddress {}

impl Hash for EthAddress {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.spelled.to_ascii_lowercase().hash(state);
    }
}

impl fmt::Display for EthAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for EthAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for EthAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for EthAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// A lease's key prefix: 8 random bytes, shown as 16 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Prefix([u8; 8]);

impl Prefix {
    /// A fresh random prefix.
    pub fn random() -> Self {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes).expect("the system gives random bytes");
        Prefix(bytes)
    }
}

impl FromStr for Prefix {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let mut bytes = [0; 8];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| IdError::Prefix)?;
        Ok(Prefix(bytes))
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prefix({self})")
    }
}

impl Serialize for Prefix {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Prefix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_of_the_alphabet_and_not_too_long() {
        assert!("rig-01.gpu:A_b".parse::<WorkerId>().is_ok());
        for bad in ["", "a b", "<img>", "a/b", "a+b", "#", "ä", &"x".repeat(129)] {
            assert_eq!(bad.parse::<WorkerId>(), Err(IdError::Name), "{bad:?}");
        }
    }

    #[test]
    fn addresses_compare_without_case_and_keep_their_spelling() {
        let spelled = "0x24691E54aFafe2416a8252097C9Ca67557271475";
        let address: EthAddress = spelled.parse().unwrap();
        assert_eq!(address.to_string(), spelled);
        assert_eq!(address, spelled.to_lowercase().parse().unwrap());
        assert_eq!(EthAddress::from_bytes(address.bytes()), address);
        for bad in [
            "",
            "0x",
            "0X24691E54aFafe2416a8252097C9Ca67557271475",
            "0x24691E54aFafe2416a8252097C9Ca6755727147g",
        ] {
            assert_eq!(bad.parse::<EthAddress>(), Err(IdError::Address), "{bad:?}");
        }
    }

    #[test]
    fn keys_are_strictly_hexadecimal_and_compare_with_prefixes_without_case() {
        let key: BlockKey = format!("A1B2C3D4E5F60718{}", "0".repeat(48)).parse().unwrap();
        assert!(key.starts_with(&"a1b2c3d4e5f60718".parse().unwrap()));
        for bad in [format!("0x{}", "0".repeat(62)), "_".repeat(64), "0".repeat(63), "0".repeat(129)] {
            assert_eq!(bad.parse::<BlockKey>(), Err(IdError::Key), "{bad:?}");
        }
    }
}
