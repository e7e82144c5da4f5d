//! Several hashes from their keys to their tags: Argon2id (RFC 9106), version 19, one pass, one lane,
//! a tag of 64 bytes.

use std::array;

use super::blake2b::{Blake2b, MESSAGE_BYTES, MESSAGE_WORDS, Wide};
use super::fill::fill;
use super::memory::{BLOCK_WORDS, Block};
use super::vector::{LANES_MAX, Vector};
use crate::pow::references::References;
use crate::pow::{Difficulty, Tag};

const LANES: u32 = 1;
const TAG_BYTES: u32 = 64;
const PASSES: u32 = 1;
const VERSION: u32 = 0x13;
const ARGON2ID: u32 = 2;

/// The first two blocks of each hash of a batch, and later its last one.
pub(super) struct Staging {
    firsts: [[Block; 2]; LANES_MAX],
    lasts: [Block; LANES_MAX],
}

impl Staging {
    pub(super) fn new() -> Box<Self> {
        Box::new(Staging { firsts: [[Block::ZERO; 2]; LANES_MAX], lasts: [Block::ZERO; LANES_MAX] })
    }
}

/// What is hashed, and with what.
pub(super) struct Batch<'a> {
    /// ASCII digits, of one length; 1 to [`Vector::LANES`] keys.
    pub(super) keys: &'a [&'a [u8]],
    pub(super) salt: &'a [u8],
    pub(super) difficulty: Difficulty,
    /// Of the same difficulty.
    pub(super) references: &'a References,
    /// Of as many hashes as are filled at once.
    pub(super) memory: &'a mut [Block],
    pub(super) staging: &'a mut Staging,
    /// As many as there are keys.
    pub(super) tags: &'a mut [Tag],
}

/// Computes the tags.
#[inline(always)]
pub(super) fn hash<V: Vector>(batch: Batch<'_>) {
    let Batch { keys, salt, difficulty, references, memory, staging, tags } = batch;
    let seeds = seeds::<V>(keys, salt, difficulty);
    for which in 0..2 {
        first_blocks::<V>(&seeds, which, staging);
    }
    fill_all::<V>(keys.len(), references, memory, staging);
    let words = last_hash::<V>(staging);
    for (lane, tag) in tags.iter_mut().enumerate() {
        for (bytes, word) in tag.0.chunks_exact_mut(8).zip(&words) {
            bytes.copy_from_slice(&word[lane].to_le_bytes());
        }
    }
}

/// H0 of each key: the hash of all parameters, the key and the salt.
#[inline(always)]
fn seeds<V: Vector>(keys: &[&[u8]], salt: &[u8], difficulty: Difficulty) -> Wide<8> {
    let mut texts = [const { Vec::new() }; LANES_MAX];
    for (text, key) in texts.iter_mut().zip(keys) {
        *text = seed_text(key, salt, difficulty);
    }
    let bytes = texts[0].len();
    let mut hash = Blake2b::<V>::new();
    for start in (0..bytes).step_by(MESSAGE_BYTES) {
        let mut message: Wide<MESSAGE_WORDS> = [[0; LANES_MAX]; MESSAGE_WORDS];
        for (lane, text) in texts.iter().enumerate() {
            let rest = text.get(start..).unwrap_or_default();
            for (word, eight) in message.iter_mut().zip(rest.chunks(8)) {
                let mut padded = [0; 8];
                padded[..eight.len()].copy_from_slice(eight);
                word[lane] = u64::from_le_bytes(padded);
            }
        }
        let end = bytes.min(start + MESSAGE_BYTES);
        hash.update(&load::<V, MESSAGE_WORDS>(&message), end, end == bytes);
    }
    store(hash.output())
}

fn seed_text(key: &[u8], salt: &[u8], difficulty: Difficulty) -> Vec<u8> {
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).expect("keys and salts are short");
    let mut text = Vec::with_capacity(2 * MESSAGE_BYTES);
    let parameters = [LANES, TAG_BYTES, difficulty.kib(), PASSES, VERSION, ARGON2ID, length(key)];
    text.extend(parameters.iter().flat_map(|number| number.to_le_bytes()));
    text.extend(key);
    text.extend(length(salt).to_le_bytes());
    text.extend(salt);
    // No secret, no associated data.
    text.extend([0; 8]);
    text
}

/// The first or second block of each hash: H' of its seed, of 1024 bytes. Each BLAKE2b gives 32 of
/// them and is the input of the next; the last gives 64.
#[inline(always)]
fn first_blocks<V: Vector>(seeds: &Wide<8>, which: usize, staging: &mut Staging) {
    const BLOCK_BYTES: u64 = 1024;
    const OUTPUT_BYTES: usize = 64;
    /// The length, the seed, the block's number, the lane's number.
    const INPUT_BYTES: usize = 4 + 64 + 4 + 4;
    const QUADS: usize = BLOCK_WORDS / 4;

    let mut message: Wide<MESSAGE_WORDS> = [[0; LANES_MAX]; MESSAGE_WORDS];
    for lane in 0..V::LANES {
        let mut before = BLOCK_BYTES;
        for (word, seed) in message.iter_mut().zip(seeds) {
            word[lane] = before | seed[lane] << 32;
            before = seed[lane] >> 32;
        }
        message[8][lane] = before | (which as u64) << 32;
    }
    let mut hash = Blake2b::<V>::new();
    hash.update(&load::<V, MESSAGE_WORDS>(&message), INPUT_BYTES, true);
    let mut output = hash.output();
    for quad in 0..QUADS - 1 {
        put::<V>(&output, 0, quad, which, staging);
        if quad == QUADS - 2 {
            put::<V>(&output, 4, quad + 1, which, staging);
            break;
        }
        let message = array::from_fn(|word| if word < 8 { output[word] } else { V::splat(0) });
        let mut hash = Blake2b::<V>::new();
        hash.update(&message, OUTPUT_BYTES, true);
        output = hash.output();
    }
}

/// Four words of the output, from `from` on, become a quad of each hash's block.
#[inline(always)]
fn put<V: Vector>(output: &[V; 8], from: usize, quad: usize, which: usize, staging: &mut Staging) {
    let mut words: Wide<4> = [[0; LANES_MAX]; 4];
    for (wide, vector) in words.iter_mut().zip(&output[from..]) {
        vector.store(wide);
    }
    for (lane, firsts) in staging.firsts.iter_mut().enumerate().take(V::LANES) {
        let place = V::place(quad);
        firsts[which].0[place..place + 4].copy_from_slice(&words.map(|word| word[lane]));
    }
}

/// Fills as many memories at once as there are.
#[inline(always)]
fn fill_all<V: Vector>(hashes: usize, references: &References, memory: &mut [Block], staging: &mut Staging) {
    let blocks = references.blocks() as usize;
    let at_once = memory.len() / blocks;
    let mut begun = 0;
    while begun < hashes {
        let left = (hashes - begun).min(at_once);
        begun += match left {
            4.. => fill_some::<V, 4>(begun, references, memory, staging),
            2.. => fill_some::<V, 2>(begun, references, memory, staging),
            _ => fill_some::<V, 1>(begun, references, memory, staging),
        };
    }
}

#[inline(always)]
fn fill_some<V: Vector, const K: usize>(
    begun: usize,
    references: &References,
    memory: &mut [Block],
    staging: &mut Staging,
) -> usize {
    let blocks = references.blocks() as usize;
    for (memory, firsts) in memory.chunks_exact_mut(blocks).zip(&staging.firsts[begun..begun + K]) {
        memory[..2].copy_from_slice(firsts);
    }
    let mut parts = memory.chunks_exact_mut(blocks);
    fill::<V, K>(array::from_fn(|_| parts.next().expect("memory for K hashes")), references);
    let lasts = memory.chunks_exact(blocks).map(|memory| memory[blocks - 1]);
    for (staged, last) in staging.lasts[begun..begun + K].iter_mut().zip(lasts) {
        *staged = last;
    }
    K
}

/// H' of each hash's last block, of 64 bytes: one BLAKE2b of the length and the block.
#[inline(always)]
fn last_hash<V: Vector>(staging: &Staging) -> Wide<8> {
    const INPUT_BYTES: usize = 4 + 8 * BLOCK_WORDS;
    let mut hash = Blake2b::<V>::new();
    let mut before = [u64::from(TAG_BYTES); LANES_MAX];
    for first in (0..=BLOCK_WORDS).step_by(MESSAGE_WORDS) {
        let mut message: Wide<MESSAGE_WORDS> = [[0; LANES_MAX]; MESSAGE_WORDS];
        for (word, wide) in message.iter_mut().enumerate() {
            let index = first + word;
            for (lane, before) in before.iter_mut().enumerate().take(V::LANES) {
                let place = (index < BLOCK_WORDS).then(|| V::place(index / 4) + index % 4);
                let next = place.map_or(0, |place| staging.lasts[lane].0[place]);
                wide[lane] = *before | next << 32;
                *before = next >> 32;
            }
        }
        let end = INPUT_BYTES.min(8 * first + MESSAGE_BYTES);
        hash.update(&load::<V, MESSAGE_WORDS>(&message), end, end == INPUT_BYTES);
    }
    store(hash.output())
}

#[inline(always)]
fn load<V: Vector, const WORDS: usize>(wide: &Wide<WORDS>) -> [V; WORDS] {
    array::from_fn(|word| V::load(&wide[word]))
}

#[inline(always)]
fn store<V: Vector, const WORDS: usize>(vectors: [V; WORDS]) -> Wide<WORDS> {
    vectors.map(|vector| {
        let mut words = [0; LANES_MAX];
        vector.store(&mut words);
        words
    })
}
