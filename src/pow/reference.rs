//! The reference: what the `argon2` crate makes of a key. Slower than what mines, and by others:
//! tests and benchmarks compare with it.

use argon2::{Algorithm, Argon2, Block, Params, Version};

use super::{Difficulty, Salt, Tag};

const PASSES: u32 = 1;
const LANES: u32 = 1;

/// Hashes with the `argon2` crate, with memory of its own, used again for every hash.
#[derive(Default)]
pub struct Reference {
    memory: Vec<Block>,
}

impl Reference {
    /// Without memory; the first hash takes what it needs.
    pub fn new() -> Self {
        Reference::default()
    }

    /// The tag of a key: its lower-case hexadecimal digits as ASCII, not decoded.
    pub fn hash(&mut self, key: &[u8], salt: &Salt, difficulty: Difficulty) -> Tag {
        let mut tag = Tag::default();
        let params = Params::new(difficulty.kib(), PASSES, LANES, Some(tag.0.len()))
            .expect("a difficulty is memory enough for one lane");
        if self.memory.len() < params.block_count() {
            self.memory.resize(params.block_count(), Block::new());
        }
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into_with_memory(key, salt.bytes(), &mut tag.0, self.memory.as_mut_slice())
            .expect("lengths of key, salt, tag and memory suit Argon2");
        tag
    }
}
