//! One hash: Argon2id, version 19, one pass, one lane, a tag of 64 bytes.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::cpu::{Engine, Path};
use super::{Difficulty, Salt};

const TAG_BYTES: usize = 64;

/// The 64 bytes that Argon2id gives.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Tag(pub [u8; TAG_BYTES]);

impl Tag {
    /// Characters of a tag in base64.
    pub const TEXT_LENGTH: usize = 86;

    /// Standard base64 without padding: the characters in which blocks are looked for.
    pub fn text(&self) -> [u8; Self::TEXT_LENGTH] {
        let mut text = [0; Self::TEXT_LENGTH];
        STANDARD_NO_PAD.encode_slice(self.0, &mut text).expect("64 bytes are 86 characters");
        text
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.text()).expect("base64 is ASCII"))
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tag({self})")
    }
}

impl Default for Tag {
    /// Zeros, to be written over.
    fn default() -> Self {
        Tag([0; TAG_BYTES])
    }
}

/// Hashes one key at a time on the CPU, with memory of its own, used again for every hash.
pub struct Hasher {
    engine: Engine,
}

impl Hasher {
    /// Without memory; the first hash takes what it needs.
    pub fn new() -> Self {
        Hasher { engine: Engine::new(Path::fastest()) }
    }

    /// The tag of a key: its lower-case hexadecimal digits as ASCII, not decoded.
    pub fn hash(&mut self, key: &[u8], salt: &Salt, difficulty: Difficulty) -> Tag {
        let mut tag = [Tag::default()];
        self.engine.hash(&[key], salt, difficulty, &mut tag);
        tag[0]
    }

    /// Gives back the memory if it is more than `kib`.
    pub fn shrink(&mut self, kib: usize) {
        self.engine.shrink(kib);
    }
}

impl Default for Hasher {
    fn default() -> Self {
        Hasher::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::EthAddress;

    const FIRST: &str = "0x24691E54aFafe2416a8252097C9Ca67557271475";

    fn tag_of(key: &str, address: &str, kib: u32, hasher: &mut Hasher) -> String {
        let salt = Salt::of(&address.parse::<EthAddress>().unwrap());
        hasher.hash(key.as_bytes(), &salt, Difficulty::new(kib).unwrap()).to_string()
    }

    #[test]
    fn the_networks_vectors_with_one_hasher_growing_and_reused() {
        let mut hasher = Hasher::new();
        let vectors = [
            (
                "ffffffff24691e54afafe2416a8252097c9ca675572714750123456789abcdef".to_owned(),
                FIRST,
                4096,
                "txJe7QEnopNyK3J1gOcNFFh83tV24FLWi8OrLYdpm+fEZ8WTvZfBGDybd8sGKSJtYMvlPuf5wMBOb17BKDezDg",
            ),
            (
                "0".repeat(64),
                FIRST,
                8,
                "Y0gfN0WEiayjGyeVO7l2QFWLXaiP+tYWGC1fcfUFW3neEXPl2bb/eYotFdYww5DQTNRSLwIkjnYigotqUqF16Q",
            ),
            (
                "0123456789abcdef".repeat(4),
                FIRST,
                100,
                "hgdCBNBdDID2GilEh8YFR7GhvDSoibhCxqgTkrtOgjlYy2MkbrcHurOiLva2kINqggB7AtssXR8jlAVXw8ox1w",
            ),
            (
                format!("a1b2c3d4e5f60718{}", "0".repeat(48)),
                "0xAABBCCDDEE1234567890ABCDEF1234567890ABCD",
                1727,
                "3WHMSFgDUPlK0kYA8H+GAtYdAu65wTSSepWd0Q3y05tLVyQ6z96Njg7bBKXt1QyH/415wzJ6cPrKW8cc07BQbQ",
            ),
        ];
        for (key, address, kib, tag) in &vectors {
            assert_eq!(&tag_of(key, address, *kib, &mut hasher), tag, "m = {kib}");
        }
        hasher.shrink(8);
        let (key, address, kib, tag) = &vectors[3];
        assert_eq!(&tag_of(key, address, *kib, &mut hasher), tag, "after giving memory back");
    }

    #[test]
    fn memory_is_rounded_down_but_the_difficulty_hashed_is_not() {
        let mut hasher = Hasher::new();
        let key = "0".repeat(64);
        assert_ne!(tag_of(&key, FIRST, 100, &mut hasher), tag_of(&key, FIRST, 101, &mut hasher));
    }
}
