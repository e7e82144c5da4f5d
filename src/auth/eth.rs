//! Ethereum signatures: EIP-191 `personal_sign`, recovery of the signer, EIP-55 checksums, and a
//! wallet for programs.

use std::fmt;

use k256::ecdsa::{RecoveryId, Signature, SigningKey, VerifyingKey};
use sha3::{Digest, Keccak256};

use crate::base::EthAddress;

/// The address whose key signed `message` with `personal_sign`. `None` for a signature that is not
/// 65 bytes in hexadecimal (`0x` or not) with v of 0, 1, 27 or 28 and a low s.
///
/// A wrong signature seldom fails here, it recovers to another address: compare the answer.
pub fn recover(message: &str, signature: &str) -> Option<EthAddress> {
    let mut bytes = [0; 65];
    hex::decode_to_slice(signature.strip_prefix("0x").unwrap_or(signature), &mut bytes).ok()?;
    let (scalars, v) = (&bytes[..64], bytes[64]);
    let is_y_odd = match v {
        0 | 27 => false,
        1 | 28 => true,
        _ => return None,
    };
    let signature = Signature::from_slice(scalars).ok()?;
    // Of the two signatures that say the same, only the one with the low s counts (EIP-2).
    if signature.normalize_s() != signature {
        return None;
    }
    let id = RecoveryId::new(is_y_odd, false);
    let key = VerifyingKey::recover_from_prehash(&personal_digest(message), &signature, id).ok()?;
    Some(address_of(&key))
}

/// `address` with its checksum: capitals where a Keccak-256 of the digits says so (EIP-55).
pub fn checksummed(address: &EthAddress) -> EthAddress {
    let lower = address.lower();
    let hash = Keccak256::digest(&lower.as_bytes()[2..]);
    let nibbles = hash.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    let digits = lower[2..].chars().zip(nibbles);
    let capitals = digits.map(|(digit, n)| if n >= 8 { digit.to_ascii_uppercase() } else { digit });
    format!("0x{}", capitals.collect::<String>()).parse().expect("capitals leave an address one")
}

/// A key that signs as a person's wallet does: for the simulators, the demonstration and tests.
/// Whoever knows the seed has the wallet.
#[derive(Clone)]
pub struct Wallet {
    key: SigningKey,
    address: EthAddress,
}

impl Wallet {
    /// The wallet of a seed, the same each time.
    pub fn from_seed(seed: &[u8]) -> Self {
        let mut candidate = Keccak256::digest(seed);
        loop {
            if let Ok(key) = SigningKey::from_slice(&candidate) {
                let address = checksummed(&address_of(key.verifying_key()));
                return Wallet { key, address };
            }
            // Zero or above the group's order: one in 2^128.
            candidate = Keccak256::digest(candidate);
        }
    }

    /// A wallet nobody else has.
    pub fn random() -> Self {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).expect("the system gives random bytes");
        Wallet::from_seed(&seed)
    }

    /// Its address, with the checksum.
    pub fn address(&self) -> &EthAddress {
        &self.address
    }

    /// `personal_sign`: 0x and 130 hexadecimal digits, v of 27 or 28.
    pub fn sign(&self, message: &str) -> String {
        let (signature, id) = self.key.sign_prehash_recoverable(&personal_digest(message));
        format!("0x{}{:02x}", hex::encode(signature.to_bytes()), 27 + id.to_byte())
    }
}

impl fmt::Debug for Wallet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wallet({})", self.address)
    }
}

/// What `personal_sign` signs (EIP-191, version 0x45).
fn personal_digest(message: &str) -> [u8; 32] {
    Keccak256::new()
        .chain_update("\x19Ethereum Signed Message:\n")
        .chain_update(message.len().to_string())
        .chain_update(message)
        .finalize()
        .into()
}

fn address_of(key: &VerifyingKey) -> EthAddress {
    let point = key.to_sec1_point(false);
    let hash = Keccak256::digest(&point.as_bytes()[1..]);
    let mut bytes = [0; 20];
    bytes.copy_from_slice(&hash[12..]);
    EthAddress::from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The examples of EIP-55.
    #[test]
    fn checksums_are_those_of_the_standard() {
        for spelled in [
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
            "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
            "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
        ] {
            let lower = spelled.to_lowercase().parse().unwrap();
            assert_eq!(checksummed(&lower).as_str(), spelled);
        }
    }

    /// The example of web3.js' `eth.accounts`, which other libraries test against as well.
    #[test]
    fn a_known_signature_is_recovered_and_made_again() {
        let key = hex::decode("4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318").unwrap();
        let key = SigningKey::from_slice(&key).unwrap();
        let address = address_of(key.verifying_key());
        assert_eq!(checksummed(&address).as_str(), "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23");
        let signature = "0xb91467e570a6466aa9e9876cbcd013baba02900b8979d43fe208a4a4f339f5fd\
                         6007e74cd82e037b800186422fc2da167c747ef045e5d18a5f5d4300f8e1a0291c";
        assert_eq!(Wallet { key, address }.sign("Some data"), signature);
        assert_eq!(recover("Some data", signature), Some(address));
        assert_eq!(recover("Some data", &signature[2..]), Some(address));
        assert_eq!(recover("Some data", &signature.replace("291c", "2901")), Some(address));
        assert_ne!(recover("Some data", &signature.replace("291c", "291b")), Some(address));
        for v in ["02", "1a", "1d", "ff"] {
            assert_eq!(recover("Some data", &signature.replace("291c", &format!("29{v}"))), None);
        }
        for bad in ["", "0x", &signature[..130], &format!("{signature}00"), &signature.replace('b', "g")] {
            assert_eq!(recover("Some data", bad), None, "{bad}");
        }
    }

    #[test]
    fn the_same_signature_with_a_high_s_is_refused() {
        let wallet = Wallet::from_seed(b"high s");
        let bytes = hex::decode(&wallet.sign("hello")[2..]).unwrap();
        let low = Signature::from_slice(&bytes[..64]).unwrap();
        let high = Signature::from_scalars(low.r().to_bytes(), (-*low.s()).to_bytes()).unwrap();
        let twin = format!("{}{:02x}", hex::encode(high.to_bytes()), if bytes[64] == 27 { 28 } else { 27 });
        assert_eq!(recover("hello", &twin), None);
    }

    #[test]
    fn a_wallet_does_not_show_its_key() {
        let wallet = Wallet::from_seed(b"seed");
        assert_eq!(format!("{wallet:?}"), format!("Wallet({})", wallet.address()));
        assert_ne!(Wallet::random().address(), Wallet::random().address());
    }

    proptest! {
        #[test]
        fn any_flipped_bit_of_a_signature_is_noticed(seed: [u8; 32], text in ".{0,80}", bit in 0usize..520) {
            let wallet = Wallet::from_seed(&seed);
            let signature = wallet.sign(&text);
            prop_assert_eq!(recover(&text, &signature), Some(*wallet.address()));
            let mut bytes = hex::decode(&signature[2..]).unwrap();
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert_ne!(recover(&text, &hex::encode(&bytes)), Some(*wallet.address()));
        }

        #[test]
        fn a_signature_is_for_one_message(seed: [u8; 32], text in ".{0,80}", other in ".{0,80}") {
            prop_assume!(text != other);
            let wallet = Wallet::from_seed(&seed);
            prop_assert_ne!(recover(&other, &wallet.sign(&text)), Some(*wallet.address()));
        }
    }
}
