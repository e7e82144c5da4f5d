//! Hashes, keys and names as text: what parses is within its limits and prints as it was.

use xenblocks::base::limits::DIFFICULTY_KIB_MAX;
use xenblocks::base::{AccountId, BlockKey, EthAddress, LeaseId, Prefix, WorkerId};
use xenblocks::pow::{Hasher, Phc, Salt};

/// Memory up to which hashes are recomputed here, KiB.
const RECOMPUTED_KIB_MAX: u32 = 64;

/// Takes any text.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(phc) = text.parse::<Phc>() {
        assert_eq!(phc.to_string(), text);
        assert!(text.len() <= Phc::LENGTH_MAX);
        assert!((8..=DIFFICULTY_KIB_MAX).contains(&phc.difficulty.kib()));
        if let Salt::Account(bytes) = phc.salt {
            assert!(phc.salt.belongs_to(&EthAddress::from_bytes(bytes)));
        }
        if phc.difficulty.kib() <= RECOMPUTED_KIB_MAX {
            let (key, mut hasher) = ("0".repeat(64).parse().unwrap(), Hasher::new());
            let computed = Phc::compute(&key, phc.salt, phc.difficulty, &mut hasher);
            assert!(computed.verify(&key, &mut hasher));
            assert_eq!(phc.verify(&key, &mut hasher), computed == phc);
        }
    }
    if let Ok(key) = text.parse::<BlockKey>() {
        assert!(key.as_str().bytes().all(|digit| digit.is_ascii_hexdigit()));
        assert!(key.starts_with(&key.prefix()));
        assert_eq!(key.as_str().parse(), Ok(key));
    }
    if let Ok(address) = text.parse::<EthAddress>() {
        assert_eq!(address.to_string(), text);
        assert_eq!(EthAddress::from_bytes(address.bytes()), address);
    }
    if let Ok(prefix) = text.parse::<Prefix>() {
        assert!(prefix.to_string().eq_ignore_ascii_case(text));
    }
    if let Ok(worker) = text.parse::<WorkerId>() {
        assert_eq!(worker.as_str(), text);
        assert!(!text.contains(['/', '+', '#', '<', '>', '&', '"', '\'', ' ', '\0']));
    }
    assert!(!text.parse::<AccountId>().is_ok_and(|id| id.as_str() != text));
    assert!(!text.parse::<LeaseId>().is_ok_and(|id| id.as_str() != text));
}
