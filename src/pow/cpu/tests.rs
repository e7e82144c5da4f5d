//! Every path against the `argon2` crate.

use proptest::prelude::*;

use super::{Engine, Path};
use crate::base::EthAddress;
use crate::pow::{Difficulty, Reference, Salt, Tag};

fn tags(path: Path, keys: &[&[u8]], salt: &Salt, kib: u32) -> Vec<Tag> {
    let mut tags = vec![Tag::default(); keys.len()];
    Engine::new(path).hash(keys, salt, Difficulty::new(kib).unwrap(), &mut tags);
    tags
}

fn expected(keys: &[&[u8]], salt: &Salt, kib: u32) -> Vec<Tag> {
    let (mut reference, difficulty) = (Reference::new(), Difficulty::new(kib).unwrap());
    keys.iter().map(|key| reference.hash(key, salt, difficulty)).collect()
}

#[test]
fn every_path_agrees_with_the_crate_at_every_small_difficulty() {
    let salt = Salt::of(&EthAddress::from_bytes([0xab; 20]));
    let key = "0123456789abcdef".repeat(4);
    for path in Path::available() {
        for kib in 8..=40 {
            let keys = [key.as_bytes()];
            assert_eq!(tags(path, &keys, &salt, kib), expected(&keys, &salt, kib), "{path} m = {kib}");
        }
    }
}

#[test]
fn large_difficulties_agree_with_the_crate() {
    let fastest = Path::fastest();
    let cases = Path::available().into_iter().flat_map(|path| [(path, 1727, 3), (path, 4101, 1)]);
    // Four at once, the largest of the contract.
    for (path, kib, count) in cases.chain([(fastest, 24_577, 5), (fastest, 100_000, 1)]) {
        let keys: Vec<String> = (0..count).map(|key| format!("{key:064x}")).collect();
        let keys: Vec<&[u8]> = keys.iter().map(String::as_bytes).collect();
        assert_eq!(tags(path, &keys, &Salt::Old, kib), expected(&keys, &Salt::Old, kib), "{path} m = {kib}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn every_path_agrees_with_the_crate(
        kib in prop_oneof![8u32..64, 64u32..400],
        account in prop::option::of(any::<[u8; 20]>()),
        length in 64usize..=128,
        seed in any::<u64>(),
        count in 1usize..10,
    ) {
        let salt = account.map_or(Salt::Old, Salt::Account);
        let keys: Vec<String> = (0..count as u64)
            .map(|index| format!("{:016x}", (seed ^ index).wrapping_mul(0x9e37_79b9_7f4a_7c15)).repeat(8))
            .map(|key| key[..length].to_owned())
            .collect();
        let keys: Vec<&[u8]> = keys.iter().map(String::as_bytes).collect();
        let expected = expected(&keys, &salt, kib);
        for path in Path::available() {
            prop_assert_eq!(&tags(path, &keys, &salt, kib), &expected, "{}", path);
        }
    }
}
